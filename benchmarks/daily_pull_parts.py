"""The contenders of benchmarks.daily_pull, one per process."""

from __future__ import annotations

import json
import os
import resource
import sys
import time
from pathlib import Path

import duckdb

KEY = ["district_id", "student_id", "app_id", "usage_date"]


def pull(folder: Path, night: int) -> dict:
    """Run the project's daily pull, node by node."""
    from benchmarks.dbt_run import run

    size = (folder / "warehouse.duckdb").stat().st_size if night >= 0 else 0
    costs = run(
        "build", "--select", "resource_type:seed", "tag:daily_pull",
        "--exclude-resource-type", "test", "unit_test",
    )  # fmt: skip
    merge = [
        c for c in costs if c.name in ("stg_landing__app_usage", "int_usage_versions")
    ]
    return {
        "merge wall": sum(c.wall_seconds for c in merge),
        "merge CPU": sum(c.cpu_seconds for c in merge),
        "all nodes CPU": sum(c.cpu_seconds for c in costs),
        "file grew MB": ((folder / "warehouse.duckdb").stat().st_size - size) / 1e6,
    }


def bare(folder: Path, night: int) -> dict:
    """Probe, delete by rowid, insert: what one would write by hand for this night."""
    con = duckdb.connect(str(folder / "bare.duckdb"), config={"memory_limit": "6GB"})
    con.execute("set TimeZone = 'UTC'")
    size = (folder / "bare.duckdb").stat().st_size
    wall, cpu = time.perf_counter(), time.process_time()
    pattern = f"{folder}/landing/*/app_usage/night_{night:03}_*"
    parts = " union all ".join(
        f"select string_split(filename, '/')[-3] as district_id, student_id, app_id,"
        f" usage_date::date as usage_date, usage_minutes::decimal(18, 6) as"
        f" usage_minutes, session_count::bigint as session_count, false as is_deleted,"
        f" 1 as source_rank, timestamp '2026-06-01' as updated_at,"
        f" timestamp '2026-06-01' as file_modified_at, filename as path, {number}"
        f" as record_number from {source}"
        for source, number in (
            (f"read_csv('{pattern}.csv', filename = true, all_varchar = true)",
             "row_number() over ()"),
            (f"read_csv('{pattern}.csv.gz', filename = true, all_varchar = true)",
             "row_number() over ()"),
            (f"read_parquet('{pattern}.parquet', filename = true)",
             "file_row_number + 1"),
        )
    )  # fmt: skip
    on = " and ".join(f"fresh.{name} = kept.{name}" for name in KEY)
    version = ["source_rank", "updated_at", "file_modified_at", "path", "record_number"]
    newer = "({}) > ({})".format(
        ", ".join(f"fresh.{name}" for name in version),
        ", ".join(f"kept.{name}" for name in version),
    )
    con.execute("begin")
    con.execute(f"create temp table staged as {parts}")
    con.execute(f"""
create temp table winners as
select fresh.*, kept.rowid as kept_row
from (
    select * exclude (newest_first) from (
        select *, row_number() over (
            partition by {", ".join(KEY)} order by {" desc, ".join(version)} desc
        ) as newest_first from staged
    ) where newest_first = 1
) as fresh
left join int_usage_versions as kept on {on}
where kept.district_id is null or {newer}""")
    con.execute(
        "delete from int_usage_versions where rowid in"
        " (select kept_row from winners where kept_row is not null)"
    )
    con.execute(
        "insert into int_usage_versions by name"
        " select * exclude (kept_row) from winners order by usage_date"
    )
    con.execute("commit")
    con.execute("checkpoint")
    cost = {
        "merge wall": time.perf_counter() - wall,
        "merge CPU": time.process_time() - cpu,
    }
    con.close()
    return cost | {
        "file grew MB": ((folder / "bare.duckdb").stat().st_size - size) / 1e6
    }


def _state(folder: Path, peer: str) -> Path:
    return folder / f"{peer}_usage.parquet"


def polars(folder: Path, night: int) -> dict:
    """Merge, totals, bands and frames as a polars script: whole files in, whole out."""
    import polars as pl

    columns = [*KEY, "usage_minutes", "session_count"]
    types = {"usage_minutes": pl.Decimal(18, 6), "session_count": pl.Int64}

    def read(path: Path) -> pl.LazyFrame:
        one = (
            pl.scan_parquet(path)
            if path.suffix == ".parquet"
            else pl.read_csv(path, infer_schema=False).lazy()
        )
        day = pl.col("usage_date")
        if path.suffix != ".parquet":
            day = day.str.to_date()
        return one.with_columns(
            day,
            *[pl.col(name).cast(kind) for name, kind in types.items()],
            pl.lit(path.parts[-3]).alias("district_id"),
        ).select(columns)

    state = _state(folder, "polars")
    old = (
        pl.scan_parquet(state)
        if state.exists()
        else pl.concat(
            [read(p) for p in sorted(folder.glob("landing/*/app_usage/history_*"))]
        )
    )
    new = pl.concat(
        [
            read(p)
            for p in sorted(folder.glob(f"landing/*/app_usage/night_{night:03}_*"))
        ]
    )
    merged = pl.concat([old, new]).unique(subset=KEY, keep="last").collect()
    merged.write_parquet(state)
    totals = merged.group_by(KEY[:3]).agg(pl.col("usage_minutes").sum())
    students = totals.group_by(KEY[:2]).agg(pl.col("usage_minutes").sum())
    for (district,), part in totals.group_by("district_id"):
        frame = part.pivot(on="app_id", index="student_id", values="usage_minutes")
        frame.write_parquet(folder / f"polars_{district}.parquet")
    return {"rows": merged.height, "students": students.height}


def pandas(folder: Path, night: int) -> dict:
    """Do the same as a pandas script."""
    import pandas as pd

    columns = [*KEY, "usage_minutes", "session_count"]

    def read(path: Path) -> pd.DataFrame:
        one = (
            pd.read_parquet(path)
            if path.suffix == ".parquet"
            else pd.read_csv(path, dtype={"student_id": str, "app_id": str})
        )
        one["usage_date"] = pd.to_datetime(one["usage_date"])
        one["usage_minutes"] = one["usage_minutes"].astype(float)
        one["district_id"] = path.parts[-3]
        return one[columns]

    state = _state(folder, "pandas")
    old = (
        pd.read_parquet(state)
        if state.exists()
        else pd.concat(
            [read(p) for p in sorted(folder.glob("landing/*/app_usage/history_*"))]
        )
    )
    new = pd.concat(
        [
            read(p)
            for p in sorted(folder.glob(f"landing/*/app_usage/night_{night:03}_*"))
        ]
    )
    merged = pd.concat([old, new]).drop_duplicates(KEY, keep="last")
    merged.to_parquet(state)
    totals = merged.groupby(KEY[:3], as_index=False)["usage_minutes"].sum()
    students = totals.groupby(KEY[:2])["usage_minutes"].sum()
    for district, part in totals.groupby("district_id"):
        frame = part.pivot_table(
            index="student_id", columns="app_id", values="usage_minutes", fill_value=0
        )
        frame.to_parquet(folder / f"pandas_{district}.parquet")
    return {"rows": len(merged), "students": len(students)}


if __name__ == "__main__":
    part, folder, night = sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    told = {"pull": pull, "bare": bare, "polars": polars, "pandas": pandas}[part](
        folder, night
    )
    told["rss_gb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(json.dumps(told))
