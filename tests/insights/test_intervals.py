"""Exact boundaries of every analysis interval, the odd ones too (PROTOCOL 6.2)."""

from __future__ import annotations

import csv
import shutil

import duckdb
import pytest

DAY, WEEK = 86400, 604800
START = 1735689600  # 2025-01-01T00:00:00Z
FOREVER = 2147483647


@pytest.fixture(scope="module")
def ranges_sql(project_root, tmp_path_factory) -> str:
    """The macro's SQL over a relation named `given`."""
    from tests.conftest import Project

    shutil.rmtree(project_root, ignore_errors=True)
    with pytest.MonkeyPatch.context() as monkeypatch:
        project = Project(project_root, monkeypatch)
        outcome = project.invoke(
            "compile", "--inline", "{{ interval_ranges('given') }}"
        )
        return outcome.result.results[0].node.compiled_code


@pytest.fixture
def ranges(ranges_sql):
    """Ranges of an interval by name: (index, start, end, ready) of each."""

    def of(name, start, end, now, *, training=True, first=None):
        from tests.conftest import ROOT

        with (ROOT / "seeds" / "analysis_intervals.csv").open() as stream:
            row = next(
                r for r in csv.DictReader(stream) if r["analysis_interval"] == name
            )
        measures = [
            int(row[c]) if row[c] else None for c in ("parts", "days", "months")
        ]
        with duckdb.connect() as con:
            con.execute(
                "create table given as select ? as kind, ?::int as parts, ?::int as"
                " days,"
                " ?::int as months, ?::bigint as starts_at, ?::bigint as ends_at,"
                " ?::bigint as now_at, ?::bigint as first_analysed_at, ? as"
                " is_training",
                [row["kind"], *measures, start, end, now, first or now, training],
            )
            return con.execute(
                "select range_index, time_start, time_end, ready_at"
                f" from ({ranges_sql}) order by range_index"
            ).fetchall()

    return of


def test_no_splitting_and_single_range(ranges):
    end = START + 100 * DAY
    assert ranges("no_splitting", START, end, START) == [(0, 0, FOREVER, 0)]
    # from start to end, at any time
    assert ranges("single_range", START, end, START + DAY) == [(0, START, end, 0)]


def test_quarters_begin_a_second_after_the_one_before(ranges):
    end = START + 40 * DAY
    first, second, third, fourth = (START + k * 10 * DAY for k in (1, 2, 3, 4))
    assert ranges("quarters", START, end, end) == [
        (0, START, first, first),
        (1, first + 1, second, second),
        (2, second + 1, third, third),
        (3, third + 1, fourth, fourth),
    ]


def test_quarters_of_a_length_that_does_not_divide(ranges):
    # 18 s in quarters: d = 4.5, so 4, 9, 13 by cutting off; the last one ends at the
    # end
    assert ranges("quarters", START, START + 18, START + 18) == [
        (0, START, START + 4, START + 4),
        (1, START + 5, START + 9, START + 9),
        (2, START + 10, START + 13, START + 13),
        (3, START + 14, START + 18, START + 18),
    ]


def test_parts_shorter_than_their_number_are_not_shifted(ranges):
    # 15 s in quarters: d = 3.75 s, less than 4
    rows = ranges("quarters", START, START + 15, FOREVER)
    assert [row[1] - START for row in rows] == [0, 3, 7, 11]
    # 16 s: d = 4 s, not less than 4
    rows = ranges("quarters", START, START + 16, FOREVER)
    assert [row[1] - START for row in rows] == [0, 5, 9, 13]


def test_accumulated_parts_all_begin_at_the_start(ranges):
    end = START + 40 * DAY
    assert ranges("quarters_accum", START, end, end) == [
        (k, START, START + (k + 1) * 10 * DAY, START + (k + 1) * 10 * DAY)
        for k in range(4)
    ]
    tenths = ranges("deciles_accum", START, START + 1003, START + 1003)
    # 100.3 s each, cut off: 100, 200, 300, 401, 501, 601, 702, 802, 902, 1003
    assert [row[2] - START for row in tenths] == [
        100, 200, 300, 401, 501, 601, 702, 802, 902, 1003,
    ]  # fmt: skip
    assert {row[1] for row in tenths} == {START}


