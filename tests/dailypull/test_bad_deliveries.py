"""One district's bad files in a build: all other rows are unharmed."""

from __future__ import annotations

import importlib
import os

import pytest

HEADER = "student_id,app_id,usage_date,usage_minutes"
GOOD = "001,alpha,2025-02-01,10"
REJECTS = "path, row_number, rule, column_name, value"
FILES = "path, status, rows_read, rows_accepted, rows_rejected"
STATE = (
    "dq_files", "dq_rejected_rows", "int_usage_versions", "int_score_versions",
    "int_event_versions", "int_usage_totals", "dim_students", "int_student_roster",
)  # fmt: skip


def csv(*rows: str) -> str:
    return "\n".join([HEADER, *rows, ""])


def test_everything_at_once(project):
    hostile = (
        "'; drop table fct_daily_usage; --",
        "{{ env_var('HOME') }}",
        "=cmd()",
        "../x",
    )
    project.configure(
        [{"district_id": name} for name in ("north", "south", "empty")],
        {"north": (*hostile, "مرحبا", "🦊"), "south": ("alpha",), "empty": ()},
    )
    deliver = project.deliver
    deliver("south/app_usage/1.csv", csv(GOOD))
    deliver("nowhere/app_usage/1.csv", csv(GOOD))
    deliver("north/gradebook/log.csv", "id\n1\n")
    deliver("north/app_usage/1.xlsx", b"PK")
    deliver("north/app_usage/0.csv", b"")
    deliver(
        "north/app_usage/1.csv",
        csv(
            GOOD,
            "x" * 2000 + ",alpha,2025-02-01,1",
            "001,alpha,2025-02-30,1",
            "001,alpha,0001-01-01,1",
            "001,alpha,2999-01-01,1",
        ),
    )
    deliver(
        "north/app_usage/a/1.csv", csv(*(f'"{x}","{x}",2025-02-01,1' for x in hostile))
    )
    deliver(
        "north/app_usage/b/1.csv", csv("002,مرحبا,2025-02-01,1", "002,🦊,2025-02-01,2")
    )
    deliver("north/app_usage/*.csv", csv("007,alpha,2025-02-01,1"))
    deliver("north/app_usage/cut.parquet", b"PAR1 cut off")
    deliver("north/scores/1.csv", "student_id,measure,measured_on,score,max_score\n"
            "001,assessment,2025-02-01,-9,\n001,assessment,2025-02-01,110,\n"
            "001,assessment,2025-02-01,999999999999,999999999999\n")  # fmt: skip
    deliver("north/events/1.csv", "event_id,student_id,app_id,occurred_at\n"
            "e,001,alpha,0001-01-01T00:00:00\nf,001,alpha,soon\n")  # fmt: skip
    project.pull()
    ledger = ("dq_files", "dq_rejected_rows")
    tested = project.dbt(
        "test", "--select", *ledger, "--exclude-resource-type", "unit_test"
    )
    assert tested.success, tested.messages
    n = "north/app_usage"
    assert project.table("dq_rejected_rows", REJECTS) == [
        (f"{n}/0.csv", 0, "unreadable_file", None,
         "the file is empty: not even a header"),
        (f"{n}/1.csv", 2, "bad_text", "student_id", "x" * 256),
        (f"{n}/1.csv", 3, "bad_date", "usage_date", "2025-02-30"),
        (f"{n}/1.csv", 5, "future_date", "usage_date", "2999-01-01"),
        *[(f"{n}/cut.parquet", 0, "unreadable_file", None, row[0])
          for row in project.rows("select value from dq_rejected_rows"
                                  " where path like '%t.parquet'")],
        ("north/events/1.csv", 2, "bad_date", "occurred_at", "soon"),
        ("north/scores/1.csv", 1, "out_of_range", "score", "-9"),
        ("north/scores/1.csv", 2, "out_of_range", "score", "110"),
    ]  # fmt: skip
    assert project.table("dq_files", FILES) == [
        (f"{n}/*.csv", "loaded", 1, 1, 0),
        (f"{n}/0.csv", "unreadable", 1, 0, 1),
        (f"{n}/1.csv", "loaded", 5, 2, 3),
        (f"{n}/1.xlsx", "unknown_format", 0, 0, 0),
        (f"{n}/a/1.csv", "loaded", 4, 4, 0),
        (f"{n}/b/1.csv", "loaded", 2, 2, 0),
        (f"{n}/cut.parquet", "unreadable", 1, 0, 1),
        ("north/events/1.csv", "loaded", 2, 1, 1),
        ("north/gradebook/log.csv", "unknown_table", 0, 0, 0),
        ("north/scores/1.csv", "loaded", 3, 1, 2),
        ("nowhere/app_usage/1.csv", "unknown_district", 0, 0, 0),
        ("south/app_usage/1.csv", "loaded", 1, 1, 0),
    ]
    assert project.rows("select student_id, usage_minutes::int from fct_daily_usage"
                        " where district_id = 'south'") == [("001", 10)]  # fmt: skip
    assert project.rows("select score::varchar from fct_scores") == [("100.000000",)]
    frame = project.rows("describe frames.district_north")
    assert {row[0] for row in frame[5:]} == {*hostile, "مرحبا", "🦊"}
    assert project.rows("select \"🦊\"::int from frames.district_north"
                        " where student_id = '002'") == [(2,)]  # fmt: skip
    assert project.rows("from frames.district_empty") == []

    before = [project.table(name) for name in STATE]
    for path in project.landing.rglob("*.*"):
        _swap_content(path)
    project.pull()
    assert [project.table(name) for name in STATE] == before

    project.configure([{"district_id": name} for name in ("north", "south", "nowhere")])
    project.deliver("nowhere/app_usage/1.csv", csv(GOOD))
    project.pull()
    assert project.rows("select status, rows_accepted from dq_files"
                        " where district_id = 'nowhere'") == [("loaded", 1)]  # fmt: skip  # noqa: E501
    assert len(project.table("fct_daily_usage")) == len(before[2]) + 1


