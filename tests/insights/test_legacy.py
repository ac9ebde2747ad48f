"""The legacy log store gives the same activity as the standard one."""

from __future__ import annotations

from tests.config.test_warehouse import warnings
from tests.insights.site import ACTIVITIES, MODULES, NOW, build
from tests.insights.test_site import busy_site, enable, indicators

ACTIONS = {
    "course_viewed": "view",
    "course_module_viewed": "view",
    "assessable_submitted": "submit",
    "assessable_uploaded": "add post",
    "discussion_viewed": "view discussion",
    "feedback_viewed": "view feedback",
    "answer_created": "choose",
}


def test_legacy_log(project):
    site = busy_site()
    rows = []
    for row in site.log_rows:
        cm = row["contextinstanceid"] if row["contextlevel"] == 70 else 0
        action = ACTIONS[row["eventname"].rsplit("\\", 1)[1]]
        if row["crud"] == "c" and action == "view":
            action = "add"
        if row["anonymous"]:
            continue  # the old log knew no anonymous rows
        rows.append(
            {
                "id": row["id"],
                "time": row["timecreated"],
                "userid": row["userid"],
                "course": row["courseid"],
                "module": MODULES[ACTIVITIES[cm][1]] if cm else "course",
                "cmid": cm,
                "action": action,
            }
        )
    # the standard log is there too, and is not what the setting names
    site.log_rows = site.log_rows[:5]
    project.write_seed(
        "analytics_settings",
        [{"district_id": "*", "name": "logstore", "value": "legacy"}],
    )
    project.deliver("north/moodle/log.csv", rows)
    site.deliver(project)
    enable(project)
    build(project)
    busy = indicators(project, "20101")
    assert {
        name: busy[name] for name in busy if name[:4] in ("assi", "foru", "choi")
    } == {
        "assign_cognitive_depth": 1,
        "assign_social_breadth": 1,
        "forum_cognitive_depth": 0.5,
        "forum_social_breadth": 1,
        "choice_cognitive_depth": 1,
        "choice_social_breadth": 1,
    }
    assert busy["read_actions"] == -0.33
    assert busy["any_access_before_start"] == busy["any_write_action_in_course"] == 1
    assert indicators(project, "20103")["forum_cognitive_depth"] == 1
    # one store's rows are events, not both
    assert project.rows("select count(*) from int_event_versions") == [
        (sum(row["userid"] != 0 for row in rows),)
    ]


def test_a_store_that_is_not_the_one_that_is_set_is_told(project):
    nightly = (
        "--select", "resource_type:seed", "tag:daily_pull", "dq_files",
        "--exclude-resource-type", "test", "--exclude-resource-type", "unit_test",
    )  # fmt: skip
    row = {"id": 1, "userid": 101, "course": 20, "module": "course", "cmid": 0}
    project.deliver("north/moodle/log.csv", [{**row, "time": NOW, "action": "view"}])
    project.build(*nightly)
    assert project.rows("select * from int_event_versions") == []
    assert warnings(project, "config_log_stores") == {"config_log_stores": 1}
    busy_site().deliver(project)
    project.build(*nightly)
    assert warnings(project, "config_log_stores") == {}
