"""A small Moodle site, written by hand: see the comments for what each row is for.

"Now" is the last second of 2025-03-01 in UTC. Courses 10 and 11 are finished, 20 runs
(40 days from 1 February: four quarters of ten days, two of them over), 21 runs without
an end. Users: 1 guest, 2 administrator, 101-108 students, 201 teacher, 202 non-editing
teacher, 203 manager, 204 a teacher enrolled nowhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

DAY = 86400
NOW = 1740873599  # 2025-03-01T23:59:59Z
FEB_1 = 1738368000  # 2025-02-01T00:00:00Z
A_START, A_END = 1725148800, 1725148800 + 100 * DAY  # from 2024-09-01
C_START, C_END = FEB_1, FEB_1 + 40 * DAY
D_START = FEB_1 - 17 * DAY  # 2025-01-15
STUDENTS = range(101, 109)

SYSTEM, CATEGORY = 1, 3
# a course's context is 1000 and its id
COURSES = (10, 11, 20, 21)
ROLES = {
    1: "manager",
    2: "coursecreator",
    3: "editingteacher",
    4: "teacher",
    5: "student",
    6: "guest",
    7: "user",
    8: "frontpage",
}
MODULES = {1: "assign", 2: "forum", 3: "page", 4: "quiz", 5: "choice", 6: "feedback"}
# course module: (course, module, instance, section)
ACTIVITIES = {
    501: (20, 1, 1, 201),  # assign, due in the second quarter
    502: (20, 2, 1, 202),  # forum of section 2: 4 sections, so due at day 20
    503: (20, 3, 1, 202),  # page of section 2
    504: (20, 4, 1, 203),  # quiz that closes in the third quarter
    505: (20, 5, 1, 202),  # choice that shows results after answering, no closing time
    506: (20, 6, 1, 202),  # feedback without public results
}
Row = Mapping[str, object]


class Site:
    """The site's tables: change them before `deliver`."""

    def __init__(self) -> None:
        self.log_rows: list[Row] = []
        self.tables: dict[str, list[Row]] = {
            "config": [
                {"id": 1, "name": "siteguest", "value": "1"},
                {"id": 2, "name": "siteadmins", "value": "2"},
                {"id": 3, "name": "enablecompletion", "value": "1"},
                {"id": 4, "name": "smtppass", "value": "hunter2"},
            ],
            "user": [
                user(1, username="guest"),
                user(2, username="admin", firstaccess=A_START - 30 * DAY),
                *(user(i) for i in (*STUDENTS, 201, 202, 203, 204)),
            ],
            "role": [
                {"id": i, "shortname": name, "archetype": name}
                for i, name in ROLES.items()
            ],
            "context": [
                {"id": SYSTEM, "contextlevel": 10, "instanceid": 0, "path": "/1"},
                {"id": CATEGORY, "contextlevel": 40, "instanceid": 1, "path": "/1/3"},
                *(course_context(course_id) for course_id in COURSES),
                *(
                    {
                        "id": 2000 + i,
                        "contextlevel": 30,
                        "instanceid": i,
                        "path": f"/1/{2000 + i}",
                    }
                    for i in (*STUDENTS, 201, 202, 203, 204)
                ),
            ],
            "course": [
                course(1, 0, 0, format="site", category=0),
                course(10, A_START, A_END),
                course(11, A_START, A_END),
                course(20, C_START, C_END),
                course(21, D_START, 0),
            ],
            "course_sections": [
                {"id": 200 + k, "course": 20, "section": k, "visible": 1}
                for k in range(5)
            ],
            "modules": [{"id": i, "name": name} for i, name in MODULES.items()],
            "course_modules": [
                {
                    "id": cm,
                    "course": course_id,
                    "module": module,
                    "instance": instance,
                    "section": section,
                    "visible": 1,
                }
                for cm, (course_id, module, instance, section) in ACTIVITIES.items()
            ],
            "assign": [{"id": 1, "course": 20, "duedate": C_START + 15 * DAY}],
            "quiz": [{"id": 1, "course": 20, "timeclose": C_START + 25 * DAY}],
            "choice": [{"id": 1, "course": 20, "timeclose": 0, "showresults": 1}],
            "feedback": [{"id": 1, "course": 20, "timeclose": 0, "publish_stats": 0}],
            "enrol": [
                {"id": course_id, "status": 0, "courseid": course_id}
                for course_id in COURSES
            ],
            "user_enrolments": [],
            "role_assignments": [],
            "user_lastaccess": [],
            "grade_items": [],
            "grade_grades": [],
        }
        for course_id, start in (
            (10, A_START),
            (11, A_START),
            (20, C_START),
            (21, D_START),
        ):
            for student in STUDENTS:
                self.enrol(student, course_id, 5, start)
        self.enrol(201, 10, 3, A_START)
        self.enrol(201, 20, 3, C_START)
        self.enrol(202, 20, 4, C_START)
        self.assign(203, 1, SYSTEM)
        self.assign(204, 3, 1020)

    def add_course(self, course_id: int, start: int, end: int, **more: object) -> None:
        """Add a course with its context and a way to enrol, without anybody in it."""
        self.tables["course"].append(course(course_id, start, end, **more))
        self.tables["context"].append(course_context(course_id))
        self.tables["enrol"].append(
            {"id": course_id, "status": 0, "courseid": course_id}
        )

    def assign(self, user_id: int, role: int, context: int) -> None:
        """Give a user a role in a context."""
        rows = self.tables["role_assignments"]
        rows.append(
            {
                "id": len(rows) + 1,
                "roleid": role,
                "contextid": context,
                "userid": user_id,
            }
        )

    def enrol(
        self, user_id: int, course_id: int, role: int, start: int, **more: object
    ) -> None:
        """Enrol a user with a role; enrolment ids are <course><user>."""
        self.assign(user_id, role, 1000 + course_id)
        self.tables["user_enrolments"].append(
            {
                "id": course_id * 1000 + user_id,
                "status": 0,
                "enrolid": course_id,
                "userid": user_id,
                "timestart": start,
                "timeend": 0,
                "timecreated": start,
                **more,
            }
        )

    def log(
        self,
        user_id: int,
        course_id: int,
        at: int,
        *,
        cm: int | None = None,
        crud: str = "r",
        event: str = "",
        anonymous: int = 0,
        module: str = "",
    ) -> None:
        """Add a row to the standard log."""
        event = event or ("course_module_viewed" if cm else "course_viewed")
        if not module:
            module = MODULES[ACTIVITIES[cm][1]] if cm in ACTIVITIES else "page"
        component = f"mod_{module}" if cm else "core"
        self.log_rows.append(
            {
                "id": len(self.log_rows) + 1,
                "eventname": f"\\{component}\\event\\{event}",
                "component": component,
                "crud": crud,
                "contextid": 3000 + cm if cm else 1000 + course_id,
                "contextlevel": 70 if cm else 50,
                "contextinstanceid": cm or course_id,
                "userid": user_id,
                "courseid": course_id,
                "anonymous": anonymous,
                "timecreated": at,
                "other": "null",
            }
        )

    def finished_courses_log(self) -> None:
        """Let the odd students of courses 10 and 11 leave before the last quarter.

        Each has 12 rows while the course runs, so that the course may be learned from:
        the even ones one every eight days, the odd ones one every four.
        """
        for course_id in (10, 11):
            for student in STUDENTS:
                step = 8 if student % 2 == 0 else 4
                for k in range(12):
                    at = A_START + (k + 1) * step * DAY
                    self.log(student, course_id, at, crud="c" if k % 4 == 0 else "r")

    def deliver(
        self, project, at: str = "2025-03-01T04:00:00", district="north"
    ) -> None:
        """Put the tables into the landing folder."""
        for name, rows in self.tables.items():
            if rows:
                project.deliver(f"{district}/moodle/{name}.csv", list(rows), at)
        if self.log_rows:
            project.deliver(
                f"{district}/moodle/logstore_standard_log.csv", self.log_rows, at
            )


