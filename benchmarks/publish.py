"""What publishing costs: `python -m benchmarks.publish [districts] [students each]`.

A warehouse of that many districts, each student with ten rankings and a frame of 30
apps, once ordered by district and once scattered; published, then again unchanged,
against one COPY of the whole warehouse as the bare work. Defaults: 100 x 20,000.
"""

from __future__ import annotations

import multiprocessing
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from trackline.publish import publish
from trackline.settings import Settings

TABLES = """
create schema frames;
create table int_districts as
    select 'd' || i as district_id, true as is_enabled, date '2026-03-31' as as_of,
        5.0 as hold_rejected_rows, 50.0 as hold_usage_drop
    from range({districts}) as r(i);
create table fct_daily_usage (district_id text, usage_date date);
create table dim_students as
    select 'd' || (i % {districts}) as district_id, md5(i::varchar) as student_id,
        's' || (i % 50) as school_id, '9' as grade_level, 1 as type,
        (i % 100)::decimal(18, 6) as score, date '2026-01-01' as measured_on,
        'excellent' as performance, (i % 997)::decimal(18, 6) as usage_minutes,
        5 as app_count, date '2026-01-01' as first_used_on,
        date '2026-03-30' as last_used_on
    from range({students}) as r(i) {order};
create table rpt_most_used_by_student as
    select 'd' || (i // 10 % {districts}) as district_id,
        md5((i // 10)::varchar) as student_id,
        case when i % 10 < 5 then 'overall' else 'assessment' end as basis,
        i % 5 + 1 as rank, 'app' || (i % 50) as app_id,
        (i % 997)::decimal(18, 6) as usage_minutes, i % 9 as session_count,
        3 as days_used, date '2026-03-30' as last_used_on
    from range({students} * 10) as r(i) {order};
create table rpt_most_used_by_district as
    select district_id, 'district' as scope, null::int as type,
        null::text as performance, 1 as rank, 'app1' as app_id,
        1.0 as usage_minutes, 1 as session_count, 1 as student_count
    from int_districts;
create table dq_files as
    select district_id, 'app_usage' as table_name, 'a.csv' as path, 1 as size_bytes,
        timestamp '2026-03-31' as modified_at, 'loaded' as status, 10 as rows_read,
        10 as rows_accepted, 0 as rows_rejected, timestamp '2026-03-31' as loaded_at
    from int_districts;
"""


def make_warehouse(path: Path, districts: int, students: int, order: str) -> None:
    with duckdb.connect(str(path)) as con:
        con.execute(
            TABLES.format(
                districts=districts, students=districts * students, order=order
            )
        )
        apps = ", ".join(f"{app} as app{app}" for app in range(30))
        for number in range(districts):
            con.execute(
                f"create view frames.district_d{number} as select student_id, type, "
                f"performance, score, measured_on, {apps} from dim_students "
                f"where district_id = 'd{number}'"
            )


def in_process(work: Callable[..., object], *arguments: object) -> None:
    process = multiprocessing.get_context("spawn").Process(target=work, args=arguments)
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(process.exitcode)


def measure(label: str, work: Callable[..., object], *arguments: object) -> None:
    """Print wall and CPU seconds of the work, and the peak memory of its process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work(*arguments)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{label:<38}{wall:8.1f}{cpu:8.1f}{peak:8.2f}", flush=True)


def bare_copy(warehouse: Path, into: Path) -> None:
    with duckdb.connect(str(warehouse), read_only=True) as con:
        con.execute(f"attach '{into}' as copied (read_write)")
        for table in ("dim_students", "rpt_most_used_by_student"):
            con.execute(f"create table copied.{table} as from {table}")


def main(districts: int = 100, students: int = 20_000) -> None:
    print(f"{districts} districts of {students} students")
    print(f"{'':<38}{'wall s':>8}{'CPU s':>8}{'RSS GB':>8}")
    for order, named in (("order by district_id", "ordered"), ("", "scattered")):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            settings = Settings(
                folder,
                folder,
                folder / "warehouse.duckdb",
                folder / "serve",
                "",
                None,
                None,
            )
            warehouse = settings.warehouse
            in_process(make_warehouse, warehouse, districts, students, order)
            copied = folder / "copied.duckdb"
            in_process(measure, f"{named}: bare copy", bare_copy, warehouse, copied)
            in_process(measure, f"{named}: publish", publish, settings)
            in_process(measure, f"{named}: publish, unchanged", publish, settings)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
