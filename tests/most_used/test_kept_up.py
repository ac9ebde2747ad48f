"""Night by night what is kept up and ranked is as a full refresh makes it."""

from __future__ import annotations

import random

TABLES = {
    "int_recent_usage": "*",
    "int_app_weeks": "*",
    "int_outcome_usage": "*",
    "rpt_most_used_by_student": "*",
    "rpt_most_used_by_district": "*",
    "rpt_app_value": "*",
}
APPS = ("alpha", "beta", "gamma")


def tables(project) -> dict[str, list[tuple]]:
    return {name: project.table(name, columns) for name, columns in TABLES.items()}


def night(project, number: int, rng: random.Random, first: str, days: int) -> None:
    """Days from first on, corrected and withdrawn at will, for both districts."""
    from datetime import date, timedelta

    for district in ("north", "south"):
        rows = [
            {
                "student_id": f"{rng.randrange(12):03}",
                "app_id": rng.choice(APPS),
                "usage_date": date.fromisoformat(first)
                + timedelta(days=rng.randrange(days)),
                "usage_minutes": rng.choice((0, 5, 15, 40)),
                "session_count": rng.choice((0, 1, 2)),
                "is_deleted": rng.choice(("false", "false", "true")),
                "updated_at": f"2025-03-01T00:{rng.randrange(60):02}:00",
            }
            for _ in range(60)
        ]
        project.deliver(
            f"{district}/app_usage/{number}.csv", rows, f"2025-03-01T0{number}:00:00"
        )


def goals(project, goal: int) -> None:
    project.write_seed(
        "district_apps",
        [
            {
                "district_id": district,
                "app_id": app,
                "app_name": app,
                "weekly_minutes_goal": goal if app != "gamma" else "",
            }
            for district in ("north", "south")
            for app in APPS
        ],
    )


def between_scores(project, number: int, **minutes: int | None) -> None:
    """Deliver a day between two scores, by application; None withdraws it."""
    project.deliver(
        f"north/app_usage/between_{number}.csv",
        [
            {
                "student_id": "between",
                "app_id": app,
                "usage_date": "2024-10-01",
                "usage_minutes": told or 0,
                "session_count": 1,
                "is_deleted": "true" if told is None else "false",
                "updated_at": f"2025-03-0{number}T12:00:00",
            }
            for app, told in minutes.items()
        ],
        f"2025-03-0{number}T12:00:00",
    )


def outcome_scores(
    project, district: str, number: int, students: tuple[str, ...], *days: str
) -> None:
    """Assess students on each of the days."""
    project.deliver(
        f"{district}/scores/of_two_{number}.csv",
        [
            {
                "student_id": student,
                "measure": "assessment",
                "score": 50 + number,
                "measured_on": day,
                "app_id": "",
            }
            for student in students
            for day in days
        ],
    )


def test_nights_equal_a_full_refresh(project):
    rng = random.Random(7)
    districts = [{"district_id": "north"}, {"district_id": "south"}]
    project.configure(districts)
    goals(project, 20)
    for name in ("north", "south"):
        project.deliver(
            f"{name}/scores/1.csv",
            [
                {
                    "student_id": f"{n:03}",
                    "measure": ("assessment", "forecast", "average")[n % 3],
                    "score": 10 * n % 100,
                    "measured_on": "2025-01-15",
                    "app_id": "alpha",
                }
                for n in range(12)
            ],
        )
        outcome_scores(
            project,
            name,
            0,
            ("000", "001", "idle", "between"),
            "2024-09-16",
            "2025-01-15",
        )
    between_scores(project, 1, alpha=10, beta=20)
    # 2 March lies after as_of: it waits until the third night
    night(project, 1, rng, "2024-07-15", 231)
    project.build()
    night(project, 2, rng, "2025-02-10", 21)
    project.build()
    district_rows = [
        {"district_id": "north", "as_of": "2025-03-02"},
        {"district_id": "south", "enabled": "false"},
    ]
    project.configure(district_rows)
    goals(project, 15)
    night(project, 3, rng, "2024-07-15", 231)
    # the later score of two is another; between those of another one days have changed
    outcome_scores(project, "north", 3, ("001", "idle"), "2025-02-20")
    between_scores(project, 3, alpha=99, beta=None, gamma=5)
    project.build()
    kept = tables(project)
    assert project.rows(
        "select app_id, usage_minutes from int_outcome_usage"
        " where student_id = 'between' order by app_id"
    ) == [("alpha", 99.0), ("gamma", 5.0)]
    project.build("--full-refresh")
    assert tables(project) == kept
    assert project.rows("select distinct district_id from int_recent_usage") == [
        ("north",)
    ]
    # as_of goes back, the disabled district returns, a student loses every day
    project.configure([{"district_id": "north", "as_of": "2025-02-27"}, districts[1]])
    goals(project, 15)
    night(project, 4, rng, "2024-11-01", 30)
    project.build()
    kept = tables(project)
    assert all(kept.values())
    project.build("--full-refresh")
    assert tables(project) == kept
    # the next year's first day, as the district counts it
    project.configure([{"district_id": "north", "as_of": "2025-08-01"}, districts[1]])
    goals(project, 15)
    project.build()
    # nothing is of the year, and what was used last is in use as before
    assert project.rows(
        "select sum(days_used), sum(usage_minutes), sum(window_minutes) > 0"
        " from int_recent_usage where district_id = 'north'"
    ) == [(0, 0, True)]
    assert project.rows(
        "select bool_or(is_used) from int_student_apps where district_id = 'north'"
    ) == [(True,)]
    assert project.rows(
        "select count(*) from rpt_most_used_by_student where district_id = 'north'"
    ) == [(0,)]
    kept = tables(project)
    project.build("--full-refresh")
    assert tables(project) == kept
