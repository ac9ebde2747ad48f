"""Landing files of any size with the habits of real use: made by SQL, kept on disk."""

from __future__ import annotations

import csv
import os
import shutil
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb

ROOT = Path(__file__).resolve().parent.parent
FIRST_DAY = date(2025, 8, 4)


def write_seeds(
    seeds: Path, district_ids: Iterable[str], apps: int, weekly_minutes_goal: str = ""
) -> None:
    """Write the configuration of generated districts: the same apps, common bands."""
    shutil.copytree(ROOT / "seeds", seeds, dirs_exist_ok=True)
    ids = list(district_ids)
    rows = {
        "districts": [
            {"district_id": name, "district_name": name, "school_year_start": "08-01",
             "time_zone": "America/New_York"}
            for name in ids
        ],
        "district_apps": [
            {"district_id": name, "app_id": f"app{app:03}", "app_name": f"App {app}",
             "weekly_minutes_goal": weekly_minutes_goal}
            for name in ids
            for app in range(apps)
        ],
        "role_assignments": [],
        "score_bands": [
            {"district_id": "*", "performance": name, "lower_bound": bound}
            for name, bound in (("excellent", 88), ("satisfactory", 69),
                                ("needs improvement", 55), ("unsatisfactory", 0))
        ],
    }  # fmt: skip
    for name, records in rows.items():
        path = seeds / f"{name}.csv"
        header = path.read_text().splitlines()[0].split(",")
        with path.open("w", newline="") as stream:
            writer = csv.DictWriter(stream, header, restval="")
            writer.writeheader()
            writer.writerows(records)


def usage_sql(rows: int, students: int, apps: int, districts: int, days: int) -> str:
    """Return SQL for distinct keys of use: few apps take most of the minutes."""
    # a student's apps are skewed: the square of a uniform number
    return f"""
select
    'd' || lpad((student % {districts})::varchar, 3, '0') as district_id,
    's' || lpad(student::varchar, 8, '0') as student_id,
    'app' || lpad(app::varchar, 3, '0') as app_id,
    date '{FIRST_DAY}' + day::integer as usage_date,
    ((hash(student, app, day) % 600000) / 10000)::decimal(18, 6) as usage_minutes,
    1 + (hash(day, student) % 4)::bigint as session_count,
from (
    select distinct
        (hash(i, 1) % {students})::bigint as student,
        (({apps} - 1) * pow((hash(i, 2) % 1000003) / 1000003.0, 2))::bigint as app,
        (i * {days} // {rows})::bigint as day,
    from range({rows}) as numbers(i)
)"""


def write_history(
    landing: Path,
    rows: int,
    *,
    students: int = 1_000_000,
    apps: int = 200,
    districts: int = 20,
    days: int = 180,
    part_rows: int = 5_000_000,
) -> None:
    """Write Parquet files of a history, a file per district and span of days."""
    con = duckdb.connect(config={"memory_limit": "6GB"})
    parts = max(1, rows // part_rows)
    per_part = days // parts or 1
    for part in range(parts):
        sql = usage_sql(rows // parts, students, apps, districts, per_part)
        con.execute(
            f"create or replace temp table part as select * replace"
            f" (usage_date + {part * per_part} as usage_date) from ({sql})"
        )
        for district in range(districts):
            folder = landing / f"d{district:03}" / "app_usage"
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"history_{part:03}.parquet"
            con.execute(
                f"copy (select * exclude (district_id) from part where district_id ="
                f" 'd{district:03}' order by usage_date) to '{path}'"
            )
            stamp(path, FIRST_DAY + timedelta(days=(part + 1) * per_part))


def write_night(
    landing: Path,
    night: int,
    day: date,
    rows: int,
    *,
    students: int = 1_000_000,
    apps: int = 200,
    districts: int = 20,
    corrections: float = 0.01,
    reach: int = 35,
) -> None:
    """Write a night's files, CSV, CSV.gz and Parquet, with corrections of old days."""
    con = duckdb.connect(config={"memory_limit": "4GB"})
    fresh = usage_sql(int(rows * (1 - corrections)), students, apps, districts, 1)
    shift = (day - FIRST_DAY).days
    con.execute(f"""
create temp table night as
select * replace (usage_date + {shift} as usage_date) from ({fresh})
union all
select * replace (
    usage_date + ({shift} - 1 - (hash(student_id, {night}) % {reach})::integer)
        as usage_date)
from ({usage_sql(int(rows * corrections), students, apps, districts, 1)})""")
    for district in range(districts):
        folder = landing / f"d{district:03}" / "app_usage"
        folder.mkdir(parents=True, exist_ok=True)
        for part, ending in enumerate(("csv", "csv", "csv.gz", "parquet", "parquet")):
            path = folder / f"night_{night:03}_{part}.{ending}"
            con.execute(
                f"copy (select * exclude (district_id) from night where district_id ="
                f" 'd{district:03}' and hash(student_id) % 5 = {part}) to '{path}'"
            )
            stamp(path, day + timedelta(days=1))


def stamp(path: Path, day: date) -> None:
    """Set a file's modification time: four in the morning, UTC."""
    at = datetime(day.year, day.month, day.day, 4, tzinfo=UTC).timestamp()
    os.utime(path, (at, at))
