"""Rankings, licences and recommendations are of students, whoever else leaves rows."""

from __future__ import annotations

from tests.insights.site import DAY, FEB_1, Site

# a Monday, whose week is over by 1 March
MONDAY = FEB_1 + 9 * DAY
TABLES = (
    "dim_students",
    "rpt_app_value",
    "rpt_most_used_by_student",
    "rpt_most_used_by_district",
    "int_student_apps",
)


def test_staff_are_no_students_and_may_become_some(project):
    site = Site()
    # the quiz: 101 and the teachers 201 and 202 for a minute, 102 for six
    for user_id, minutes in ((101, (0,)), (102, (0, 5)), (201, (0,)), (202, (0,))):
        for minute in minutes:
            site.log(user_id, 20, MONDAY + minute * 60, cm=504)
    site.deliver(project)
    project.write_seed(
        "district_apps",
        [
            {
                "district_id": "north",
                "app_id": "mod_quiz",
                "app_name": "Quiz",
                "weekly_minutes_goal": "2",
                "seats": "10",
                "annual_cost": "100",
            }
        ],
    )

    def build(*arguments: str) -> dict[str, list[tuple]]:
        project.build(
            "--select", "resource_type:seed", "tag:daily_pull", "tag:most_used",
            "int_student_apps",
            "--exclude-resource-type", "test",
            "--exclude-resource-type", "unit_test",
            *arguments,
        )  # fmt: skip
        return {name: project.table(name) for name in TABLES}

    def value() -> tuple[int, float, float]:
        [row] = project.rows(
            "select active_students, licence_use::double, goal_weeks_met_share::double"
            " from rpt_app_value"
        )
        return row

    def users(table: str) -> list[str]:
        return [
            row[0]
            for row in project.rows(
                f"select distinct student_id from {table} where usage_minutes > 0"
                " order by 1"
            )
        ]

    build()
    # 101 and 102 on 10 seats; of their two weeks 102's has met the goal
    assert value() == (2, 0.2, 0.5)
    assert users("rpt_most_used_by_student") == ["101", "102"]
    assert project.rows("select student_id from int_student_apps order by 1") == [
        ("101",),
        ("102",),
    ]
    assert project.rows(
        "select student_count from rpt_most_used_by_district where scope = 'district'"
    ) == [(2,)]
    # the facts are everybody's
    assert users("fct_daily_usage") == ["101", "102", "201", "202"]

    # 201 is a student now, 102 an editing teacher, whose rows stay what they are
    for row in site.tables["role_assignments"]:
        if row["userid"] in (102, 201):
            row["roleid"] = {102: 3, 201: 5}[row["userid"]]
    project.deliver(
        "north/moodle/role_assignments.csv",
        site.tables["role_assignments"],
        "2025-03-01T05:00:00",
    )
    kept_up = build()
    # two weeks of a minute each
    assert value() == (2, 0.2, 0)
    assert users("rpt_most_used_by_student") == ["101", "201"]
    assert project.rows(
        "select student_id, recent_minutes::int from int_student_apps order by 1"
    ) == [("101", 1), ("201", 1)]
    # a night that changes nobody's days comes to what all days come to
    assert build("--full-refresh") == kept_up
