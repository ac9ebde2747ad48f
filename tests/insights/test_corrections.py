"""What a site says anew of a grade or a log row holds, night by night as at once."""

from __future__ import annotations

import pytest

DAY = 1738368000
"""2025-02-01, midnight UTC."""

ITEM = {
    "id": 1,
    "courseid": 20,
    "itemtype": "mod",
    "itemmodule": "quiz",
    "grademax": 100,
}
GRADE = {
    "id": 1,
    "itemid": 1,
    "userid": 101,
    "finalgrade": 40,
    "timemodified": DAY + 60,
}
LOG_ROW = {
    "id": 1, "eventname": "viewed", "component": "mod_quiz", "crud": "r",
    "contextlevel": 70, "contextinstanceid": 5, "courseid": 20, "anonymous": 0,
    "timecreated": DAY, "userid": 101,
}  # fmt: skip


def night_by_night_and_at_once(project, sql: str) -> list[tuple]:
    """Return what a query gives after a night; a full refresh has to give the same."""
    project.pull()
    rows = project.rows(sql)
    project.pull("--full-refresh")
    assert project.rows(sql) == rows
    return rows


def test_a_new_maximum_is_a_new_score(project):
    project.deliver("north/moodle/grade_items/1.csv", [ITEM], "2025-03-01T01:00:00")
    project.deliver("north/moodle/grade_grades/1.csv", [GRADE], "2025-03-01T03:00:00")
    project.pull()
    project.deliver(
        "north/moodle/grade_items/2.csv",
        [ITEM | {"grademax": 50}],
        "2025-03-01T02:00:00",
    )
    assert night_by_night_and_at_once(
        project, "select student_id, score::varchar from fct_scores"
    ) == [("101", "80.000000")]


def test_a_grade_given_earlier_in_a_newer_snapshot_holds(project):
    project.deliver("north/moodle/grade_items/1.csv", [ITEM], "2025-03-01T01:00:00")
    project.deliver("north/moodle/grade_grades/1.csv", [GRADE], "2025-03-01T03:00:00")
    project.pull()
    project.deliver(
        "north/moodle/grade_grades/2.csv",
        [GRADE | {"finalgrade": 90, "timemodified": DAY + 30}],
        "2025-03-02T03:00:00",
    )
    assert night_by_night_and_at_once(
        project, "select student_id, score::varchar from fct_scores"
    ) == [("101", "90.000000")]


@pytest.mark.parametrize("said", [{"anonymous": 1}, {"userid": 0}])
def test_a_log_row_that_becomes_nobodys_takes_back_its_use(project, said):
    project.deliver("north/moodle/logstore_standard_log/1.csv", [LOG_ROW])
    project.pull()
    assert project.rows("select student_id from dim_students") == [("101",)]
    project.deliver(
        "north/moodle/logstore_standard_log/2.csv",
        [LOG_ROW | said],
        "2025-03-01T05:00:00",
    )
    assert (
        night_by_night_and_at_once(
            project,
            "select student_id from fct_daily_usage"
            " union all select student_id from dim_students",
        )
        == []
    )


def test_a_guest_is_told_by_the_newest_snapshot_whenever_the_log_came(project):
    project.deliver("north/moodle/logstore_standard_log/1.csv", [LOG_ROW])
    project.pull()
    project.deliver(
        "north/moodle/config/1.csv",
        [{"id": 1, "name": "siteguest", "value": 101}],
        "2025-03-01T05:00:00",
    )
    assert (
        night_by_night_and_at_once(project, "select student_id from dim_students") == []
    )
    project.deliver(
        "north/moodle/config/2.csv",
        [{"id": 1, "name": "siteguest", "value": 1}],
        "2025-03-01T06:00:00",
    )
    assert night_by_night_and_at_once(
        project, "select student_id from dim_students"
    ) == [("101",)]
