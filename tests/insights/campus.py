"""A second site, for what the first has not: every indicator, target and valid course.

Course 30 has every type of activity and every target; 41-46 differ in what they offer,
50-52 in when their activities are to be done, 60 and 61 in how much was done; 70-80
each break, or just keep, one rule of a valid course. Finished courses run for 100 days
from A_START; students are 101-108 where nothing else is said.
"""

from __future__ import annotations

import json

from tests.insights.site import (
    A_END,
    A_START,
    CATEGORY,
    DAY,
    NOW,
    STUDENTS,
    Row,
    Site,
)

WEEK, YEAR_AND_FOUR_WEEKS = 7 * DAY, 393 * DAY
MODULES = (
    "assign", "forum", "page", "quiz", "choice", "feedback", "bigbluebuttonbn", "book",
    "chat", "data", "folder", "glossary", "imscp", "label", "lesson", "lti", "resource",
    "scorm", "survey", "url", "wiki", "workshop",
)  # fmt: skip
# what a grade gives feedback on; how it is looked at, and what is done after it
GRADED = {
    "assign": ("feedback_viewed", "assessable_submitted"),
    "quiz": ("course_module_viewed", "attempt_submitted"),
    "workshop": ("course_module_viewed", "assessable_uploaded"),
    "lesson": ("lesson_ended", "lesson_restarted"),
    "lti": ("course_module_viewed", ""),
    "scorm": ("course_module_viewed", ""),
}
POSTS = {
    "forum": ("discussion_viewed", "assessable_uploaded"),
    "chat": ("course_module_viewed", "message_sent"),
}
STATIC_START, STATIC_END = NOW - 28 * DAY, NOW  # the month before now

INDICATORS = (
    "any_access_before_start", "any_access_after_end", "any_write_action_in_course",
    "any_write_action", "read_actions", "any_course_access", "completion_enabled",
    "potential_cognitive_depth", "potential_social_breadth", "no_teacher", "no_student",
    "activities_due", "user_profile_set", "user_track_forums",
    *(f"{m}_{part}" for m in MODULES for part in ("cognitive_depth", "social_breadth")),
    "site_percent_online", "site_facetoface", "site_blendedhybrid", "site_fullyonline",
    "site_academic", "site_ngo", "site_isced3",
)  # fmt: skip


def models() -> list[Row]:
    """Return a model of each target that learns, one of some contexts, one static."""

    def model(model_id: str, target: str, interval: str, **more: str) -> Row:
        return {
            "district_id": "*",
            "model_id": model_id,
            "target": target,
            "indicators": "any_write_action_in_course",
            "analysis_interval": interval,
            "enabled": "true",
            **more,
        }

    return [
        model(
            "grade",
            "course_gradetopass",
            "single_range",
            indicators=" ".join(INDICATORS),
        ),
        model("completion", "course_completion", "quarters"),
        model("competencies", "course_competencies", "single_range"),
        model("dropout", "course_dropout", "single_range"),
        model("course_50", "course_completion", "single_range", contexts="1050 999"),
        model("category", "course_completion", "single_range", contexts=str(CATEGORY)),
        model(
            "recent",
            "no_recent_accesses",
            "past_month",
            indicators="any_course_access page_cognitive_depth",
        ),
    ]


