"""Moodle's tables as landing tables: the columns that learning analytics reads.

Names and meanings are Moodle's own (PROTOCOL section 6.9); a table's other columns are
ignored and reported. Times are seconds since 1970, 0 is "not set". Tables are whole
snapshots, but for the two logs, whose rows add up.
"""

from __future__ import annotations

from dataclasses import replace

from trackline.landing.columns import Column, Table

__all__ = ["LOGS", "MOODLE_TABLES", "PREFIX"]

PREFIX = "moodle/"

LOGS = ("moodle/logstore_standard_log", "moodle/log")

# settings of the site that are read; of the others neither name nor value is kept
_SETTINGS = "name_value in ('siteguest', 'siteadmins', 'enablecompletion')"

# `name` is a whole number, `name:kind` another kind; `user` is a user's id; `=other` is
# the name after reading
_COLUMNS = {
    "assign": "course duedate",
    "choice": "course timeclose showresults",
    "competency_coursecomp": "courseid competencyid",
    "competency_usercompcourse": "userid:user courseid competencyid proficiency",
    "context": "contextlevel instanceid:text path:text=context_path",
    "course": "category format:text startdate enddate visible enablecompletion",
    "course_completion_criteria": "course",
    "course_completions": "userid:user course timecompleted",
    "course_modules": "course module instance section visible availability:text"
    " deletioninprogress",
    "course_sections": "course section visible availability:text",
    "data": "course timeavailableto",
    "enrol": "status courseid",
    "event": "courseid userid:user type visible timestart timesort",
    "feedback": "course timeclose publish_stats",
    "grade_grades": "itemid userid:user finalgrade:decimal timecreated timemodified",
    "grade_items": "courseid itemtype:text itemmodule:text iteminstance gradetype"
    " grademax:decimal grademin:decimal gradepass:decimal",
    "lesson": "course deadline",
    "modules": "name:text",
    "quiz": "course timeclose",
    "role": "shortname:text archetype:text",
    "role_assignments": "roleid contextid userid:user",
    "scorm": "course timeclose",
    "user_enrolments": "status enrolid userid:user timestart timeend timecreated",
    "workshop": "course submissionend",
    "logstore_standard_log": "eventname:text component:text crud:text contextlevel"
    " courseid anonymous timecreated userid:user",
    "log": "time=timecreated userid:user course=courseid module:text"
    " cmid=contextinstanceid action:text",
}


def _column(spec: str, *, is_log: bool) -> Column:
    spec, _, stored_as = spec.partition("=")
    name, _, kind = spec.partition(":")
    return Column(
        name,
        "text" if kind == "user" else kind or "integer",
        is_personal=kind == "user",
        is_required=is_log and name in ("time", "timecreated"),
        stored_as=stored_as,
        # 0 is nobody
        only_when=f"{name}_value <> '0'" if kind == "user" else "",
    )


def _table(name: str, specs: str) -> Table:
    is_log = PREFIX + name in LOGS
    columns = [Column("id", "integer", is_required=True, is_key=True)]
    for spec in specs.split():
        columns.append(_column(spec, is_log=is_log))
    if name == "logstore_standard_log":
        # of another context the instance may be a user
        columns.append(
            Column("contextinstanceid", "integer", only_when="contextlevel_value = 70")
        )
    if name == "context":
        columns[2] = replace(columns[2], personal_when="contextlevel_value = 30")
    return Table(PREFIX + name, tuple(columns))


_SPECIAL = (
    Table(
        "moodle/config",
        (
            Column("id", "integer", is_required=True, is_key=True),
            Column("name", "text", only_when=_SETTINGS),
            Column(
                "value",
                "text",
                only_when=_SETTINGS,
                personal_when="name_value in ('siteguest', 'siteadmins')",
                is_list=True,
                stored_as="setting",
            ),
        ),
    ),
    Table(
        "moodle/user",
        (
            Column(
                "id",
                "text",
                is_required=True,
                is_key=True,
                is_personal=True,
                stored_as="userid",
            ),
            Column("username", "text", only_when="username_value = 'guest'"),
            *(
                Column(name, "integer")
                for name in (
                    "confirmed",
                    "deleted",
                    "suspended",
                    "firstaccess",
                    "timecreated",
                    "trackforums",
                )
            ),
            *(
                Column(name, "flag")
                for name in (
                    "description",
                    "picture",
                    "institution",
                    "department",
                    "address",
                    "city",
                    "country",
                )
            ),
        ),
    ),
    Table(
        "moodle/user_lastaccess",
        (
            Column("userid", "text", is_required=True, is_key=True, is_personal=True),
            Column("courseid", "integer", is_required=True, is_key=True),
            Column("timeaccess", "integer"),
        ),
    ),
)

MOODLE_TABLES = (
    tuple(_table(name, specs) for name, specs in _COLUMNS.items()) + _SPECIAL
)