def user(user_id: int, **more: object) -> Row:
    return {
        "id": user_id,
        "username": f"user{user_id}",
        "email": f"user{user_id}@example.org",
        "confirmed": 1,
        "deleted": 0,
        "suspended": 0,
        "firstaccess": A_START,
        "timecreated": A_START,
        "trackforums": 0,
        "description": "",
        "picture": 0,
        "city": "",
        "country": "",
        **more,
    }


def course_context(course_id: int) -> Row:
    context = 1000 + course_id
    path = f"/1/{CATEGORY}/{context}"
    return {"id": context, "contextlevel": 50, "instanceid": course_id, "path": path}


def course(course_id: int, start: int, end: int, **more: object) -> Row:
    return {
        "id": course_id,
        "category": 1,
        "sortorder": course_id,
        "format": "topics",
        "startdate": start,
        "enddate": end,
        "visible": 1,
        "enablecompletion": 0,
        **more,
    }


def models(*rows: Row) -> Iterable[Row]:
    """Return rows of prediction_models.csv."""
    return [{"district_id": "*", "enabled": "true", **row} for row in rows]


def build(project, *arguments: str) -> None:
    """Build without the parts that these tests do not look at: half the time."""
    project.build(
        "--exclude-resource-type", "test",
        "--exclude-resource-type", "unit_test",
        "--exclude", "tag:most_used", "tag:recommendations",
        *arguments,
    )  # fmt: skip
