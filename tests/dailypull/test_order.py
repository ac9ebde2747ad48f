"""Whatever order rows arrive in, the tables are those of one full refresh, and right.

The same rows lie in other files, arrive in other runs, twice, late, corrected,
withdrawn: a table that depends on any of that would differ from the oracle in a case.
"""

from __future__ import annotations

import gzip
import os
import shutil
from datetime import UTC, date, datetime

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from oracle import Delivered, expected

AS_OF = date(2025, 8, 20)
ZONES = {"north": "America/New_York", "south": "UTC", "late": "Asia/Kolkata"}
# the first days of a school year and the last of the one before, 35 days back, a year
# back, and days that come after as_of
DAYS = ("2025-08-21", "2025-08-20", "2025-08-19", "2025-08-01", "2025-07-31",
        "2025-07-16", "2024-08-01", "2024-02-29")  # fmt: skip
# nights on which as_of was earlier: days then wait until they are no longer ahead
NIGHTS = ("2025-07-31", "2025-08-18", "2025-08-20")
FILE_TIMES = tuple(
    datetime(2025, 8, day, 4, 0, 0, microsecond)
    for day, microsecond in ((20, 0), (21, 0), (21, 1), (22, 0))
)

students = st.sampled_from(["001", "1", "é"])
apps = st.sampled_from(["alpha", "Alpha", "beta"])
days = st.sampled_from(DAYS)
versions = st.sampled_from(
    [None, None, "2025-08-01", "2025-08-10T00:00:00Z", "2025-08-09T20:00:00-04:00"]
)
withdrawn = st.sampled_from([None, None, "false", "true"])
usage_rows = st.fixed_dictionaries(
    {
        "student_id": students,
        "app_id": apps,
        "usage_date": days,
        "usage_minutes": st.sampled_from(
            ["0", "0.1", "10", "1440", "33.3333335", "1e-7"]
        ),
        "session_count": st.sampled_from([None, "0", "1", "3"]),
        "is_deleted": withdrawn,
        "updated_at": versions,
    }
)
score_rows = st.fixed_dictionaries(
    {
        "student_id": students,
        "measure": st.sampled_from(["assessment", "forecast", "average", "average"]),
        "measured_on": days,
        "score": st.sampled_from(["0", "54.9999995", "55", "69", "87.999999", "88"]),
        "max_score": st.sampled_from([None, "100", "88", "93.7"]),
        "subject": st.sampled_from([None, "all", "maths"]),
        "is_deleted": withdrawn,
        "updated_at": versions,
    }
)
event_rows = st.fixed_dictionaries(
    {
        "event_id": st.sampled_from([f"e{number}" for number in range(12)]),
        "student_id": students,
        "app_id": apps,
        # around midnight in New York and Kolkata, and across a month
        "occurred_at": st.sampled_from(
            ["2025-08-19T03:59:00Z", "2025-08-19T04:00:00Z", "2025-08-19T04:05:00.5Z",
             "2025-08-18T18:29:59Z", "2025-08-18T18:30:00Z", "2025-07-31T23:59:59-04:00",  # noqa: E501
             "2025-08-20T05:00:00Z", "2025-07-16T12:00:00Z"]
        ),
        "duration_seconds": st.sampled_from([None, None, "30", "59.9999995", "86400"]),
    }
)  # fmt: skip
roster_rows = st.fixed_dictionaries(
    {"student_id": students, "school_id": st.sampled_from([None, "s1", "s2"])}
)
TABLES = {
    "app_usage": (usage_rows, 30),
    "scores": (score_rows, 15),
    "events": (event_rows, 15),
}


@st.composite
def deliveries(draw) -> list[list[Delivered]]:
    """Nights of files: rows dealt into files, files dealt into nights."""
    nights: list[list[Delivered]] = [[] for _ in range(draw(st.integers(1, 3)))]
    file_names = st.sampled_from(
        ["1.csv", "2.csv.gz", "a/1.csv", "Z.parquet", "é.parquet"]
    )
    for district in ZONES:
        for table, (row, most) in TABLES.items():
            rows = draw(st.lists(row, max_size=most))
            piles: dict[str, list[dict]] = {}
            for name, one in zip(
                draw(st.lists(file_names, min_size=len(rows), max_size=len(rows))),
                rows,
                strict=True,
            ):
                piles.setdefault(name, []).append(one)
            for name, pile in piles.items():
                path = f"{district}/{table}/{name}"
                _deal(draw, nights, Delivered(path, FILE_TIMES[0], tuple(pile)))
        for name in draw(st.lists(file_names, max_size=2, unique=True)):
            roster = draw(
                st.lists(roster_rows, max_size=3, unique_by=lambda r: r["student_id"])
            )
            path = f"{district}/students/{name}"
            _deal(draw, nights, Delivered(path, FILE_TIMES[0], tuple(roster)))
    return nights


