"""Six students and four applications, worked out by hand.

The district's year begins on 1 August 2024, today is Saturday 1 March 2025, top_n is 3.

Use (minutes/sessions on a day), and each student's sums of the school year so far:

    001  alpha 30/1 + 30/1 = 60/2, delta 60/2 on 02-01, beta 60/1;
         alpha 500 on 31 July is last year's
    002  beta 0/3: sessions count as use; gamma 0/0 is none
    003  alpha 100/1 on 01-23, beta 10/1 on 01-24, gamma 5/1 on 02-20; beta 0/0 on 02-21
         is no use, so the 28 days to the last use begin on 01-24
    004  gamma 20/1 on 02-28; alpha 99 on 03-02 lies after today
    005  alpha 15/1 on 1 August, the first day
    006  60/1 in each of the four

Scores: 001 assessments of 90 on beta and gamma (one on delta is last year's) and 002
one of 90 on no application: type 1, excellent. 003 a forecast of 60: type 2, needs
improvement. 004 an average of 40: type 3, unsatisfactory. 005 last year's average of
70: type 4, satisfactory. 006 has none.
"""

from __future__ import annotations

from decimal import Decimal

import pytest

APPS = [
    # weekly goal, seats, annual cost
    ("alpha", 30, 10, 100),
    ("beta", 10, "", ""),
    ("gamma", 25, 3, 90),
    ("delta", 60, 5, ""),
]
USE = [
    ("001", "alpha", "2024-07-31", 500, 9),
    ("001", "alpha", "2024-09-02", 30, 1),
    ("001", "alpha", "2024-09-03", 30, 1),
    ("001", "beta", "2024-10-01", 60, 1),
    ("001", "delta", "2025-02-01", 60, 2),
    ("002", "beta", "2025-01-10", 0, 3),
    ("002", "gamma", "2025-01-11", 0, 0),
    ("003", "alpha", "2025-01-23", 100, 1),
    ("003", "beta", "2025-01-24", 10, 1),
    ("003", "gamma", "2025-02-20", 5, 1),
    ("003", "beta", "2025-02-21", 0, 0),
    ("004", "gamma", "2025-02-28", 20, 1),
    ("004", "alpha", "2025-03-02", 99, 1),
    ("005", "alpha", "2024-08-01", 15, 1),
    *(("006", app, "2024-12-01", 60, 1) for app, *_ in APPS),
]
SCORES = [
    ("001", "assessment", 90, "2025-01-15", "beta"),
    ("001", "assessment", 90, "2025-01-15", "gamma"),
    ("001", "assessment", 10, "2024-05-15", "delta"),
    ("002", "assessment", 90, "2025-01-15", ""),
    ("003", "forecast", 60, "2025-01-15", ""),
    ("004", "average", 40, "2025-01-15", ""),
    ("005", "average", 70, "2024-05-15", ""),
]


def deliver(project, district: str) -> None:
    project.deliver(
        f"{district}/app_usage/1.csv",
        [
            dict(
                zip(
                    (
                        "student_id",
                        "app_id",
                        "usage_date",
                        "usage_minutes",
                        "session_count",
                    ),
                    row,
                    strict=True,
                )
            )
            for row in USE
        ],
    )
    project.deliver(
        f"{district}/scores/1.csv",
        [
            dict(
                zip(
                    ("student_id", "measure", "score", "measured_on", "app_id"),
                    row,
                    strict=True,
                )
            )
            for row in SCORES
        ],
    )


@pytest.fixture
def built(project):
    project.configure(
        [
            {"district_id": "north", "top_n": "3"},
            {"district_id": "south", "enabled": "false"},
        ]
    )
    project.write_seed(
        "district_apps",
        [
            {
                "district_id": district,
                "app_id": app,
                "app_name": app,
                "weekly_minutes_goal": goal,
                "seats": seats,
                "annual_cost": cost,
            }
            for district in ("north", "south")
            for app, goal, seats, cost in APPS
        ],
    )
    deliver(project, "north")
    deliver(project, "south")
    project.build()
    return project


def ranking(project, table: str, columns: str) -> list[tuple]:
    # the order of ranks is what is tested: sort by everything before it
    return project.rows(
        f"select {columns} from {table} where district_id = 'north' order by all"
    )


