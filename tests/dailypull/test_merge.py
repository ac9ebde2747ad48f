"""The merged tables after one, two and three runs."""

from __future__ import annotations

import duckdb


def usage(student="001", app="alpha", day="2025-02-01", minutes="10", **more):
    return {
        "student_id": student,
        "app_id": app,
        "usage_date": day,
        "usage_minutes": minutes,
        **more,
    }


FACT = "fct_daily_usage"
BRIEF = "student_id, app_id, usage_date::varchar, usage_minutes::varchar, session_count"


def test_newer_version_wins_and_tombstone_is_remembered(project):
    project.deliver(
        "north/app_usage/1.csv",
        [
            usage("001", minutes="10", updated_at="2025-02-02T00:00:00Z"),
            usage("002", minutes="20", updated_at="2025-02-02T00:00:00Z"),
        ],
    )
    project.pull()
    assert project.table(FACT, BRIEF) == [
        ("001", "alpha", "2025-02-01", "10.000000", 0),
        ("002", "alpha", "2025-02-01", "20.000000", 0),
    ]
    project.deliver(
        "north/app_usage/2.csv",
        [
            {
                **usage("001", minutes=""),
                "is_deleted": "true",
                "updated_at": "2025-02-05",
            },
            usage("002", minutes="25", updated_at="2025-02-05"),
        ],
        "2025-03-01T05:00:00",
    )
    project.pull()
    assert project.table(FACT, BRIEF) == [
        ("002", "alpha", "2025-02-01", "25.000000", 0),
    ]
    # an older file that arrives later must not revive 001 nor set 002 back
    project.deliver(
        "north/app_usage/0.parquet",
        [
            usage("001", minutes="11", updated_at="2025-02-03"),
            usage("002", minutes="21", updated_at="2025-02-03"),
        ],
        "2025-03-01T06:00:00",
    )
    project.pull()
    assert project.table(FACT, BRIEF) == [
        ("002", "alpha", "2025-02-01", "25.000000", 0),
    ]
    assert project.rows("select student_id, usage_minutes::int from dim_students") == [
        ("002", 25)
    ]


def test_totals_follow_corrections_and_withdrawals(project):
    project.deliver(
        "north/app_usage/1.csv",
        [
            usage(day="2025-02-01", minutes="10"),
            usage(day="2025-02-10", minutes="5"),
            usage(day="2025-02-20", minutes="7"),
            usage(day="2025-02-15", app="beta", minutes="0"),
        ],
    )
    project.pull()
    columns = (
        "usage_minutes::float, app_count, first_used_on::varchar, last_used_on::varchar"
    )
    assert project.table("dim_students", columns) == [
        (22.0, 1, "2025-02-01", "2025-02-20")
    ]
    project.deliver(
        "north/app_usage/2.csv",
        [
            # the first day loses its minutes, the last is withdrawn
            usage(day="2025-02-01", minutes="0"),
            usage(day="2025-02-20", is_deleted="1"),
            usage(day="2025-02-15", app="beta", minutes="1"),
        ],
        "2025-03-01T05:00:00",
    )
    project.pull()
    assert project.table("dim_students", columns) == [
        (6.0, 2, "2025-02-10", "2025-02-15")
    ]
    assert project.table(
        "frames.district_north", "student_id, alpha::int, beta::int"
    ) == [("001", 5, 1)]


def test_nothing_new_changes_nothing(project):
    project.deliver("north/app_usage/1.csv", [usage()])
    project.pull()
    tables = ("dq_files", "int_usage_versions", "int_usage_totals", "int_usage_marks")
    before = [project.table(name) for name in tables]
    project.pull()
    assert [project.table(name) for name in tables] == before


def test_a_kept_table_of_an_older_release_is_refused_until_a_full_refresh(project):
    rankings = ("--select", "tag:daily_pull", "tag:most_used")
    project.deliver("north/app_usage/1.csv", [usage()])
    project.pull()
    assert project.dbt("run", *rankings).success
    with duckdb.connect(str(project.warehouse)) as con:
        con.execute("alter table int_recent_usage drop column window_minutes")
    before = project.table("int_recent_usage"), project.table("int_usage_marks")
    project.deliver("north/app_usage/2.csv", [usage("002")], "2025-03-01T05:00:00")
    refused = project.dbt("run", "--select", "int_recent_usage")
    assert "out of sync" in str(refused)
    after = project.table("int_recent_usage"), project.table("int_usage_marks")
    assert after == before
    assert project.dbt("run", "--full-refresh", *rankings).success
    counted = project.table("int_recent_usage", "student_id, window_minutes::int")
    assert counted == [("001", 10), ("002", 10)]


