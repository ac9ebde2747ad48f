"""What is published, when a version is made, and what the serve folder keeps."""

from __future__ import annotations

import hashlib
import json
import os
import re
from datetime import UTC, datetime, timedelta

import duckdb
import pytest
from publish_warehouse import HOSTILE_APPS, Warehouse, read_json

from trackline.publish import publish
from trackline.publish.candidate import TABLES
from trackline.publish.versions import DistrictFolder, publisher_lock
from trackline.settings import RefusedError

PUBLISHED = {*TABLES, "frame"}


def states(report) -> dict[str, str]:
    return {outcome.district_id: outcome.state for outcome in report.outcomes}


def findings(report, district: str) -> str:
    [outcome] = [o for o in report.outcomes if o.district_id == district]
    return "; ".join(outcome.findings)


def rows(path, table: str) -> list[tuple]:
    with duckdb.connect(str(path), read_only=True) as con:
        return con.execute(f"select * from {table}").fetchall()


def test_a_version_holds_what_the_manifest_says(settings, warehouse):
    assert states(publish(settings)) == {"aaa": "published", "bbb": "published"}
    folder = settings.serve / "aaa"
    current = read_json(folder / "current.json")
    assert current["schema_version"] == 1
    assert current["as_of"] == "2026-03-31"
    assert set(current["row_counts"]) == PUBLISHED
    assert current["row_counts"]["dim_students"] == 20
    assert current["row_counts"]["frame"] == 20
    assert len(current["checksums"]) == 1 + 2 * len(PUBLISHED)
    for name, checksum in current["checksums"].items():
        content = (folder / name).read_bytes()
        assert hashlib.sha256(content).hexdigest() == checksum
        assert len(content) == current["sizes"][name]
    for table, count in current["row_counts"].items():
        database = rows(folder / current["duckdb"], table)
        parquet = duckdb.read_parquet(
            str(folder / current["version"] / f"{table}.parquet")
        ).fetchall()
        assert database == parquet
        assert len(parquet) == count
    assert not list(folder.glob("*.wal"))
    assert not list(folder.glob(".new-*"))


def test_the_frame_keeps_hostile_app_names_as_column_names(settings, warehouse):
    publish(settings)
    folder = settings.serve / "bbb"
    with duckdb.connect(
        str(folder / read_json(folder / "current.json")["duckdb"]), read_only=True
    ) as con:
        columns = [row[0] for row in con.execute("describe frame").fetchall()]
    assert tuple(columns[5:]) == HOSTILE_APPS


def test_only_the_districts_own_rows_and_nothing_private(settings, warehouse):
    publish(settings)
    for name, other in (("aaa", b"of-bbb"), ("bbb", b"of-aaa")):
        folder = settings.serve / name
        current = read_json(folder / "current.json")
        with duckdb.connect(str(folder / current["duckdb"]), read_only=True) as con:
            tables = {row[0] for row in con.execute("show tables").fetchall()}
            assert tables == PUBLISHED
            for table in TABLES:
                [(strangers,)] = con.execute(
                    f"select count(*) from {table} where district_id <> ?", [name]
                ).fetchall()
                assert strangers == 0
        for file in folder.rglob("*"):
            if file.suffix in (".csv", ".duckdb", ".json"):
                content = file.read_bytes()
                assert other not in content
                assert b"never-published" not in content
        for file in folder.rglob("*.parquet"):
            text = str(duckdb.read_parquet(str(file)).fetchall())
            assert other.decode() not in text
            assert "never-published" not in text


def test_district_ids_are_compared_as_data(settings, warehouse):
    """An id with SQL in it is refused by name and the others go on."""
    warehouse.execute(
        "insert into int_districts select * replace (? as district_id) "
        "from int_districts where district_id = 'aaa'",
        ["x' or '1'='1"],
    )
    warehouse.execute(
        "insert into int_districts select * replace (? as district_id) "
        "from int_districts where district_id = 'aaa'",
        ["../../outside"],
    )
    report = publish(settings)
    assert states(report)["x' or '1'='1"] == "failed"
    assert states(report)["../../outside"] == "failed"
    assert states(report)["aaa"] == "published"
    assert sorted(p.name for p in settings.serve.iterdir()) == [".lock", "aaa", "bbb"]


