"""To whom activities are due: those who learn in the course and may enter it."""

from __future__ import annotations

from tests.insights.site import DAY, NOW, Site, build


def test_what_is_due_concerns_who_may_enter_the_course(project):
    site = Site()
    # everybody is enrolled in 20 and 21, of which nothing is due, and one each in:
    for course_id, more in ((30, {}), (31, {"visible": 0})):
        site.add_course(course_id, NOW - DAY, 0, **more)
    site.enrol(101, 30, 5, NOW - DAY)
    site.enrol(102, 30, 5, NOW - DAY, status=1)
    site.enrol(103, 30, 5, NOW - DAY, timeend=NOW)
    site.enrol(104, 30, 5, NOW - DAY, timeend=NOW + 1)
    site.enrol(105, 30, 5, NOW + 1)
    site.enrol(106, 31, 5, NOW - DAY)
    # once suspended, then enrolled in another way; and in a way that is switched off
    site.enrol(107, 30, 5, NOW - DAY, status=1)
    site.tables["enrol"] += [
        {"id": 90, "status": 0, "courseid": 30},
        {"id": 91, "status": 1, "courseid": 30},
    ]
    site.enrol(107, 30, 5, NOW - DAY, id=900_107, enrolid=90)
    site.enrol(108, 30, 5, NOW - DAY, enrolid=91)
    # a teacher's calendar has it, who need not do it
    site.enrol(201, 30, 3, NOW - DAY)
    site.tables["event"] = [
        {"id": i, "courseid": course_id, "type": 1, "timesort": NOW + DAY}
        for i, course_id in ((1, 30), (2, 31))
    ]
    site.deliver(project)
    build(project)
    assert project.rows(
        "select user_id from rpt_insights where model_id = 'upcoming_activities_due'"
        " order by user_id"
    ) == [("101",), ("104",), ("107",)]