def test_a_day_used_and_withdrawn_while_it_waited_is_no_last_day(project, monkeypatch):
    """Totals are kept up by changes: of two of one day the first leaves no trace."""
    monkeypatch.setenv("TRACKLINE_AS_OF", "2025-02-01")
    project.deliver("north/app_usage/1.csv", [usage(day="2025-02-01")])
    project.pull()
    nights = (
        [usage(day="2025-02-20"), usage("002", day="2025-02-20"), usage("002")],
        [
            usage(day="2025-02-20", is_deleted="1"),
            usage("002", day="2025-02-20", minutes="0"),
        ],
    )
    for night, rows in enumerate(nights, start=2):
        project.deliver(
            f"north/app_usage/{night}.csv", rows, f"2025-03-01T0{night}:00:00"
        )
        project.pull()
    monkeypatch.setenv("TRACKLINE_AS_OF", "2025-03-01")
    project.pull()
    assert project.table("dim_students", "student_id, last_used_on::varchar") == [
        ("001", "2025-02-01"),
        ("002", "2025-02-01"),
    ]


def test_a_student_of_later_days_leaves_when_as_of_is_set_back(project, monkeypatch):
    monkeypatch.setenv("TRACKLINE_AS_OF", "2025-02-20")
    # a day without use has no last day of use that could tell
    rows = [usage(), usage("002", day="2025-02-20", minutes="0")]
    project.deliver("north/app_usage/1.csv", rows)
    project.pull()
    assert project.table("dim_students", "student_id") == [("001",), ("002",)]
    monkeypatch.setenv("TRACKLINE_AS_OF", "2025-02-10")
    project.pull()
    assert project.table("dim_students", "student_id") == [("001",)]


def test_another_time_zone_moves_the_days_of_all_events(project):
    """Two events on both sides of a midnight: each zone has its own days."""
    event = {"student_id": "001", "app_id": "alpha", "duration_seconds": "600"}
    project.deliver(
        "north/events/1.csv",
        [
            {**event, "event_id": "1", "occurred_at": "2025-02-01T23:50:00Z"},
            {**event, "event_id": "2", "occurred_at": "2025-02-02T12:00:00Z"},
        ],
    )
    project.pull()
    first, second = (
        ("001", "alpha", f"2025-02-0{day}", "10.000000", 1) for day in (1, 2)
    )
    assert project.table(FACT, BRIEF) == [first, second]
    # 5:45 hours ahead both are of the second day, and the first has none left
    project.configure([{"time_zone": "Asia/Kathmandu"}])
    project.pull()
    assert project.table(FACT, BRIEF) == [
        ("001", "alpha", "2025-02-02", "20.000000", 2),
    ]
    totals = "usage_minutes::varchar, session_count, days_used, first_used_on::varchar"
    assert project.table("int_usage_totals", totals) == [
        ("20.000000", 2, 1, "2025-02-02")
    ]
    project.configure([{"time_zone": "UTC"}])
    project.pull()
    assert project.table(FACT, BRIEF) == [first, second]


def test_a_mean_of_scores_is_rounded_once(project):
    project.configure([{"district_id": "north", "score_basis": "mean"}])
    score = {"student_id": "1", "measure": "assessment"}
    project.deliver(
        "north/scores/1.csv",
        [
            {**score, "score": "2", "max_score": "3", "measured_on": "2025-02-01"},
            {**score, "score": "1", "max_score": "2", "measured_on": "2025-02-02"},
        ],
    )
    project.pull()
    assert project.rows("select score::varchar from fct_scores order by 1") == [
        ("50.000000",),
        ("66.666667",),
    ]
    # (66.666667 + 50) / 2 would round up
    assert project.rows("select score::varchar from dim_students") == [("58.333333",)]


def test_an_event_of_somebody_else_in_another_time_zone_leaves_nothing(project):
    event = {
        "event_id": "e1",
        "student_id": "x",
        "app_id": "alpha",
        "occurred_at": "2025-02-01T03:00:00Z",
        "duration_seconds": "60",
    }
    columns = "student_id, usage_date::varchar, usage_minutes::int"
    project.configure([{"district_id": "north", "time_zone": "UTC"}])
    project.deliver("north/events/1.csv", [event])
    project.pull()
    assert project.table(FACT, columns) == [("x", "2025-02-01", 1)]
    project.configure([{"district_id": "north", "time_zone": "America/Denver"}])
    project.deliver(
        "north/events/2.csv", [{**event, "student_id": "y"}], "2025-03-01T05:00:00"
    )
    project.pull()
    assert project.table(FACT, columns) == [("y", "2025-01-31", 1)]
