"""The Moodle sites that learning analytics is measured on, and builds of them."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import duckdb

__all__ = ["Build", "make_oulad_site", "make_site"]

ROOT = Path(__file__).resolve().parent.parent
COURSES, STUDENTS, ACTIVITIES = 300, 100, 30
START = 1725148800  # 2024-09-01


class Build:
    """A Trackline of its own below a folder, built by dbt in a process of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.landing = folder / "landing" / "north" / "moodle"
        self.warehouse = folder / "warehouse.duckdb"
        self.landing.mkdir(parents=True)
        shutil.copytree(ROOT / "seeds", folder / "seeds")
        self.write(
            "districts",
            [
                {
                    "district_id": "north",
                    "district_name": "North",
                    "time_zone": "UTC",
                    "school_year_start": "08-01",
                    "as_of": "2025-06-30",
                }
            ],
        )
        self.write("district_apps", [])
        self.write("role_assignments", [])
        bands = [{"district_id": "*", "performance": "all", "lower_bound": "0"}]
        self.write("score_bands", bands)
        self.models(["quarters"])

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        """Replace a seed."""
        seed = self.folder / "seeds" / f"{name}.csv"
        header = (ROOT / "seeds" / f"{name}.csv").read_text().splitlines()[0].split(",")
        with seed.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, header, restval="")
            writer.writeheader()
            writer.writerows(rows)

    def models(self, intervals: Sequence[str]) -> None:
        """Let course_dropout over each of these intervals be the only models."""
        with (ROOT / "seeds" / "prediction_models.csv").open() as stream:
            rows = {row["model_id"]: row for row in csv.DictReader(stream)}
        shipped = {**rows["course_dropout"], "enabled": "true"}
        self.write(
            "prediction_models",
            [{**shipped, "model_id": i, "analysis_interval": i} for i in intervals],
        )

    def environment(self, **more: str) -> dict[str, str]:
        """Return the environment of a build."""
        return {
            **os.environ,
            "TRACKLINE_LANDING": str(self.folder / "landing"),
            "TRACKLINE_SEEDS": str(self.folder / "seeds"),
            "TRACKLINE_WAREHOUSE": str(self.warehouse),
            "TRACKLINE_MODELS": str(self.folder / "models"),
            "DBT_TARGET_PATH": str(self.folder / "target"),
            "DBT_LOG_PATH": str(self.folder / "logs"),
            "OMP_NUM_THREADS": "1",
            **more,
        }

    def dbt(self, *arguments: str, **environment: str) -> tuple[float, float, float]:
        """Run dbt; return wall seconds, CPU seconds and the peak in GB."""
        started = time.monotonic()
        command = [str(Path(sys.executable).with_name("dbt")), "--quiet", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT / "dbt_project", env=self.environment(**environment)
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed")
        wall = time.monotonic() - started
        return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1e6


def make_site(folder: Path, rows: int) -> None:
    """Write the tables of a made-up site as Parquet."""
    with duckdb.connect() as con:
        con.execute("set preserve_insertion_order = false")
        modules = [
            "assign", "book", "chat", "choice", "data", "feedback", "folder", "forum",
            "glossary", "imscp", "label", "lesson", "lti", "page", "quiz", "resource",
            "scorm", "survey", "url", "wiki", "workshop",
        ]  # fmt: skip
        con.execute(f"create table names as select unnest({modules}) as name")
        end = START + 120 * 86400
        tables = {
            "modules": "select row_number() over () as id, name from names",
            "course": f"select 10 + i as id, 1 as category, 'topics' as format, {START}"
            f" as startdate, {end} as enddate, 1 as visible from range({COURSES}) t(i)",
            "course_sections": "select (10 + i) * 100 + k as id, 10 + i as course, k as"
            f" section, 1 as visible from range({COURSES}) t(i), range(13) s(k)",
            "course_modules": "select (10 + i) * 1000 + k as id, 10 + i as course, k"
            " % 21"
            " + 1 as module, (10 + i) * 1000 + k as instance, (10 + i) * 100 + k % 12"
            " + 1"
            f" as section, 1 as visible from range({COURSES}) t(i),"
            f" range({ACTIVITIES}) s(k)",
            "context": "select 1 as id, 10 as contextlevel, 0 as instanceid, '/1' as"
            " path"
            " union all select 100000 + i, 50, 10 + i, '/1/' || (100000 + i)"
            f" from range({COURSES}) t(i)",
            "role": "select 5 as id, 'student' as shortname, 'student' as archetype",
            "role_assignments": "select i * 1000 + k as id, 5 as roleid, 100000 + i as"
            " contextid, 1000 + (i * 37 + k) % 20000 as userid"
            f" from range({COURSES}) t(i), range({STUDENTS}) s(k)",
            "enrol": "select 10 + i as id, 0 as status, 10 + i as courseid"
            f" from range({COURSES}) t(i)",
            "user_enrolments": "select i * 1000 + k as id, 0 as status, 10 + i as"
            " enrolid,"
            f" 1000 + (i * 37 + k) % 20000 as userid, {START} as timestart, 0 as"
            f" timeend,"
            f" {START} as timecreated from range({COURSES}) t(i), range({STUDENTS})"
            f" s(k)",
            # courses and students differ in how much they do
            "logstore_standard_log": f"""
select i + 1 as id,
    case when activity = 30 then '\\core\\event\\course_viewed'
        when kind = 0 then '\\mod_' || name || '\\event\\assessable_submitted'
        else '\\mod_' || name || '\\event\\course_module_viewed' end as eventname,
    case when activity = 30 then 'core' else 'mod_' || name end as component,
    case when kind = 0 then 'c' else 'r' end as crud,
    case when activity = 30 then 100000 + course else 1 end as contextid,
    case when activity = 30 then 50 else 70 end as contextlevel,
    case when activity = 30 then 10 + course else (10 + course) * 1000 + activity end
        as contextinstanceid,
    1000 + (course * 37 + student) % 20000 as userid, 10 + course as courseid,
    0 as anonymous,
    {START} + (hash(i, 'at') % (86400 * 120 * (40 + student % 61) // 100))::bigint
        as timecreated
from (
    select i, (hash(i, 'course') % {COURSES})::bigint as course,
        (hash(i, 'student') % {STUDENTS})::bigint as student,
        (hash(i, 'activity') % 31)::bigint as activity, hash(i, 'kind') % 8 as kind
    from range({rows}) t(i)
) left join (select row_number() over () - 1 as n, name from names) on
    activity % 21 = n""",
        }
        for name, sql in tables.items():
            con.execute(f"copy ({sql}) to '{folder / name}.parquet' (format parquet)")


# activity types of the Open University as modules of Moodle
MODULES = {
    "oucontent": "book", "forumng": "forum", "quiz": "quiz", "subpage": "page",
    "resource": "resource", "url": "url", "glossary": "glossary", "dataplus": "data",
    "oucollaborate": "chat", "ouwiki": "wiki", "questionnaire": "feedback",
    "folder": "folder", "page": "page", "homepage": "label", "TMA": "assign",
    "CMA": "quiz",
}  # fmt: skip


def fixtures() -> Path:
    """Return the Open University's data."""
    named = os.environ.get("TRACKLINE_FIXTURES", ROOT.parent / "shared" / "fixtures")
    return Path(named) / "oulad"


def make_oulad_site(folder: Path) -> None:
    """Write the Open University's courses as a Moodle site.

    A course per presentation, a log row per group of clicks (at noon of its day), an
    activity per site and assessment, a submission as a write action, a grade two weeks
    after it.
    """
    with duckdb.connect() as con:
        for name in (
            "courses", "assessments", "studentAssessment", "studentRegistration",
            "studentVle", "vle",
        ):  # fmt: skip
            con.execute(f"create view {name} as from '{fixtures() / name}.parquet'")
        con.execute(
            "create table types as select * from (values "
            + ", ".join(f"('{k}', '{v}')" for k, v in MODULES.items())
            + ") t(type, name)"
        )
        con.execute(
            "create table modules as select row_number() over (order by name) as id,"
            " name"
            " from (select distinct name from types)"
        )
        con.execute(
            "create table course as select 10 + row_number() over (order by"
            " code_module,"
            " code_presentation) as id, 1 as category, 'topics' as format,"
            " epoch(make_date(code_presentation[:4]::int, if(code_presentation[5:] ="
            " 'B',"
            " 2, 10), 1))::bigint as startdate, startdate + 86400 *"
            " module_presentation_length as enddate, 1 as visible, code_module,"
            " code_presentation from courses"
        )
        con.execute(
            "create table cm as select id_site as id, course.id as course, modules.id"
            " as"
            " module, modules.name, id_site as instance, least(greatest(coalesce("
            "week_from, 0), 0) // 4 + 1, 10)::int as section, 0::bigint as due"
            " from vle join course using (code_module, code_presentation)"
            " join types on activity_type = type join modules using (name)"
            " union all select 9000000 + id_assessment, course.id, modules.id,"
            " modules.name, 9000000 + id_assessment, 1, startdate + 86400 * date"
            " from assessments join course using (code_module, code_presentation)"
            " join types on assessment_type = type join modules using (name)"
        )
        student = "id_student"
        tables = {
            "modules": "from modules",
            "course": "select * exclude (code_module, code_presentation) from course",
            "course_sections": "select course.id * 100 + k as id, course.id as course,"
            " k as section, 1 as visible from course, range(11) s(k)",
            "course_modules": "select id, course, module, instance, course * 100 +"
            " section as section, 1 as visible from cm",
            "assign": "select instance as id, course, due as duedate from cm"
            " where name = 'assign'",
            "quiz": "select instance as id, course, due as timeclose from cm"
            " where name = 'quiz'",
            "context": "select 1 as id, 10 as contextlevel, 0 as instanceid, '/1' as"
            " path"
            " union all select 1000 + id, 50, id, '/1/' || (1000 + id) from course",
            "role": "select 5 as id, 'student' as shortname, 'student' as archetype",
            "enrol": "select id, 0 as status, id as courseid from course",
            "user_enrolments": "select row_number() over (order by course.id,"
            " id_student)"
            f" as id, 0 as status, course.id as enrolid, {student} as userid,"
            f" startdate +"
            " 86400 * coalesce(date_registration, 0) as timestart, coalesce(startdate +"
            " 86400 * date_unregistration, 0) as timeend, timestart as timecreated from"
            " studentRegistration join course using (code_module, code_presentation)",
            "role_assignments": "select row_number() over (order by course.id,"
            " id_student)"
            f" as id, 5 as roleid, 1000 + course.id as contextid, {student} as userid"
            " from studentRegistration join course using (code_module,"
            " code_presentation)",
            "grade_items": "select instance as id, course as courseid, 'mod' as"
            " itemtype,"
            " name as itemmodule, instance as iteminstance, 1 as gradetype, 100.0 as"
            " grademax, 0.0 as grademin from cm where due > 0",
            "grade_grades": "select row_number() over (order by id_assessment,"
            " id_student)"
            f" as id, 9000000 + id_assessment as itemid, {student} as userid, score as"
            " finalgrade, startdate + 86400 * (date_submitted + 14) as timemodified"
            " from studentAssessment join assessments using (id_assessment) join course"
            " using (code_module, code_presentation) where score is not null",
            "logstore_standard_log": """
select row_number() over (order by moment, userid, cm, crud) as id,
    * exclude (moment, cm, name),
    case when cm is null then '\\core\\event\\course_viewed' when crud = 'c'
        then '\\mod_' || name || '\\event\\' || if(name = 'quiz', 'attempt_submitted',
        'assessable_submitted') else '\\mod_' || name || '\\event\\course_module_viewed'
        end as eventname,
    if(cm is null, 'core', 'mod_' || name) as component,
    if(cm is null, 50, 70) as contextlevel, coalesce(cm, courseid) as contextinstanceid,
    0 as anonymous, moment as timecreated
from (
    select id_student as userid, course.id as courseid, 'r' as crud,
        startdate + 86400 * date + 43200 as moment,
        if(activity_type = 'homepage', null, id_site) as cm, cm.name
    from studentVle join vle using (id_site, code_module, code_presentation)
    join course using (code_module, code_presentation) join cm on id_site = cm.id
    union all
    select id_student, course.id, 'c', startdate + 86400 * date_submitted + 43200,
        9000000 + id_assessment, cm.name
    from studentAssessment join assessments using (id_assessment)
    join course using (code_module, code_presentation)
    join cm on 9000000 + id_assessment = cm.id where not is_banked
)""",
        }
        for name, sql in tables.items():
            con.execute(f"copy ({sql}) to '{folder / name}.parquet' (format parquet)")
