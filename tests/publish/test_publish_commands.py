"""`trackline publish` and `trackline status` as a person meets them."""

from __future__ import annotations

import json
import sys
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import pytest
from publish_warehouse import read_json

from trackline import status as status_module
from trackline.cli import main
from trackline.publish import warehouse as warehouse_module


@pytest.fixture
def run(settings, monkeypatch, capsys):
    monkeypatch.setenv("TRACKLINE_WAREHOUSE", str(settings.warehouse))
    monkeypatch.setenv("TRACKLINE_SERVE", str(settings.serve))
    monkeypatch.setenv("TRACKLINE_MODELS", settings.models)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str) -> SimpleNamespace:
        monkeypatch.setattr(sys, "argv", ["trackline", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        return SimpleNamespace(
            exit_code=ended.value.code or 0, stdout=told.out, stderr=told.err
        )

    return invoke


def test_publish_says_what_it_did(run, warehouse):
    result = run("publish")
    assert result.exit_code == 0
    assert "aaa: published" in result.stdout
    assert result.stderr.strip() == ""
    assert "bbb: unchanged" in run("publish", "--district", "bbb").stdout


def test_a_hold_is_a_finding_and_says_how_to_approve(run, warehouse):
    run("publish")
    warehouse.deliver("aaa", "bad.csv", read=10, rejected=9, minute=1)
    result = run("publish")
    assert result.exit_code == 1
    assert "9 of 10 rows read since the last publication" in result.stderr
    assert "trackline publish --approve aaa" in result.stderr
    assert run("publish", "--approve", "aaa").exit_code == 0


def test_refusals_are_one_sentence(run, settings):
    for command in ("publish", "status"):
        result = run(command)
        assert result.exit_code == 2
        assert "there is no warehouse" in result.stderr
        assert len(result.stderr.strip().splitlines()) == 1
        assert result.stdout == ""


def test_approving_what_is_not_held_is_refused(run, warehouse):
    result = run("publish", "--approve", "aaa")
    assert result.exit_code == 2
    assert "not held" in result.stderr


def test_status_tells_each_district(run, settings, warehouse):
    warehouse.use("aaa", date(2026, 3, 28), rows=3)
    warehouse.use("aaa", date(2026, 4, 2), rows=3)  # after as_of: not late, not early
    run("publish")
    warehouse.deliver("aaa", "bad.csv", read=10, rejected=9, minute=1)
    run("publish")
    result = run("status", "--format", "json")
    assert result.exit_code == 1
    aaa, bbb = json.loads(result.stdout)["districts"]
    assert (aaa["rows_read"], aaa["rows_rejected"]) == (10, 9)
    assert aaa["last_delivery_at"] == "2026-03-31T02:01:00+00:00"
    assert (aaa["newest_usage_on"], aaa["days_late"]) == ("2026-03-28", 3)
    assert aaa["held_reasons"][0].startswith("9 of 10 rows")
    current = read_json(settings.serve / "aaa" / "current.json")
    assert aaa["current_version"] == current["version"]
    assert bbb["held_reasons"] == []
    assert bbb["days_late"] is None
    table = run("status")
    assert "3 days" in table.stdout
    assert "(held)" in table.stdout
    assert "9 of 10" in table.stdout


def test_a_district_may_be_published_beside_one_that_is_approved(
    run, settings, warehouse
):
    run("publish")
    warehouse.deliver("bbb", "bad.csv", read=10, rejected=9, minute=1)
    run("publish")
    assert (settings.serve / "bbb" / "held.json").exists()
    result = run("publish", "--district", "aaa", "--approve", "bbb")
    assert result.exit_code == 0
    assert not (settings.serve / "bbb" / "held.json").exists()


@pytest.mark.parametrize("content", ['{"reasons": null}', '{"reasons": [1]}', "[]"])
def test_an_odd_held_file_keeps_no_status_back(run, settings, warehouse, content):
    run("publish")
    (settings.serve / "aaa" / "held.json").write_text(content)
    result = run("status", "--format", "json")
    aaa, bbb = json.loads(result.stdout)["districts"]
    assert bbb["current_version"]
    assert bool(aaa["held_reasons"]) is content.startswith("{")


@pytest.mark.parametrize("content", ['{"a": 1}', "5", "[1"])
def test_an_odd_list_of_models_keeps_no_status_back(run, settings, warehouse, content):
    for name, versions in (("aaa", content), ("bbb", '["bbb-1"]')):
        folder = Path(settings.models) / "recommender" / name
        folder.mkdir(parents=True)
        (folder / "versions.json").write_text(versions)
    result = run("status", "--format", "json")
    aaa, bbb = json.loads(result.stdout)["districts"]
    assert (aaa["last_model"], bbb["last_model"]) == (None, "bbb-1")


def test_status_knows_disabled_and_gone_districts(run, warehouse):
    run("publish")
    warehouse.execute(
        "update int_districts set is_enabled = false where district_id = 'aaa'"
    )
    warehouse.execute("delete from int_districts where district_id = 'bbb'")
    result = run("status", "--format", "json")
    assert result.exit_code == 0
    told = {
        d["district_id"]: d["configuration"]
        for d in json.loads(result.stdout)["districts"]
    }
    assert told == {"aaa": "disabled", "bbb": "gone"}


def test_status_names_the_newest_model(run, settings, warehouse, tmp_path):
    folder = tmp_path / "models" / "recommender" / "aaa"
    folder.mkdir(parents=True)
    (folder / "versions.json").write_text('["aaa-1", "aaa-2"]')
    told = json.loads(run("status", "--format", "json").stdout)["districts"]
    assert [d["last_model"] for d in told] == ["aaa-2", None]
    (folder / "note.txt").write_text("edlae from 300 students")
    assert "aaa, recommender: edlae from 300 students" in run("status").stdout


def test_status_tells_a_damaged_publication(run, settings, warehouse):
    run("publish")
    (settings.serve / "aaa" / "current.json").write_text("{")
    result = run("status")
    assert result.exit_code == 1
    assert "unreadable" in result.stderr
    assert "Traceback" not in result.stdout + result.stderr


def test_a_held_warehouse_is_refused_by_publish_and_told_by_status(
    run, settings, warehouse, hold_warehouse, monkeypatch
):
    run("publish")
    monkeypatch.setattr(warehouse_module.connect, "__defaults__", (0.5, lambda _: None))
    monkeypatch.setattr(status_module, "PATIENCE_SECONDS", 0.1)
    with hold_warehouse(settings.warehouse) as process_id:
        refused = run("publish")
        assert refused.exit_code == 2
        assert f"PID {process_id}" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 1
        told = run("status", "--format", "json")
    assert told.exit_code == 0
    told = json.loads(told.stdout)
    assert "is held by" in told["warehouse"]
    assert [d["current_version"] is not None for d in told["districts"]] == [True, True]
    assert {d["configuration"] for d in told["districts"]} == {"unknown"}


def test_publish_waits_for_a_short_build(run, settings, warehouse, hold_warehouse):
    with hold_warehouse(settings.warehouse, seconds=1.0):
        assert run("publish").exit_code == 0
