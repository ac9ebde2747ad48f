"""A night without Trackline: the same tables by a pandas and a polars script.

    python -m benchmarks.scale_peers polars FOLDER NIGHT

Each keeps the year's rows in a Parquet file: a night reads it, takes the newest row of
each key, and makes the totals, the rankings and the frames. Recommendations, rejects,
a ledger and types of students are not among what they do.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

KEY = ["district_id", "student_id", "app_id", "usage_date"]
PAIR = KEY[:3]
TOP = 5


def files_of(folder: Path, night: int) -> list[Path]:
    """Return the night's files; of night -1 those of the history."""
    name = "history_*.parquet" if night < 0 else f"night_{night:03}.csv"
    return sorted((folder / "landing").glob(f"*/app_usage/{name}"))


def polars(folder: Path, night: int) -> dict:
    """Do the night with polars."""
    import polars as pl

    def read(path: Path) -> pl.LazyFrame:
        frame = (
            pl.scan_parquet(path)
            if path.suffix == ".parquet"
            else pl.scan_csv(
                path, schema_overrides={"student_id": pl.String}, try_parse_dates=True
            )
        )
        return frame.select(
            pl.lit(path.parent.parent.name).alias("district_id"),
            "student_id",
            "app_id",
            pl.col("usage_date").cast(pl.Date),
            pl.col("usage_minutes").cast(pl.Decimal(18, 6)),
            pl.col("session_count").cast(pl.Int64),
            pl.lit(night).alias("version"),
        )

    state = folder / "polars.parquet"
    parts = [pl.scan_parquet(state)] if night >= 0 else []
    rows = pl.concat([*parts, *map(read, files_of(folder, night))])
    rows = rows.sort("version").unique(KEY, keep="last").collect()
    rows.write_parquet(folder / "polars.next.parquet")
    (folder / "polars.next.parquet").replace(state)
    totals = rows.group_by(PAIR).agg(
        pl.col("usage_minutes").sum(),
        pl.col("session_count").sum(),
        pl.len().alias("days"),
    )
    order = [("usage_minutes", True), ("session_count", True), ("app_id", False)]
    by, descending = [name for name, _ in order], [down for _, down in order]
    top = totals.sort(by, descending=descending).group_by(PAIR[:2], maintain_order=True)
    top = top.head(TOP)
    apps = totals.group_by("district_id", "app_id").agg(
        pl.col("usage_minutes").sum(), pl.col("session_count").sum()
    )
    ranked = apps.sort(by, descending=descending)
    ranked = ranked.group_by("district_id", maintain_order=True).head(TOP)
    frames = folder / "polars_frames"
    frames.mkdir(exist_ok=True)
    for (district_id,), own in totals.partition_by("district_id", as_dict=True).items():
        own.pivot("app_id", index="student_id", values="usage_minutes").write_parquet(
            frames / f"{district_id}.parquet"
        )
    minutes = totals["usage_minutes"].sum()
    return result(
        len(rows), minutes, len(top), ranked.select("district_id", "app_id").rows()
    )


def pandas(folder: Path, night: int) -> dict:
    """Do the night with pandas."""
    import pandas as pd

    def read(path: Path) -> pd.DataFrame:
        frame = (
            pd.read_parquet(path)
            if path.suffix == ".parquet"
            else pd.read_csv(
                path, dtype={"student_id": "string"}, parse_dates=["usage_date"]
            )
        )
        frame["district_id"] = path.parent.parent.name
        frame["usage_date"] = pd.to_datetime(frame["usage_date"])
        # whole millionths: sums are exact
        frame["usage_minutes"] = (
            (frame["usage_minutes"].astype(float) * 1e6).round().astype("int64")
        )
        frame["version"] = night
        return frame

    state = folder / "pandas.parquet"
    parts = [pd.read_parquet(state)] if night >= 0 else []
    rows = pd.concat([*parts, *map(read, files_of(folder, night))], ignore_index=True)
    for name in PAIR:
        rows[name] = rows[name].astype("category")
    rows = rows.sort_values("version", kind="stable").drop_duplicates(KEY, keep="last")
    rows.to_parquet(folder / "pandas.next.parquet", index=False)
    (folder / "pandas.next.parquet").replace(state)
    totals = rows.groupby(PAIR, observed=True, as_index=False).agg(
        usage_minutes=("usage_minutes", "sum"),
        session_count=("session_count", "sum"),
        days=("usage_date", "size"),
    )
    by, ascending = ["usage_minutes", "session_count", "app_id"], [False, False, True]
    totals["app_id"] = totals["app_id"].astype(str)
    top = totals.sort_values(by, ascending=ascending)
    top = top.groupby(PAIR[:2], observed=True).head(TOP)
    apps = totals.groupby(["district_id", "app_id"], observed=True, as_index=False)[
        ["usage_minutes", "session_count"]
    ].sum()
    ranked = apps.sort_values(["district_id", *by], ascending=[True, *ascending])
    ranked = ranked.groupby("district_id", observed=True).head(TOP)
    frames = folder / "pandas_frames"
    frames.mkdir(exist_ok=True)
    for district_id, own in totals.groupby("district_id", observed=True):
        own.pivot(index="student_id", columns="app_id", values="usage_minutes").fillna(
            0
        ).to_parquet(frames / f"{district_id}.parquet")
    pairs = list(ranked[["district_id", "app_id"]].itertuples(index=False, name=None))
    return result(len(rows), totals["usage_minutes"].sum() / 1e6, len(top), pairs)


def result(rows: int, minutes: float, top: int, ranked: list[tuple]) -> dict:
    """Return what has to be equal: told with every run."""
    import hashlib

    digest = hashlib.sha256(json.dumps(sorted(map(list, ranked))).encode()).hexdigest()
    return {
        "rows": int(rows),
        "minutes": round(float(minutes), 3),
        "top": int(top),
        "ranked": digest[:12],
    }


def trackline(folder: Path, night: int) -> dict:
    """Tell the same of Trackline's warehouse."""
    import duckdb

    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as con:
        rows, minutes = con.execute(
            "select count(*), sum(usage_minutes) from fct_daily_usage"
        ).fetchone()
        (top,) = con.execute(
            "select count(*) from rpt_most_used_by_student where basis = 'overall'"
        ).fetchone()
        ranked = con.execute(
            "select district_id, app_id from rpt_most_used_by_district"
            " where scope = 'district'"
        ).fetchall()
    return result(rows, minutes, top, ranked)


if __name__ == "__main__":
    work = {"polars": polars, "pandas": pandas, "trackline": trackline}[sys.argv[1]]
    print(json.dumps(work(Path(sys.argv[2]), int(sys.argv[3]))))