def test_a_frame_of_other_students_is_not_published(settings, warehouse):
    warehouse.execute(
        "create or replace view frames.district_aaa as "
        "select student_id, type from dim_students where district_id = 'bbb'"
    )
    report = publish(settings)
    assert states(report) == {"aaa": "failed", "bbb": "published"}
    assert "no student of dim_students" in findings(report, "aaa")
    assert not (settings.serve / "aaa" / "current.json").exists()


def test_a_district_that_fails_stops_no_other(settings, warehouse):
    warehouse.execute("drop view frames.district_aaa")
    report = publish(settings)
    assert states(report) == {"aaa": "failed", "bbb": "published"}
    assert report.has_findings
    assert "frames.district_aaa" in findings(report, "aaa")


def test_unchanged_data_makes_no_version(settings, warehouse):
    publish(settings)
    folder = settings.serve / "aaa"
    before = {p: p.stat().st_mtime_ns for p in folder.rglob("*")}
    report = publish(settings)
    assert states(report) == {"aaa": "unchanged", "bbb": "unchanged"}
    assert {p: p.stat().st_mtime_ns for p in folder.rglob("*")} == before


def test_neither_row_order_nor_a_full_refresh_is_a_change(settings, warehouse):
    publish(settings)
    for table in TABLES:
        warehouse.execute(
            f"create or replace table {table} as from {table} order by random()"
        )
    warehouse.execute("update dq_files set loaded_at = loaded_at + interval 9 day")
    assert set(states(publish(settings)).values()) == {"unchanged"}


def test_an_attached_site_that_was_asked_again_is_no_change(settings, warehouse):
    warehouse.execute("update dq_files set path = 'aaa/moodle/course (attached)'")
    publish(settings)
    warehouse.execute("update dq_files set modified_at = modified_at + interval 1 day")
    assert set(states(publish(settings)).values()) == {"unchanged"}


@pytest.mark.parametrize(
    "change",
    [
        "update dim_students set score = score + 0.000001 where student_id like '=03%'",
        "update rpt_most_used_by_student set rank = 5 - rank",  # values swap rows
        "delete from rpt_recommendations where rank = 1 and student_id like '=03%'",
        "insert into rpt_app_value from rpt_app_value",
        "update dim_students set performance = null where student_id like '=03%'",
        "update dq_files set rows_accepted = 99",
    ],
)
def test_any_changed_value_is_a_change(settings, warehouse, change):
    publish(settings)
    warehouse.execute(change)
    assert set(states(publish(settings)).values()) == {"published"}


def test_an_as_of_that_moves_alone_is_announced_without_a_version(settings, warehouse):
    publish(settings)
    before = read_json(settings.serve / "aaa" / "current.json")
    warehouse.execute("update int_districts set as_of = '2026-04-01'")
    assert states(publish(settings))["aaa"] == "unchanged"
    after = read_json(settings.serve / "aaa" / "current.json")
    assert after == before | {"as_of": "2026-04-01"}
    assert states(publish(settings))["aaa"] == "unchanged"


def test_the_last_three_versions_stay(settings, warehouse):
    made = []
    for score in range(5):
        warehouse.execute("update dim_students set score = ?", [score])
        publish(settings)
        made.append(read_json(settings.serve / "aaa" / "current.json")["version"])
    assert made == sorted(set(made))
    folder = settings.serve / "aaa"
    assert sorted(p.stem for p in folder.glob("*.duckdb")) == made[-3:]
    assert sorted(p.name for p in folder.iterdir() if p.is_dir()) == made[-3:]


def test_versions_sort_by_time_even_when_the_clock_goes_back(settings, warehouse):
    publish(settings)
    folder = DistrictFolder(settings.serve, "aaa")
    current = read_json(folder.path / "current.json")["version"]
    yesterday = datetime.now(UTC) - timedelta(days=1)
    assert folder.next_version(yesterday) > current
    assert re.fullmatch(r"\d{8}T\d{12}Z", folder.next_version(yesterday))


@pytest.mark.parametrize("how", ["disabled", "removed"])
def test_a_disabled_or_removed_district_keeps_its_publication(settings, warehouse, how):
    publish(settings)
    before = {p: p.stat().st_mtime_ns for p in (settings.serve / "aaa").rglob("*")}
    warehouse.execute("delete from dim_students where district_id = 'aaa'")
    warehouse.execute("drop view frames.district_aaa")
    if how == "disabled":
        warehouse.execute(
            "update int_districts set is_enabled = false where district_id = 'aaa'"
        )
    else:
        warehouse.execute("delete from int_districts where district_id = 'aaa'")
    report = publish(settings)
    assert not report.has_findings
    assert states(report).get("aaa", "disabled") == "disabled"
    after = {p: p.stat().st_mtime_ns for p in (settings.serve / "aaa").rglob("*")}
    assert after == before
    with pytest.raises(RefusedError, match="aaa"):
        publish(settings, districts=["aaa"])