class Campus(Site):
    """The site's tables."""

    def __init__(self) -> None:
        super().__init__()
        modules = [{"id": i, "name": n} for i, n in enumerate(MODULES, start=1)]
        self.tables["modules"] = modules
        for name in ("course_completion_criteria", "course_completions", "event"):
            self.tables[name] = []
        for name in ("competency_coursecomp", "competency_usercompcourse"):
            self.tables[name] = []
        self.everything()
        self.offers()
        self.times()
        self.much_or_little()
        self.rules()

    def course_of(
        self,
        course_id: int,
        start: int = A_START,
        end: int = A_END,
        *,
        students=STUDENTS,
        criteria: bool = True,
        gradepass: int = 0,
        sections: int = 0,
        **more: object,
    ) -> None:
        """Add a course with its students."""
        self.add_course(course_id, start, end, enablecompletion=1, **more)
        for student in students:
            self.enrol(student, course_id, 5, start)
        for k in range(sections + 1):
            self.tables["course_sections"].append(
                {"id": course_id * 10 + k, "course": course_id, "section": k}
            )
        if criteria:
            self.tables["course_completion_criteria"].append(
                {"id": course_id, "course": course_id, "criteriatype": 4}
            )
        if gradepass:
            self.tables["grade_items"].append(
                {
                    "id": course_id,
                    "courseid": course_id,
                    "itemtype": "course",
                    "gradetype": 1,
                    "grademax": 100,
                    "grademin": 0,
                    "gradepass": gradepass,
                }
            )

    def activity(
        self, cm: int, module: str, section: int, instance: int = 0, **more: object
    ) -> None:
        """Add an activity; its section's id begins with its course's."""
        self.tables["course_modules"].append(
            {
                "id": cm,
                "course": section // 10,
                "module": MODULES.index(module) + 1,
                "instance": instance or cm,
                "section": section,
                "visible": 1,
                **more,
            }
        )

    def grade(self, item: int, user_id: int, grade: object, at: int = A_END) -> None:
        """Add a grade."""
        self.tables["grade_grades"].append(
            {
                "id": item * 1000 + user_id,
                "itemid": item,
                "userid": user_id,
                "finalgrade": grade,
                "timemodified": at,
            }
        )

    def everything(self) -> None:
        """Course 30: see the tests of indicators and targets."""
        # one section, over at the end of the course, so everything is due in the range
        self.course_of(30, gradepass=50, sections=1)
        self.assign(201, 3, 1030)
        self.tables["choice"].append({"id": 305, "course": 30, "showresults": 1})
        self.tables["feedback"].append({"id": 306, "course": 30, "publish_stats": 1})
        for number, module in enumerate(MODULES, start=1):
            cm = 300 + number
            self.activity(cm, module, 301)
            self._deep_and_shallow(cm, module)
        # 101 has the calendar, 102 an entry a second after the course
        for i, (user_id, at) in enumerate(((101, A_END), (102, A_END + 1)), start=10):
            self.tables["event"].append(
                {"id": i, "courseid": 0, "userid": user_id, "type": 1, "timesort": at}
            )
        for user_id, reads in ((101, 42), (102, 43), (103, 428), (104, 429)):
            for k in range(reads):
                self.log(user_id, 30, A_START + 1 + k)
        self.log(104, 30, A_START + 500, crud="u", event="note_updated")
        self.log(102, 30, A_START + 500, crud="c", event="note_created", anonymous=1)
        # a second before and after; the very first and last second; not in the course's
        # own context
        self.log(106, 30, A_START - 1)
        self.log(106, 30, A_END + 1)
        self.log(107, 30, A_START)
        self.log(107, 30, A_END)
        self.log(108, 30, A_START - 1, cm=303)
        accesses = {102: -1, 103: 1, 104: 100 * DAY, 105: 101 * DAY, 106: 101 * DAY}
        self.tables["user_lastaccess"] = [
            {"userid": user_id, "courseid": 30, "timeaccess": A_START + after}
            for user_id, after in accesses.items()
        ]
        # the site does not deliver the fifth field, department
        address = {"institution": "x", "address": "x"}
        place = {"city": "x", "country": "x"}
        profiles = {
            101: {"trackforums": 1},
            102: {"description": "x"},
            103: {"description": "x", "picture": 7, "city": "x"},
            104: place,
            105: {"description": "x", **address, **place},
            106: {"picture": 7, "city": "x"},
            107: {"description": "x", "confirmed": 0},
        }
        for row in self.tables["user"]:
            row.update(profiles.get(row["id"], {}))
        self._targets()

    def _deep_and_shallow(self, cm: int, module: str) -> None:
        """101 does all there is, 105 all but the last step, 102-107 less."""

        def log(user_id: int, day: float, event: str, crud: str = "r") -> None:
            at = A_START + int(day * DAY)
            self.log(user_id, 30, at, cm=cm, module=module, event=event, crud=crud)

        viewed, done = {**GRADED, **POSTS}.get(module, ("course_module_viewed", ""))
        first = done if module in POSTS else "something_created"
        for user_id in (101, 105):
            log(user_id, 1, "course_module_viewed")
            log(user_id, 2, first, "c")
            log(user_id, 5, viewed)
        log(102, 1, "course_module_viewed")
        log(103, 1, "something_updated", "u")
        if done:
            log(101, 6, done, "c")
        if module in POSTS:
            log(104, 3, done, "c")
        if module in GRADED:
            item = 3000 + cm
            self.tables["grade_items"].append(
                {
                    "id": item,
                    "courseid": 30,
                    "itemtype": "mod",
                    "itemmodule": module,
                    "iteminstance": cm,
                    "gradetype": 1,
                    "grademax": 10,
                    "grademin": 0,
                }
            )
            for user_id in (101, 105, 107, 108):
                self.grade(item, user_id, 7, A_START + 4 * DAY)
            # 107 looked for feedback before there was a grade
            log(107, 2, "something_created", "c")
            log(107, 3.9, viewed)
        if module == "assign":
            # 108 answers the feedback, and does not submit again
            at = A_START + 6 * DAY
            self.log(108, 30, at, cm=cm, module=module, crud="c")
            self.log_rows[-1]["eventname"] = (
                r"\assignsubmission_comments\event\comment_created"
            )

    def _targets(self) -> None:
        # 50 is enough; no grade counts as 0
        for user_id, grade in ((101, 50), (102, "49.99"), (103, ""), (105, 80)):
            self.grade(30, user_id, grade)
        self.grade(30, 106, 80, NOW + 1)  # nobody knows of it yet
        # 104 completed after the end
        for user_id, at in (
            (101, A_START + DAY),
            (102, ""),
            (103, 0),
            (104, A_END + 9),
        ):
            self.tables["course_completions"].append(
                {"id": user_id, "course": 30, "userid": user_id, "timecompleted": at}
            )
        self.tables["competency_coursecomp"] = [
            {"id": i, "courseid": 30, "competencyid": i} for i in (1, 2)
        ]
        # 103 has one of the course and one that is none of it, 104 tried both
        achieved = [(101, 1, 1), (101, 2, 1), (102, 1, 1), (103, 1, 1), (103, 9, 1)]
        achieved += [(104, 1, 1), (104, 2, 0)]
        self.tables["competency_usercompcourse"] = [
            {
                "id": i,
                "userid": user_id,
                "courseid": 30,
                "competencyid": competency,
                "proficiency": proficiency,
            }
            for i, (user_id, competency, proficiency) in enumerate(achieved, start=1)
        ]

    def offers(self) -> None:
        """41-46: one type of activity each; 101 is the only student."""
        offered = {41: "page", 42: "glossary", 43: "choice", 44: "forum", 45: "lti"}
        for course_id in (*offered, 46):
            self.course_of(
                course_id, students=(101,), gradepass=1, sections=1, criteria=False
            )
        for course_id, module in offered.items():
            self.activity(course_id, module, course_id * 10 + 1)
        # a choice that never shows its results
        self.tables["choice"].append({"id": 43, "course": 43, "showresults": 0})
        # in 46, which has nothing, 101 is a student by the category only
        self.tables["role_assignments"] = [
            row for row in self.tables["role_assignments"] if row["contextid"] != 1046
        ]
        self.assign(101, 5, CATEGORY)

    def times(self) -> None:
        """50: four sections in 100 days; 51: four weeks; 52: running, no sections."""
        self.course_of(50, sections=4)
        until, since = (
            lambda day: dated("<", A_START + day * DAY),
            lambda day: dated(">=", A_START + day * DAY),
        )
        for section in self.tables["course_sections"]:
            section.update({502: since(120), 503: until(30)}.get(section["id"], {}))
        self.activity(5000, "page", 500)
        for k in range(1, 5):
            self.activity(5000 + k, "page", 500 + k)
        self.activity(5010, "page", 501, visible=0)
        # due with the first quarter's last second, and with the second's first
        for cm, at in ((5011, A_START + 25 * DAY), (5012, A_START + 25 * DAY + 1)):
            self.activity(cm, "assign", 504)
            self.tables["assign"].append({"id": cm, "course": 50, "duedate": at})
        self.activity(5013, "page", 504, availability=since(60)["availability"])
        self.activity(5014, "page", 504, availability=since(120)["availability"])
        self.activity(5015, "page", 504, availability=until(40)["availability"])
        self.course_of(51, end=A_START + 4 * WEEK, sections=4, format="weeks")
        for k in range(5):
            self.activity(5100 + k, "page", 510 + k)
        # enrolled from 70 % of the month on, and a second less; until now, and not
        start = NOW - 90 * DAY
        self.course_of(52, start, 0, students=(), sections=1, format="singleactivity")
        self.tables["course"][-1]["enddate"] = ""
        share = (STATIC_END - STATIC_START) * 7 // 10
        self.enrol(101, 52, 5, STATIC_END - share)
        self.enrol(102, 52, 5, STATIC_END - share + 1)
        self.enrol(103, 52, 5, start, timeend=NOW)
        self.enrol(104, 52, 5, start, timeend=NOW - 1)
        self.activity(5200, "page", 521)
        self.activity(5201, "page", 520)

    def much_or_little(self) -> None:
        """60 has 10 rows per student between its start and end, 61 one row less."""
        third = A_START + 75 * DAY  # where the last quarter begins
        for course_id in (60, 61):
            self.course_of(course_id, criteria=False, sections=1)
            rows = 80 if course_id == 60 else 79
            self.log(101, course_id, third)
            self.log(102, course_id, third + 1)
            for k in range(rows - 2):
                self.log(104, course_id, A_START + 1 + k)
            # none of these counts: at the very start and end, after it, by nobody known
            self.log(103, course_id, A_START)
            self.log(105, course_id, A_END)
            self.log(106, course_id, A_END + 10 * DAY)
            self.log(107, course_id, A_START + DAY, anonymous=1)

    def rules(self) -> None:
        """Courses of which each breaks one rule, or just keeps it."""
        start, end = NOW - 30 * DAY, NOW + 10 * DAY
        self.course_of(70, start, end, students=())
        self._enrolments(70, start, end)
        self.course_of(71, start, end, visible=0)
        self.course_of(72, NOW + 1, end)
        self.course_of(73, start, end, students=())
        self.enrol(201, 73, 3, start)
        self.course_of(74, start, end, format="social")
        self.course_of(75, start, 0)
        self.course_of(76, A_START, A_START - DAY)
        long_ago = NOW - 400 * DAY
        self.course_of(77, long_ago, long_ago + YEAR_AND_FOUR_WEEKS)
        self.course_of(78, long_ago, long_ago + YEAR_AND_FOUR_WEEKS + 1)
        self.course_of(79, visible=0, students=())
        self._enrolments(79, A_START, A_END)
        self.course_of(80, criteria=False)

    def _enrolments(self, course_id: int, start: int, end: int) -> None:
        for user_id, begins, more in (
            (101, start, {}),
            (102, start - 9, {"timeend": start - 1}),  # over before the course begins
            (103, start, {"timeend": NOW - 1}),  # over now
            (104, start, {"timeend": NOW}),
            (105, start - YEAR_AND_FOUR_WEEKS, {}),
            (106, start - YEAR_AND_FOUR_WEEKS - 1, {}),
            (107, 0, {"timecreated": end}),  # begins when it was made
            (108, 0, {"timecreated": end + 1}),
            (202, NOW + 1, {}),
        ):
            self.enrol(user_id, course_id, 5, begins, **more)
        # 101 once more, later: the first enrolment counts
        again = {
            **self.tables["user_enrolments"][-1],
            "userid": 101,
            "timestart": start,
        }
        self.tables["user_enrolments"].append({**again, "id": 900_000 + course_id})
        self.enrol(201, course_id, 3, start)


def dated(direction: str, at: int) -> dict[str, str]:
    """Return an availability by date, as Moodle writes it."""
    condition = {"type": "date", "d": direction, "t": at}
    text = {"op": "&", "c": [condition], "showc": [True]}
    return {"availability": json.dumps(text, separators=(",", ":"))}
