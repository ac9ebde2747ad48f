"""A consortium's landing files: districts, students, apps and days as they are used.

The first district has a tenth of all students where there are a hundred; a student
uses some 15 applications, a few of which are nearly everybody's; school is on weekdays;
six students of ten have two assessments. Everything is drawn by hashing counters: the
same rows each time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import duckdb

from benchmarks.landing_data import FIRST_DAY, stamp

SCHOOL_DAYS = 180
PART_ROWS = 5_000_000
APPS_A_STUDENT = 15


@dataclass(frozen=True)
class Consortium:
    """How large it is.

    Attributes
    ----------
    rows : int
        Rows of use in the school year so far, about: repeated keys fall together.
    students, apps, districts : int
    """

    rows: int
    students: int
    apps: int
    districts: int

    @property
    def as_of(self) -> date:
        """The day after the history's last."""
        return school_day(SCHOOL_DAYS)

    def usage_sql(self, rows: int, first: int, days: int, seed: int) -> str:
        """Return SQL for rows of use on some of the school days."""
        return f"""
select
    {self.district_sql("student")} as district_id,
    's' || lpad(student::varchar, 8, '0') as student_id,
    'app' || lpad(app::varchar, 3, '0') as app_id,
    date '{FIRST_DAY}' + (day // 5 * 7 + day % 5)::integer as usage_date,
    ((hash(student, app, day, {seed}) % 600000) / 10000)::decimal(18, 6)
        as usage_minutes,
    1 + (hash(day, student) % 4)::bigint as session_count,
from (
    select distinct
        student,
        (({self.apps} - 1) * pow((hash(student, slot) % 1000003) / 1000003.0, 2))
            ::bigint as app,
        day,
    from (
        select
            (hash(i, 1, {seed}) % {self.students})::bigint as student,
            hash(i, 2, {seed}) % {APPS_A_STUDENT} as slot,
            ({first} + i * {days} // {rows})::bigint as day,
        from range({rows}) as numbers(i)
    )
)"""

    def district_sql(self, student: str) -> str:
        """Return SQL for a student's district: the square of a uniform number."""
        return (
            f"'d' || lpad(floor({self.districts} * pow((hash({student}, 7) % 1000003)"
            " / 1000003.0, 2))::integer::varchar, 3, '0')"
        )

    def district_ids(self) -> list[str]:
        """Return the ids of the districts."""
        return [f"d{number:03}" for number in range(self.districts)]


def school_day(number: int) -> date:
    """Return a school day by its number, five to a week."""
    return FIRST_DAY + timedelta(days=number // 5 * 7 + number % 5)


def write_history(landing: Path, size: Consortium) -> None:
    """Write the school year so far: Parquet, a file per district and span of days."""
    con = duckdb.connect(config={"memory_limit": "4GB"})
    parts = max(1, size.rows // PART_ROWS)
    for part in range(parts):
        first = part * SCHOOL_DAYS // parts
        days = (part + 1) * SCHOOL_DAYS // parts - first
        con.execute(
            "create or replace temp table part as "
            + size.usage_sql(size.rows // parts, first, days, seed=0)
        )
        delivered = school_day(first + days)
        _write(con, landing, size, f"history_{part:03}.parquet", delivered)
    con.execute(f"""create or replace temp table part as
select
    {size.district_sql("student")} as district_id,
    's' || lpad(student::varchar, 8, '0') as student_id,
    'assessment' as measure,
    (40 + hash(student, test) % 6000 / 100.0)::decimal(18, 6) as score,
    date '{FIRST_DAY}' + (30 + 90 * test + hash(student) % 20)::integer as measured_on,
from range({size.students}) as students(student), range(2) as tests(test)
where hash(student, 3) % 10 < 6""")
    _write(con, landing, size, "year.parquet", size.as_of, "scores")


def write_night(landing: Path, size: Consortium, night: int, rows: int) -> None:
    """Write a night's files: a new day, and 1 % of corrections of the last weeks."""
    day = SCHOOL_DAYS + night
    con = duckdb.connect(config={"memory_limit": "4GB"})
    con.execute(
        "create temp table part as "
        + size.usage_sql(int(rows * 0.99), day, 1, seed=0)
        + " union all "
        + size.usage_sql(max(int(rows * 0.01), 1), day - 25, 25, seed=night + 1)
    )
    _write(
        con, landing, size, f"night_{night:03}.csv", school_day(day) + timedelta(days=1)
    )


def _write(
    con: duckdb.DuckDBPyConnection,
    landing: Path,
    size: Consortium,
    name: str,
    delivered: date,
    table: str = "app_usage",
) -> None:
    for district_id in size.district_ids():
        path = landing / district_id / table / name
        path.parent.mkdir(parents=True, exist_ok=True)
        con.execute(
            f"copy (select * exclude (district_id) from part where district_id ="
            f" '{district_id}') to '{path}'"
        )
        stamp(path, delivered)
