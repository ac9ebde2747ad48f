"""The words given to dbt, the pools, the lenient reading: pure functions."""

from __future__ import annotations

import os
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from orchestration import alerts, dbt, processes
from orchestration.alerts import message
from orchestration.environment import Environment
from orchestration.facts import WarehouseFacts, newest_models, validation
from orchestration.jobs import onboarding_config
from orchestration.landing import files_of
from orchestration.publishing import (
    PublishConfig,
    districts_to_publish,
    freshness_result,
    hold_result,
    published_key,
    row_drop_result,
)
from orchestration.sensors import is_due_soon, unread
from trackline.publish import Outcome
from trackline.settings import RefusedError, Settings
from trackline.status import DistrictStatus


def test_a_code_server_never_reads_half_a_manifest(tmp_path, monkeypatch):
    """Several begin at once where nobody has parsed yet."""
    monkeypatch.setenv("DBT_TARGET_PATH", str(tmp_path))
    whole = tmp_path / "manifest.json"
    seen = []

    class Parse:
        def cli(self, words, target_path):
            self.target = target_path
            return self

        def wait(self):
            (self.target / "partial_parse.msgpack").touch()
            manifest = self.target / "manifest.json"
            manifest.write_text('{"nodes"')
            seen.append(whole.exists())
            manifest.write_text('{"nodes": {}}')

    monkeypatch.setattr(dbt, "command_line", lambda project: Parse())
    for _ in range(2):
        assert dbt.load_project(Environment()).manifest_path == whole
    assert seen == [False], "it was seen before it was whole, or made twice"
    assert whole.read_text() == '{"nodes": {}}'
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "manifest.json",
        "partial_parse.msgpack",
    ]


def test_no_model_is_left_out():
    # a folder that nobody tagged would otherwise never be built at night
    pull, *others = processes.processes({"insights", "most_used", "mine"})
    assert pull.select == "fqn:*"
    assert pull.exclude.split() == [process.select for process in others]
    assert [process.name for process in others] == ["most_used", "insights"]


def test_a_project_without_the_later_processes_has_a_pull():
    assert processes.processes(()) == [processes.Process("daily_pull", "fqn:*")]


def test_unit_tests_stay_with_the_developers():
    assert processes.build_arguments() == [
        "build",
        "--exclude-resource-type",
        "unit_test",
    ]
    assert processes.build_arguments(full_refresh=True)[-1] == "--full-refresh"


@pytest.mark.parametrize("name", ["daily_pull", "most_used", "publish", "backfill"])
def test_duckdb_has_one_pool_and_spark_none(name):
    assert processes.pool(name, "dev") == "warehouse"
    assert processes.pool(name, "spark") is None


def test_recommendations_are_alone_on_every_engine():
    assert processes.pool("recommendations", "dev") == "warehouse"
    assert processes.pool("recommendations", "spark") == "recommendations"


def test_a_held_lock_is_told_from_other_errors():
    held = (
        'IO Error: Could not set lock on file "/w.duckdb": Conflicting lock is held in'
        " python (PID 7)"
    )
    assert processes.is_lock_held(held)
    assert processes.is_lock_held("the warehouse w is held by another process (PID 7)")
    assert not processes.is_lock_held("Catalog Error: no table lock")


def test_waiting_doubles_and_covers_five_minutes():
    waits = [processes.retry_seconds(n) for n in range(processes.MAX_RETRIES)]
    assert waits[:3] == [5, 10, 20]
    assert sum(waits) > 300


def test_cron_comes_from_a_time_of_day():
    assert processes.cron("02:05") == "5 2 * * *"


@pytest.mark.parametrize("at", ["2 am", "02", "0200", "02:00:00", "25:00", "2:00 "])
def test_schedule_and_sensor_refuse_the_same_times(at):
    # what only one of them reads would fail at night, not when it is configured
    with pytest.raises(RefusedError, match="TRACKLINE_NIGHTLY_AT"):
        processes.cron(at)
    with pytest.raises(RefusedError, match="TRACKLINE_NIGHTLY_AT"):
        is_due_soon(at, "UTC", datetime(2026, 3, 1, tzinfo=UTC))


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-01T06:31:00", True),  # 01:31 in New York, 29 minutes before
        ("2026-03-01T06:30:00", False),
        ("2026-03-01T07:00:00", True),  # the minute itself
        ("2026-03-01T07:00:01", False),
    ],
)
def test_the_nightly_run_is_due_half_an_hour_ahead(now, expected):
    at = datetime.fromisoformat(now).replace(tzinfo=UTC)
    assert is_due_soon("02:00", "America/New_York", at) is expected


def test_due_across_midnight():
    at = datetime(2026, 3, 1, 23, 50, tzinfo=UTC)
    assert is_due_soon("00:05", "UTC", at)