def _swap_content(path) -> None:
    """Other bytes, the same size and time: a build that looks would see."""
    if path.is_file():
        stat = path.stat()
        path.write_bytes(b"!" * stat.st_size)
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_file_that_vanishes_while_a_build_reads_is_read_when_it_is_back(
    project, monkeypatch
):
    """Only its content says whether a file is broken: a lost share says nothing."""
    lost = [
        project.deliver(f"north/app_usage/lost.{kind}", [
            {"student_id": kind, "app_id": "alpha", "usage_date": "2025-02-01",
             "usage_minutes": "1"}])
        for kind in ("csv", "csv.gz", "parquet")
    ]  # fmt: skip
    project.deliver("north/app_usage/stays.csv", csv(GOOD))
    stage = importlib.import_module("trackline.landing.stage")
    inspect = stage.inspect

    def inspect_and_lose(*arguments):
        files = inspect(*arguments)
        for path in lost:
            path.rename(f"{path}.tmp")
        return files

    with monkeypatch.context() as patch:
        patch.setattr(stage, "inspect", inspect_and_lose)
        project.pull()
    assert project.table("dq_rejected_rows") == []
    assert project.rows("select status, count(*), sum(rows_read) from dq_files"
                        " group by all order by all") == [
        ("loaded", 1, 1), ("unavailable", 3, 0),
    ]  # fmt: skip
    for path in lost:
        os.rename(f"{path}.tmp", path)
    project.pull()
    assert project.table("dq_files", "status, rows_read") == [("loaded", 1)] * 4
    assert len(project.table("fct_daily_usage")) == 4


@pytest.mark.parametrize("moment", ["inspect", "count_records"])
def test_a_file_cut_off_while_it_is_read_is_read_again_whole(
    project, monkeypatch, moment
):
    """Half of a file must not count as the file, nor as one that is broken for good."""
    rows = [{"student_id": f"{n:03}", "app_id": "alpha", "usage_date": "2025-02-01",
             "usage_minutes": "15"} for n in range(300)]  # fmt: skip
    files = [
        project.deliver(f"north/app_usage/1.{kind}", rows)
        for kind in ("csv", "csv.gz", "parquet")
    ]
    whole = [path.read_bytes() for path in files]
    module = importlib.import_module(
        f"trackline.landing.{'stage' if moment == 'inspect' else 'reader'}"
    )
    original = getattr(module, moment)

    def and_cut(*arguments):
        result = original(*arguments)
        for path in files:
            os.truncate(path, path.stat().st_size // 2)
        return result

    with monkeypatch.context() as patch:
        patch.setattr(module, moment, and_cut)
        project.pull()
    assert project.rows("select status, sum(rows_read) from dq_files group by all") == [
        ("unavailable", 0)
    ]
    assert project.table("fct_daily_usage") == []
    assert project.table("dq_rejected_rows") == []
    for path, content in zip(files, whole, strict=True):
        path.write_bytes(content)
        os.utime(path, (1740801600, 1740801600))
    project.pull()
    assert project.rows("select count(*), sum(rows_accepted) from dq_files"
                        " where status = 'loaded'") == [(3, 900)]  # fmt: skip
    assert project.rows("select count(*), sum(usage_minutes)::int from fct_daily_usage"
                        ) == [(300, 4500)]  # fmt: skip


@pytest.mark.parametrize("minutes", ["15", "7"])
def test_a_file_overwritten_within_its_time_is_a_further_delivery(project, minutes):
    """An upload that keeps the source's time, cut off the first time: 1 becomes 15."""
    project.deliver(
        "north/app_usage/1.csv", csv(GOOD, "002,alpha,2025-02-01,1x").rstrip("x\n")
    )
    project.pull()
    project.deliver(
        "north/app_usage/1.csv", csv(GOOD, f"002,alpha,2025-02-01,{minutes}")
    )
    project.pull()
    assert project.rows("select usage_minutes::int from fct_daily_usage"
                        " order by student_id") == [(10,), (int(minutes),)]  # fmt: skip


def test_rejects_of_a_file_overwritten_within_its_time_are_told_apart(project):
    """The ledger counts both deliveries: each has its own rejects."""
    for bad in ("x", "xy"):
        project.deliver(
            "north/app_usage/1.csv",
            csv(GOOD, f"002,alpha,2025-02-01,{bad}", f"003,alpha,2025-02-01,{bad}"),
        )
        project.pull()
    assert project.table("dq_rejected_rows", "row_number, value") == [
        (2, "x"), (2, "xy"), (3, "x"), (3, "xy"),
    ]  # fmt: skip
