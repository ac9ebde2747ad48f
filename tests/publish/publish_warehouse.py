"""A small warehouse as the build leaves it (INTERFACE section 4), made by DuckDB."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb

from trackline.settings import Settings

AS_OF = date(2026, 3, 31)
HOSTILE_APPS = ("=cmd()", "'; drop table dim_students; --", 'say "hi"', "../x", "数学")

SCHEMA = """
create schema frames;
create table int_districts (
    district_id text, is_enabled boolean, as_of date, time_zone text, school_year int,
    school_year_starts_on date, top_n int, used_minutes decimal(18, 6),
    hold_rejected_rows decimal(9, 4), hold_usage_drop decimal(9, 4), district_name text
);
create table fct_daily_usage (
    district_id text, student_id text, app_id text, usage_date date,
    usage_minutes decimal(18, 6), session_count int, updated_at timestamp
);
create table dim_students (
    district_id text, student_id text, school_id text, grade_level text, type int,
    score decimal(18, 6), measured_on date, performance text,
    usage_minutes decimal(18, 6), app_count int, first_used_on date, last_used_on date,
    secret_column text
);
create table rpt_most_used_by_student (
    district_id text, student_id text, basis text, rank int, app_id text,
    usage_minutes decimal(18, 6), session_count int, days_used int, last_used_on date
);
create table rpt_most_used_by_district (
    district_id text, scope text, type int, performance text, rank int, app_id text,
    usage_minutes decimal(18, 6), session_count int, student_count int
);
create table rpt_recommendations (
    district_id text, student_id text, rank int, app_id text, score double,
    is_new boolean, reason text, similar_students int, effect double,
    effect_low double, effect_high double, is_associated boolean, model_id text
);
create table rpt_app_value (
    district_id text, app_id text, active_students int, seats int, licence_use double,
    cost_per_active_student double, goal_weeks_met_share double
);
create table dq_files (
    district_id text, table_name text, path text, size_bytes bigint,
    modified_at timestamp, status text, rows_read bigint, rows_accepted bigint,
    rows_rejected bigint, loaded_at timestamp
);
-- never published, each with a word that must be found in no published file
create table dq_rejected_rows (district_id text, value text);
create table int_secret (district_id text, value text);
create table rpt_insights (district_id text, insight_id text);
create table rpt_insight_recipients (district_id text, user_id text);
create table rpt_predictions (district_id text, sample_id text);
create table stg_enrollments (district_id text, user_id text);
insert into dq_rejected_rows select 'aaa', 'never-published-reject';
insert into int_secret select 'aaa', 'never-published-int';
insert into rpt_insights select 'aaa', 'never-published-insight';
insert into rpt_insight_recipients select 'aaa', 'never-published-recipient';
insert into rpt_predictions select 'aaa', 'never-published-prediction';
insert into stg_enrollments select 'aaa', 'never-published-enrollment';
"""


class Warehouse:
    """Writes what a build would; every call opens the file and lets go of it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.execute(SCHEMA)

    def execute(self, sql: str, parameters: object = None) -> list[tuple]:
        with duckdb.connect(str(self.path)) as con:
            if parameters is None:
                return con.execute(sql).fetchall()
            return con.execute(sql, parameters).fetchall()

    def add_district(
        self, name: str, students: int = 20, word: str = "", enabled: bool = True
    ) -> None:
        """Add a district whose every text ends with its name: none may wander."""
        with duckdb.connect(str(self.path)) as con:
            con.execute(
                "insert into int_districts values ($d, $enabled, $as_of, 'UTC', 2026, "
                "'2025-08-01', 5, 30, 5, 50, 'District of ' || $d)",
                {"d": name, "as_of": AS_OF, "enabled": enabled},
            )
            own = {"d": name, "n": students, "w": f"{word}of-{name}"}
            con.execute(
                "insert into dim_students select $d, '=0' || i || $w, 'school' || $w, "
                "'9', 1, i, date '2026-01-01', 'excellent', i * 1.5, 2, "
                "date '2026-01-01', date '2026-03-30', 'never-published-column' "
                "from range($n) r(i)",
                own,
            )
            con.execute(
                "insert into rpt_most_used_by_student select $d, '=0' || i || $w, "
                "'overall', k, '@app' || k || $w, i, -i, 3, date '2026-03-30' "
                "from range($n) r(i), range(1, 4) s(k)",
                own,
            )
            con.execute(
                "insert into rpt_most_used_by_district "
                "select $d, 'district', null, null, k, '@app' || k || $w, 10, 2, $n "
                "from range(1, 4) s(k)",
                own,
            )
            con.execute(
                "insert into rpt_recommendations select $d, '=0' || i || $w, 1, "
                "'@app9' || $w, 0.5, true, '+often used together', null, null, null, "
                "null, false, 'm1' from range($n) r(i)",
                own,
            )
            con.execute(
                "insert into rpt_app_value "
                "select $d, '@app1' || $w, $n, 100, 0.2, 1.5, null",
                own,
            )
            columns = ", ".join(
                f'{i}.5 as "{app.replace(chr(34), chr(34) * 2)}"'
                for i, app in enumerate(HOSTILE_APPS)
            )
            con.execute(
                f"create view frames.district_{name} as select student_id, type, "
                f"performance, score, measured_on, {columns} from dim_students "
                f"where district_id = '{name}'"
            )
        self.deliver(name, "first.csv", read=100, rejected=0)

    def deliver(
        self, name: str, path: str, read: int, rejected: int, minute: int = 0
    ) -> None:
        """Add a line to dq_files."""
        loaded = datetime(2026, 3, 31, 2, minute)
        self.execute(
            "insert into dq_files "
            "values (?, 'app_usage', ?, 10, ?, 'loaded', ?, ?, ?, ?)",
            [name, path, loaded, read, read - rejected, rejected, loaded],
        )

    def use(self, name: str, day: date, rows: int) -> None:
        """Add rows of usage on a day."""
        self.execute(
            "insert into fct_daily_usage select $d, 's' || i, 'a', $day, 1, 1, $day "
            "from range($rows) r(i)",
            {"d": name, "day": day, "rows": rows},
        )

    def use_four_weeks(self, name: str, rows: int, newest_rows: int) -> None:
        """Add a Monday with newest_rows, and rows on the four Mondays before."""
        newest = date(2026, 3, 30)
        for week in range(1, 5):
            self.use(name, newest - timedelta(weeks=week), rows)
        self.use(name, newest, newest_rows)


def read_json(path: Path) -> dict:
    return json.loads(path.read_text())


def make_settings(folder: Path) -> Settings:
    return Settings(
        landing=folder / "landing",
        seeds=folder / "seeds",
        warehouse=folder / "warehouse.duckdb",
        serve=folder / "serve",
        models=str(folder / "models"),
        as_of=None,
        pseudonym_key=None,
    )