def test_a_file_that_was_read_starts_no_pull(tmp_path: Path, monkeypatch):
    # each nightly run would be followed by a pull that finds nothing to read
    import duckdb

    from trackline.landing import LandingFile
    from trackline.landing.stage import LEDGER, STATES

    at = datetime(2026, 3, 1, 4)
    files = [
        LandingFile("a", "app_usage", f"a/{name}.csv", name, 7, at)
        for name in ("loaded", "unreadable", "unavailable", "changed", "new")
    ]
    monkeypatch.setenv("TRACKLINE_WAREHOUSE", str(tmp_path / "w.duckdb"))
    settings = Settings.from_environment()
    assert unread(settings, files) == files
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        for name in STATES:
            con.execute(f"create table {name} (district_id text)")
        con.execute(
            f"create table {LEDGER} as select * from (values"
            " ('a/loaded.csv', 7::bigint, $1::timestamp, 'loaded'),"
            " ('a/unreadable.csv', 7, $1, 'unreadable'),"
            " ('a/unavailable.csv', 7, $1, 'unavailable'),"
            " ('a/changed.csv', 6, $1, 'loaded'))"
            " as rows(path, size_bytes, modified_at, status)",
            [at],
        )
    assert unread(settings, files) == files[2:]


def test_districts_are_read_leniently(tmp_path: Path):
    # a code location that fails on a wrong seed shows nothing at all
    seeds = tmp_path / "districts.csv"
    assert processes.configured_districts(tmp_path) == []
    seeds.write_text(
        "district_id,enabled\nb,true\na,\nc,false\nNOT AN ID,true\n,true\n"
        f"Upper,true\n_a,true\n{'a' * 33},true\n"
    )
    assert processes.configured_districts(tmp_path) == ["a", "b"]
    seeds.write_bytes(b"\xff\xfe\x00district")
    assert processes.configured_districts(tmp_path) == []


def test_backfill_days():
    days = processes.dates_between("2026-02-27", "2026-03-01")
    assert days == [date(2026, 2, 27), date(2026, 2, 28), date(2026, 3, 1)]
    assert processes.dates_between("", "") == [None]
    for first, last in [("2026-03-01", ""), ("x", "y"), ("2026-03-02", "2026-03-01")]:
        with pytest.raises(RefusedError, match="backfill"):
            processes.dates_between(first, last)


def test_what_is_published():
    known = {"a", "b"}
    # all: a district configured since the definitions were loaded goes with them
    assert districts_to_publish(PublishConfig(), {"a", "b"}, known) is None
    assert districts_to_publish(PublishConfig(), {"b"}, known) == ["b"]
    named = PublishConfig(districts=["new"], approve=["a"])
    assert districts_to_publish(named, {"a", "b"}, known) == ["a", "new"]


def test_the_hold_shows_both_counts():
    outcome = Outcome("a", "held", "v1", ("9 of 10 rows were rejected",))
    result = hold_result(published_key("a"), outcome, {"frame": 10}, {"frame": 4})
    assert not result.passed
    assert result.severity.value == "WARN"
    records = result.metadata["tables"].records
    assert records[0].data == {"table": "frame", "before": 10, "after": 4}
    assert "approve: [a]" in result.metadata["to release it"].value


def test_a_failed_publication_is_an_error():
    result = hold_result(published_key("a"), Outcome("a", "failed"), {}, {})
    assert not result.passed
    assert result.severity.value == "ERROR"


@pytest.mark.parametrize(("late", "passed"), [(3, True), (4, False), (None, False)])
def test_freshness(late, passed):
    status = DistrictStatus("a", days_late=late)
    assert freshness_result(published_key("a"), status, 4).passed is passed


@pytest.mark.parametrize(("after", "passed"), [(80, True), (79, False), (120, True)])
def test_row_drop(after, passed):
    result = row_drop_result(published_key("a"), {"t": 100}, {"t": after}, 20.0)
    assert result.passed is passed


def test_a_lost_table_is_a_row_drop():
    assert not row_drop_result(published_key("a"), {"t": 1}, {}, 20.0).passed


def test_the_message_has_no_error_text():
    told = message("daily", "r1", ["dbt_daily_pull"], "http://ui")
    assert told["text"] == (
        "Trackline: daily failed in dbt_daily_pull. http://ui/runs/r1"
    )
    assert set(told) == {"text", "job", "run_id", "steps", "url"}


def test_environment_has_defaults():
    assert Environment.read({}) == Environment()
    read = Environment.read({"TRACKLINE_ENVIRONMENT": "production"})
    assert read.is_production


def test_onboarding_names_its_districts():
    assert onboarding_config(["a"]) == {
        "ops": {"build_and_publish": {"config": {"districts": ["a"]}}}
    }