def test_reports_not_built_yet_are_left_out_but_never_taken_back(settings, warehouse):
    warehouse.execute("alter table rpt_app_value rename to later")
    report = publish(settings)
    assert report.not_built == ["rpt_app_value"]
    current = read_json(settings.serve / "aaa" / "current.json")
    assert set(current["row_counts"]) == PUBLISHED - {"rpt_app_value"}
    warehouse.execute("alter table later rename to rpt_app_value")
    assert states(publish(settings))["aaa"] == "published"
    warehouse.execute("alter table rpt_app_value rename to later")
    report = publish(settings)
    assert states(report)["aaa"] == "failed"
    assert "rpt_app_value" in findings(report, "aaa")


def test_a_warehouse_without_the_tables_is_refused(settings, tmp_path):
    with pytest.raises(RefusedError, match="there is no warehouse"):
        publish(settings)
    duckdb.connect(str(settings.warehouse)).close()
    with pytest.raises(RefusedError, match="dim_students"):
        publish(settings)
    settings.warehouse.write_bytes(b"this is no database" * 1000)
    with pytest.raises(RefusedError, match="cannot be read"):
        publish(settings)


def test_an_unknown_district_is_refused(settings, warehouse):
    with pytest.raises(RefusedError, match="ccc"):
        publish(settings, districts=["ccc"])


def test_a_second_publisher_is_refused(settings, warehouse):
    with publisher_lock(settings.serve), pytest.raises(RefusedError, match="another"):
        publish(settings)


@pytest.mark.parametrize(
    "broken",
    [b"", b"{", b"[]", b"\xff\xfe", b'{"version": "../../etc"}', b'{"version": 3}'],
)
def test_a_broken_current_json_is_restored(settings, warehouse, broken):
    publish(settings)
    path = settings.serve / "aaa" / "current.json"
    before = path.read_bytes()
    path.write_bytes(broken)
    report = publish(settings)
    assert states(report)["aaa"] == "unchanged"
    assert "restored" in findings(report, "aaa")
    assert path.read_bytes() == before
    assert not publish(settings).has_findings


def test_an_altered_current_json_is_restored(settings, warehouse):
    publish(settings)
    path = settings.serve / "aaa" / "current.json"
    before = path.read_text()
    path.write_text(json.dumps(read_json(path) | {"row_counts": {}}))
    assert "altered" in findings(publish(settings), "aaa")
    assert path.read_text() == before


def test_a_damaged_version_gives_way_to_the_one_before(settings, warehouse):
    publish(settings)
    first = read_json(settings.serve / "aaa" / "current.json")["version"]
    warehouse.execute("update dim_students set score = 3")
    publish(settings)
    second = read_json(settings.serve / "aaa" / "current.json")["version"]
    os.truncate(settings.serve / "aaa" / f"{second}.duckdb", 1000)
    report = publish(settings)
    assert f"restored {first}" in findings(report, "aaa")
    assert states(report)["aaa"] == "published"
    stems = sorted(p.stem for p in (settings.serve / "aaa").glob("*.duckdb"))
    assert stems[0] == first
    assert second not in stems


def test_leftovers_of_a_killed_run_are_swept(settings, warehouse):
    publish(settings)
    gone = settings.serve / "gone"
    for folder in (settings.serve / "aaa", gone):
        (folder / ".new-20260101T000000000000Z").mkdir(parents=True)
        (folder / ".new-20260101T000000000000Z" / "frame.csv").write_text("half")
        (folder / ".new-20260101T000000000000Z.duckdb").write_text("half")
    orphan = settings.serve / "aaa" / "20991231T000000000000Z.duckdb"
    orphan.write_text("without its folder")
    assert set(states(publish(settings)).values()) == {"unchanged"}
    assert not list(settings.serve.rglob(".new-*"))
    assert not orphan.exists()


def test_a_warehouse_of_another_name_and_odd_folder(tmp_path):
    from publish_warehouse import make_settings

    folder = tmp_path / "it's a; folder"
    folder.mkdir()
    settings = make_settings(folder)
    Warehouse(settings.warehouse).add_district("aaa")
    assert states(publish(settings)) == {"aaa": "published"}