def _deal(draw, nights: list[list[Delivered]], file: Delivered) -> None:
    """Deliver a file on some night and perhaps once more, with a later time."""
    first = draw(st.integers(0, len(nights) - 1))
    at = draw(st.sampled_from(range(len(FILE_TIMES))))
    nights[first].append(Delivered(file.path, FILE_TIMES[at], file.rows))
    if (
        draw(st.integers(0, 4)) == 0
        and first + 1 < len(nights)
        and at + 1 < len(FILE_TIMES)
    ):
        again = draw(st.integers(first + 1, len(nights) - 1))
        nights[again].append(Delivered(file.path, FILE_TIMES[at + 1], file.rows))


def write(project, file: Delivered) -> None:
    columns = {
        "app_usage": "student_id", "scores": "student_id,measure,measured_on",
        "events": "event_id", "students": "student_id",
    }[file.table].split(",")  # fmt: skip
    rows = list(file.rows) or [dict.fromkeys(columns)]
    target = project.deliver(file.path, rows)
    if not file.rows:
        _drop_rows(target)
    seconds = file.modified_at.replace(tzinfo=UTC)
    nanoseconds = int(seconds.timestamp()) * 10**9 + file.modified_at.microsecond * 1000
    os.utime(target, ns=(nanoseconds, nanoseconds))


def _drop_rows(target) -> None:
    if target.suffix == ".parquet":
        import pyarrow.parquet as pq

        pq.write_table(pq.read_table(target).slice(0, 0), target)
    elif target.suffix == ".gz":
        target.write_bytes(gzip.compress(b"student_id\n"))
    else:
        target.write_text("student_id\n")


def tables(project) -> dict[str, list[tuple]]:
    """Return the warehouse's tables, as the oracle tells them."""
    return {
        "usage": project.table("fct_daily_usage"),
        "scores": project.table("fct_scores"),
        "totals": project.rows(
            "select district_id, student_id, app_id, school_year_starts_on, "
            " usage_minutes, session_count, days_used, first_used_on, last_used_on"
            " from int_usage_totals order by 1, 2, 3, 4"
        ),
        "students": project.rows("from dim_students order by 1, 2"),
        "rejects": project.table("dq_rejected_rows", "path, row_number, rule, value"),
        # what no reader has counted yet
        "waiting": project.rows(
            "select count(*) from int_usage_versions where merged_in >"
            " (select min(counted_to) from int_usage_marks"
            " where reader = 'int_usage_totals')"
            " union all select count(*) from int_event_versions where merged_in >"
            " (select min(counted_to) from int_usage_marks"
            " where reader = 'int_usage_versions')"
        ),
    }


def check_case(project, seeded, nights: list[list[Delivered]]) -> None:
    for folder in (project.landing, project.warehouse.parent):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
    shutil.copy(seeded, project.warehouse)
    present: dict[str, Delivered] = {}
    select = ("run", "--select", "tag:daily_pull")
    for number, night in enumerate(nights):
        for file in night:
            write(project, file)
            present[file.path] = file
        as_of = NIGHTS[number - len(nights)]
        project.monkeypatch.setenv("TRACKLINE_AS_OF", as_of)
        outcome = project.dbt(*select)
        assert outcome.success, outcome.messages
    oracle = expected(list(present.values()), ZONES, AS_OF)
    right = {
        "usage": oracle.usage,
        "scores": oracle.scores,
        "totals": oracle.totals,
        "students": oracle.students,
        "rejects": [],
        "waiting": [(0,), (0,)],
    }
    for name, rows in tables(project).items():
        assert rows == right[name], name
    assert project.dbt(*select, "--full-refresh").success
    for name, rows in tables(project).items():
        assert rows == right[name], f"{name} after a full refresh"


@pytest.fixture
def seeded(project, tmp_path):
    """A warehouse that holds the seeds and nothing else."""
    project.configure([{"district_id": d, "time_zone": z} for d, z in ZONES.items()])
    assert project.dbt("seed").success
    return shutil.copy(project.warehouse, tmp_path / "seeded.duckdb")


def cases(count: int):
    """Settings of a run: no shrinking, for each try of it costs seconds of builds."""
    return settings(
        max_examples=count,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )


@cases(25)
@given(nights=deliveries())
def test_order_does_not_matter(project, seeded, nights):
    check_case(project, seeded, nights)


@pytest.mark.long
@pytest.mark.timeout(7200)
@cases(500)
@given(nights=deliveries())
def test_order_does_not_matter_in_500_cases(project, seeded, nights):
    check_case(project, seeded, nights)