def test_the_command_tells_where_the_webhook_is_dead(tmp_path: Path, monkeypatch):
    told = tmp_path / "told"
    environment = Environment(
        # nobody listens at port 9
        alert_webhook="http://127.0.0.1:9/",
        alert_command=f"tee {told}",
    )
    monkeypatch.setattr(alerts.time, "sleep", lambda _: None)
    with pytest.raises(OSError, match="refused"):
        alerts.alert({"text": "a run failed"}, environment)
    assert "a run failed" in told.read_text()


def test_a_districts_files_are_listed_without_the_others(tmp_path: Path, monkeypatch):
    for district in ("a", "b"):
        (tmp_path / district / "app_usage").mkdir(parents=True)
        (tmp_path / district / "app_usage" / "1.csv").write_text("x")
    elsewhere = tmp_path.parent / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "1.csv").write_text("x")
    (tmp_path / "a" / "scores").symlink_to(elsewhere)
    looked_into = []
    scandir = os.scandir

    def told(folder):
        looked_into.append(str(folder))
        return scandir(folder)

    monkeypatch.setattr("trackline.landing.files.os.scandir", told)
    settings = replace(Settings.from_environment(), landing=tmp_path)
    assert [f.path for f in files_of(settings, "a")] == ["a/app_usage/1.csv"]
    assert not [folder for folder in looked_into if folder.endswith("/b")]
    assert files_of(settings, "c") == []


def test_models_are_told_with_their_validation(tmp_path: Path):
    folder = tmp_path / "recommender" / "north"
    (folder / "north-1").mkdir(parents=True)
    (folder / "versions.json").write_text('["north-0", "north-1"]')
    (folder / "north-1" / "model.json").write_text(
        '{"scorers": {"next": {"ndcg_by_band":'
        ' {"high": {"students": 1, "ndcg_10": 0.2},'
        ' "low": {"students": 3, "ndcg_10": 0.6}}}}}'
    )
    assert newest_models(str(tmp_path)) == [
        {"district_id": "north", "model_id": "north-1", "validation": "next 0.5000"}
    ]
    for name, text in (("broken", "[1"), ("odd", '{"a": 1}'), ("gone", '["x-1"]')):
        damaged = tmp_path / "recommender" / name
        damaged.mkdir()
        (damaged / "versions.json").write_text(text)
    assert [one["district_id"] for one in newest_models(str(tmp_path))] == ["north"]
    assert newest_models(str(tmp_path / "nowhere")) == []
    assert validation({}) == ""


def test_facts_of_a_warehouse(tmp_path: Path, monkeypatch):
    """Counts by district, models with their score, and no student in a preview."""
    import duckdb

    monkeypatch.setenv("TRACKLINE_WAREHOUSE", str(tmp_path / "w.duckdb"))
    monkeypatch.setenv("TRACKLINE_MODELS", str(tmp_path))
    with duckdb.connect(str(tmp_path / "w.duckdb")) as con:
        con.execute(
            "create table rpt_recommendations as select * from (values"
            " ('a', 's1', 'm1'), ('a', 's2', 'm1'), ('b', 's3', 'm2'))"
            " as rows(district_id, student_id, model_id)"
        )
        con.execute(
            "create table rpt_app_value as select 'a' as district_id, 1 as seats"
        )
        con.execute("create table int_secret as select 's1' as student_id")
    names = ("rpt_recommendations", "rpt_app_value", "int_secret")
    manifest = {
        "metadata": {"adapter_type": "duckdb"},
        "nodes": {f"model.trackline.{name}": {"alias": name} for name in names},
    }
    facts = WarehouseFacts.read(
        Settings.from_environment(), manifest, list(manifest["nodes"])
    )
    found = facts.of("model.trackline.rpt_recommendations")
    assert found["dagster/row_count"] == 3
    assert [r.data for r in found["rows by district"].records] == [
        {"district_id": "a", "rows": 2},
        {"district_id": "b", "rows": 1},
    ]
    assert [r.data["model_id"] for r in found["models"].records] == ["m1", "m2"]
    assert "preview" not in found
    assert "preview" in facts.of("model.trackline.rpt_app_value")
    assert set(facts.of("model.trackline.int_secret")) == {
        *("dagster/column_schema", "dagster/row_count")
    }
    # a staged model lives for one build only
    assert facts.of("model.trackline.stg") == {}
    spark = {**manifest, "metadata": {"adapter_type": "spark"}}
    assert WarehouseFacts.read(Settings.from_environment(), spark, []).tables == {}
    one = "model.trackline.rpt_app_value"
    facts = WarehouseFacts.read(Settings.from_environment(), manifest, [one])
    assert set(facts.tables) == {"rpt_app_value"}, "what was not built is not counted"
