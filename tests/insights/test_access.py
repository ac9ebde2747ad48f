"""Who sees an insight, and nobody else: every role, context, enrolment and target."""

from __future__ import annotations

import itertools

from tests.insights.site import (
    CATEGORY,
    DAY,
    NOW,
    ROLES,
    SYSTEM,
    Site,
    build,
    user,
)

CONTEXTS = {"site": SYSTEM, "category": CATEGORY, "course": 1020, "other course": 1021}
LISTING = {"manager", "editingteacher", "teacher"}
USER_CONTEXT = 9000


def test_every_role_context_and_target(project):
    """Hold every role in every way; who may see what follows from PROTOCOL 6.8.

    If this fails, somebody sees what is not theirs.
    """
    site = Site()
    site.add_course(22, NOW + 3 * DAY, 0)  # no teaching
    site.tables["event"] = [
        {"id": i, "courseid": 0, "userid": i, "type": 1, "timesort": NOW + DAY}
        for i in range(301, 420)
    ]
    people = {}
    numbers = itertools.count(301)
    for role, (name, context), enrolled in itertools.product(
        ROLES.items(), CONTEXTS.items(), (True, False)
    ):
        people[next(numbers)] = (role[1], name, enrolled)
        i = max(people)
        site.assign(i, role[0], context)
        if enrolled:
            site.tables["user_enrolments"].append(enrolment(i))
    # editing teachers of course 20 for whom one thing is not as it should be
    odd = {
        "suspended enrolment": {"status": 1},
        "enrolment that is over": {"timeend": NOW},
        "enrolment to come": {"timestart": NOW + 1},
        "deleted": {},
        "suspended": {},
        "not confirmed": {},
        "in order": {},
    }
    odd_ids = dict(zip(odd, numbers, strict=False))
    for name, more in odd.items():
        site.assign(odd_ids[name], 3, 1020)
        site.tables["user_enrolments"].append(enrolment(odd_ids[name], **more))
    flags = {
        odd_ids["deleted"]: {"deleted": 1},
        odd_ids["suspended"]: {"suspended": 1},
        odd_ids["not confirmed"]: {"confirmed": 0},
    }
    everybody = [*people, *odd_ids.values()]
    for i in everybody:
        site.tables["user"].append(user(i, **flags.get(i, {})))
        site.tables["context"].append(
            {
                "id": USER_CONTEXT + i,
                "contextlevel": 30,
                "instanceid": i,
                "path": f"/1/{USER_CONTEXT + i}",
            }
        )
    # an enrolment method that is switched off
    site.tables["enrol"].append({"id": 99, "status": 1, "courseid": 20})
    site.tables["user_enrolments"].append({**enrolment(298), "enrolid": 99})
    site.assign(298, 3, 1020)
    # assigned by configuration, for the whole site; the administrator by nobody
    project.write_seed(
        "role_assignments",
        [{"district_id": "north", "user_id": "299", "role": "manager"}],
    )
    site.deliver(project)
    build(project)

    def seen(model_id: str, course_id: int | None) -> set[int]:
        return {
            int(row[0])
            for row in project.rows(
                "select distinct recipients.user_id from rpt_insight_recipients as"
                " recipients join rpt_insights as insights using (district_id,"
                " insight_id) where model_id = ? and course_id is not distinct from ?",
                [model_id, course_id],
            )
        }

    def holds(i: int, *contexts: str) -> bool:
        role, context, _ = people[i]
        return role in LISTING and context in contexts

    # about a student in course 20: enrolled there and holding the capability there, in
    # its category or on the whole site
    in_course = {
        i for i in people if people[i][2] and holds(i, "site", "category", "course")
    }
    in_course.add(odd_ids["in order"])
    in_course |= {201, 202}
    assert seen("no_recent_accesses", 20) == in_course
    assert seen("no_access_since_course_start", 20) == in_course
    # in course 21 nobody who holds anything is enrolled
    assert seen("no_recent_accesses", 21) == set()
    # about a course: holders on the whole site, enrolled or not, not administrators
    assert seen("no_teaching", 22) == {i for i in people if holds(i, "site")} | {
        203,
        299,
    }
    # about a user: that user and nobody else, as everybody who may sign in holds `user`
    own = project.rows(
        "select insights.user_id, list(recipients.user_id) from rpt_insights as"
        " insights"
        " left join rpt_insight_recipients as recipients using (district_id,"
        " insight_id)"
        " where model_id = 'upcoming_activities_due' group by all"
    )
    assert {row[0]: row[1] for row in own} == {
        str(i): [str(i)] for i in everybody if i not in flags
    }

    # 201 has done with one insight: it is gone for 201 only; without the capability of
    # `user` nobody sees one's own
    insight = project.rows(
        "select insight_id from rpt_insights where model_id = 'no_recent_accesses'"
        " and sample_id = '20101'"
    )[0][0]
    action = {
        "user_id": "201", "insight_id": insight, "action": "fixed",
        "acted_at": "2025-03-01T10:00:00Z",
    }  # fmt: skip
    later = {**action, "user_id": "202", "acted_at": "2025-03-02T10:00:00Z"}
    project.deliver(
        "north/insight_actions/1.csv", [action, later], "2025-03-02T11:00:00"
    )
    project.write_seed(
        "role_capabilities",
        [
            {
                "district_id": "*",
                "role": "editingteacher",
                "capability": "listinsights",
            },
            # a student may see what concerns the whole site, wherever that is held
            {"district_id": "*", "role": "student", "capability": "listowninsights"},
        ],
    )
    build(project)
    before = {
        i
        for i in in_course
        if people.get(i, ("editingteacher",))[0] == "editingteacher"
    }
    one = project.rows(
        "select user_id from rpt_insight_recipients where insight_id = ?", [insight]
    )
    # 202 is no editing teacher; what 202 did lies after as_of in any case
    assert {int(row[0]) for row in one} == before - {201, 202}
    assert seen("no_recent_accesses", 20) == before - {202}
    students_of_the_site = {
        i for i in people if people[i][0] == "student" and people[i][1] == "site"
    }
    assert seen("upcoming_activities_due", None) == students_of_the_site


def enrolment(user_id: int, **more: object) -> dict[str, object]:
    return {
        "id": 700000 + user_id,
        "status": 0,
        "enrolid": 20,
        "userid": user_id,
        "timestart": 0,
        "timeend": 0,
        "timecreated": NOW - 60 * DAY,
        **more,
    }
