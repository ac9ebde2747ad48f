"""What learning analytics costs and how good it is: `python -m benchmarks.insights`.

`cost`: the whole indicator pass over made-up sites of 2.5, 5 and 10 million log rows, with
30,000 enrolments in 300 finished courses over four quarters. `oulad`: course_dropout on
the Open University's data, learned from 2013J and 2014B and predicted for 2014J, against
a plain logistic regression on the same features. The figures stand in
docs/benchmarks-insights.md.
"""

from __future__ import annotations

import csv
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
COURSES, STUDENTS, ACTIVITIES = 300, 100, 30
START = 1725148800  # 2024-09-01
MEMORY = "1400MB"
PASS = (
    "int_activities int_log_activity int_activities_in_range int_module_values"
    " int_base_values int_indicator_values"
)


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
        self.model(analysis_interval="quarters")

    def write(self, name: str, rows: list[dict[str, str]]) -> None:
        """Replace a seed."""
        seed = self.folder / "seeds" / f"{name}.csv"
        header = (ROOT / "seeds" / f"{name}.csv").read_text().splitlines()[0].split(",")
        with seed.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, header, restval="")
            writer.writeheader()
            writer.writerows(rows)

    def model(self, **changed: str) -> None:
        """Let course_dropout be the only model."""
        with (ROOT / "seeds" / "prediction_models.csv").open() as stream:
            rows = [
                r for r in csv.DictReader(stream) if r["model_id"] == "course_dropout"
            ]
        self.write("prediction_models", [{**rows[0], "enabled": "true", **changed}])

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
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.monotonic()
        command = [str(Path(sys.executable).with_name("dbt")), "--quiet", *arguments]
        process = subprocess.Popen(
            command, cwd=ROOT / "dbt_project", env=self.environment(**environment)
        )
        _, status, used = os.wait4(process.pid, 0)
        if status:
            raise SystemExit(f"{' '.join(command)} failed")
        del before
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
            "course_modules": "select (10 + i) * 1000 + k as id, 10 + i as course, k % 21"
            " + 1 as module, (10 + i) * 1000 + k as instance, (10 + i) * 100 + k % 12 + 1"
            f" as section, 1 as visible from range({COURSES}) t(i),"
            f" range({ACTIVITIES}) s(k)",
            "context": "select 1 as id, 10 as contextlevel, 0 as instanceid, '/1' as path"
            " union all select 100000 + i, 50, 10 + i, '/1/' || (100000 + i)"
            f" from range({COURSES}) t(i)",
            "role": "select 5 as id, 'student' as shortname, 'student' as archetype",
            "role_assignments": "select i * 1000 + k as id, 5 as roleid, 100000 + i as"
            " contextid, 1000 + (i * 37 + k) % 20000 as userid"
            f" from range({COURSES}) t(i), range({STUDENTS}) s(k)",
            "enrol": "select 10 + i as id, 0 as status, 10 + i as courseid"
            f" from range({COURSES}) t(i)",
            "user_enrolments": "select i * 1000 + k as id, 0 as status, 10 + i as enrolid,"
            f" 1000 + (i * 37 + k) % 20000 as userid, {START} as timestart, 0 as timeend,"
            f" {START} as timecreated from range({COURSES}) t(i), range({STUDENTS}) s(k)",
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
) left join (select row_number() over () - 1 as n, name from names) on activity % 21 = n""",
        }
        for name, sql in tables.items():
            con.execute(f"copy ({sql}) to '{folder / name}.parquet' (format parquet)")


def cost() -> None:
    """Measure the indicator pass."""
    print("| log rows | wall s | CPU s | peak GB | values |\n|---|---|---|---|---|")
    for millions in (2.5, 5, 10):
        with tempfile.TemporaryDirectory() as place:
            build = Build(Path(place))
            make_site(build.landing, int(millions * 1e6))
            build.dbt("seed")
            build.dbt("run", "--select", "+int_samples", TRACKLINE_MEMORY="8GB")
            build.dbt("parse")
            parse = build.dbt("run", "--select", "int_activities")
            figures = build.dbt("run", "--select", PASS, TRACKLINE_MEMORY=MEMORY)
            with duckdb.connect(str(build.warehouse), read_only=True) as con:
                count = con.execute(
                    "select count(*) from int_indicator_values"
                ).fetchone()
        print(
            f"| {millions:g} M | {figures[0]:.1f} | {figures[1]:.1f} | {figures[2]:.2f}"
            f" | {count[0]:,} | (of it dbt's start: {parse[1]:.1f} CPU s)",
            flush=True,
        )


def main() -> None:
    """Run what the command line names, or everything."""
    wanted = sys.argv[1:] or ["cost", "oulad"]
    for name in wanted:
        globals()[name]()


if __name__ == "__main__":
    main()