def test_rankings_and_value_by_hand(built):
    assert ranking(
        built,
        "rpt_most_used_by_student",
        "student_id, basis, rank, app_id, usage_minutes::int, session_count, days_used,"
        " last_used_on::varchar",
    ) == [
        # 0 minutes on gamma, whose assessment counts all the same
        ("001", "assessment", 1, "beta", 60, 1, 1, "2024-10-01"),
        ("001", "assessment", 2, "gamma", 0, 0, 0, None),
        # three times 60 minutes: sessions decide, then the id
        ("001", "overall", 1, "alpha", 60, 2, 2, "2024-09-03"),
        ("001", "overall", 2, "delta", 60, 2, 1, "2025-02-01"),
        ("001", "overall", 3, "beta", 60, 1, 1, "2024-10-01"),
        ("002", "overall", 1, "beta", 0, 3, 1, "2025-01-10"),
        # alpha lies one day before the 28
        ("003", "latest", 1, "beta", 10, 1, 1, "2025-01-24"),
        ("003", "latest", 2, "gamma", 5, 1, 1, "2025-02-20"),
        ("003", "overall", 1, "alpha", 100, 1, 1, "2025-01-23"),
        ("003", "overall", 2, "beta", 10, 1, 1, "2025-01-24"),
        ("003", "overall", 3, "gamma", 5, 1, 1, "2025-02-20"),
        ("004", "overall", 1, "gamma", 20, 1, 1, "2025-02-28"),
        ("005", "overall", 1, "alpha", 15, 1, 1, "2024-08-01"),
        # four equal ones, three places
        ("006", "overall", 1, "alpha", 60, 1, 1, "2024-12-01"),
        ("006", "overall", 2, "beta", 60, 1, 1, "2024-12-01"),
        ("006", "overall", 3, "delta", 60, 1, 1, "2024-12-01"),
    ]
    # alpha 60 + 100 + 15 + 60, beta 60 + 0 + 10 + 60, delta 60 + 60; gamma 85 is fourth
    district = [
        (1, "alpha", 235, 5, 4),
        (2, "beta", 130, 6, 4),
        (3, "delta", 120, 3, 2),
    ]
    # 001 and 002: 60 minutes each; sessions beta 1 + 3, alpha 2, delta 2
    first = [(1, "beta", 60, 4, 2), (2, "alpha", 60, 2, 1), (3, "delta", 60, 2, 1)]
    second = [(1, "alpha", 100, 1, 1), (2, "beta", 10, 1, 1), (3, "gamma", 5, 1, 1)]
    third = [(1, "gamma", 20, 1, 1)]
    fourth = [(1, "alpha", 15, 1, 1)]
    groups = [
        (1, "excellent", first),
        (2, "needs improvement", second),
        (3, "unsatisfactory", third),
        (4, "satisfactory", fourth),
    ]
    expected = [("district", None, None, *row) for row in district]
    for kind, band, rows in groups:
        expected += [("type", kind, None, *row) for row in rows]
        expected += [("performance", None, band, *row) for row in rows]
        expected += [("type_performance", kind, band, *row) for row in rows]
    found = ranking(
        built,
        "rpt_most_used_by_district",
        "scope, type, performance, rank, app_id, usage_minutes::int, session_count,"
        " student_count",
    )
    assert sorted(found, key=str) == sorted(expected, key=str)
    value = (
        "app_id, active_students, seats, licence_use, cost_per_active_student,"
        " goal_weeks_met_share"
    )
    # active from 2 February on: 003 and 004 on gamma; 001's delta is a day too old
    assert ranking(built, "rpt_app_value", value) == [
        # 60, 100 and 60 minutes met 30 a week, 005's 15 did not
        ("alpha", 0, 10, Decimal(0), None, Decimal("0.75")),
        # 60, 10 and 60 met 10; 002's three sessions without a minute did not
        ("beta", 0, None, None, None, Decimal("0.75")),
        ("delta", 0, 5, Decimal(0), None, Decimal(1)),
        # 60 met 25, 003's 5 did not; 004's week is not over
        ("gamma", 2, 3, Decimal("0.666667"), Decimal(45), Decimal("0.5")),
    ]
    # the recommender's facts: ever used, and used enough in the window
    assert ranking(
        built,
        "int_student_apps",
        "student_id, app_id, first_used_on::varchar, recent_minutes::int, is_used",
    )[:3] == [
        ("001", "alpha", "2024-07-31", 0, False),
        ("001", "beta", "2024-10-01", 0, False),
        ("001", "delta", "2025-02-01", 60, True),
    ]
    for table in (
        "rpt_most_used_by_student",
        "rpt_most_used_by_district",
        "rpt_app_value",
        "int_recent_usage",
        "int_app_weeks",
        "int_student_apps",
    ):
        assert built.rows(f"select distinct district_id from {table}") == [("north",)]