def test_deciles(ranges):
    end = START + 100 * DAY
    rows = ranges("deciles", START, end, end)
    assert len(rows) == 10
    assert rows[0] == (0, START, START + 10 * DAY, START + 10 * DAY)
    assert rows[9] == (9, START + 90 * DAY + 1, end, end)


@pytest.mark.parametrize(
    ("name", "wait"),
    [
        ("ten_percent_after_start", 10 * DAY),  # of 100 days
        ("one_week_after_start", WEEK),
        ("one_month_after_start", 31 * DAY),  # January
    ],
)
def test_after_start_waits(ranges, name, wait):
    end = START + 100 * DAY
    assert ranges(name, START, end, START + wait - 1) == []
    now = START + wait
    assert ranges(name, START, end, now) == [(0, START, now, now)]


def test_ten_percent_needs_an_end_and_after_start_a_start(ranges):
    assert ranges("ten_percent_after_start", START, 0, START + WEEK) == []
    assert ranges("one_week_after_start", START, 0, START + WEEK) != []
    assert ranges("one_week_after_start", 0, 0, START) == []


def test_past_week_ends_now_while_the_course_goes_on(ranges):
    # two whole weeks and three days are over: the second range moves to end now
    now = START + 2 * WEEK + 3 * DAY
    assert ranges("past_week", START, START + 100 * DAY, now) == [
        (0, START, START + WEEK, START + WEEK),
        (1, now - WEEK, now, now),
    ]
    # nothing before the start: after six days there is no range yet
    assert ranges("past_week", START, 0, START + 6 * DAY) == []
    # the last one only, for prediction
    assert ranges("past_week", START, 0, now, training=False) == [
        (1, now - WEEK, now, now)
    ]


def test_past_ranges_of_a_finished_course_stay(ranges):
    end = START + 2 * WEEK + 3 * DAY
    rows = [
        (0, START, START + WEEK, START + WEEK),
        (1, START + WEEK, START + 2 * WEEK, START + 2 * WEEK),
    ]
    assert ranges("past_week", START, end, end + 50 * DAY) == rows
    assert len(ranges("past_3_days", START, end, end)) == 5


def test_past_month_counts_calendar_months(ranges):
    # January, February; now is 10 March
    now = START + (31 + 28 + 9) * DAY
    assert ranges("past_month", START, FOREVER, now) == [
        (0, START, START + 31 * DAY, START + 31 * DAY),
        # February, and the nine days more
        (1, now - 28 * DAY, now, now),
    ]


def test_the_last_past_month_is_moved_by_seconds(ranges):
    # 15 January to 15 February are 31 days; now is the last second of 1 March
    start = START + 14 * DAY
    now = START + (31 + 28 + 1) * DAY - 1
    assert ranges("past_month", start, 0, now) == [(0, now - 31 * DAY, now, now)]
    # never before the start: 31 January to 28 February
    start = START + 30 * DAY
    now = START + (31 + 28) * DAY - 1
    ((_, begins, ends, _),) = ranges("past_month", start, 0, now)
    assert start <= begins < ends == now


def test_a_course_shorter_than_a_period_has_one_past_range(ranges):
    end = START + 5 * DAY
    only = [(0, START, START + WEEK, START + WEEK)]
    assert ranges("past_week", START, end, START + 50 * DAY) == only
    assert ranges("past_week", START, end, START + 50 * DAY, training=False) == only
    assert ranges("past_week", START, end, START + WEEK - 1) == []
    assert ranges("past_month", START, end, START + 31 * DAY) == [
        (0, START, START + 31 * DAY, START + 31 * DAY)
    ]


def test_upcoming_counts_from_the_first_analysis(ranges):
    now = START + 2 * WEEK + DAY
    # never analysed: now is the first time
    assert ranges("upcoming_week", START, 0, now) == [(0, now, now + WEEK, now)]
    # first analysed at START: the third week runs
    at = START + 2 * WEEK
    assert ranges("upcoming_week", START, 0, now, training=False, first=START) == [
        (2, at, at + WEEK, at)
    ]
    assert ranges("upcoming_3_days", START, 0, now)[0][2] == now + 3 * DAY
    assert ranges("upcoming_fortnight", START, 0, now)[0][2] == now + 2 * WEEK
