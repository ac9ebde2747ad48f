"""The daily pull against bare SQL, pandas and polars, on the same landing files.

    python -m benchmarks.daily_pull --rows 100e6 --folder /somewhere/large --write

A history is loaded, then nights of 2M rows from 100 files in three formats, 1 % of them
corrections reaching back 35 days. Every contender runs in a process of its own; CPU
seconds and peak memory are the operating system's.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.landing_data import (
    FIRST_DAY,
    ROOT,
    write_history,
    write_night,
    write_seeds,
)

DISTRICTS, APPS, STUDENTS, DAYS = 20, 200, 1_000_000, 180


def measured(part: str, folder: Path, night: int) -> dict:
    """Run one part in a process of its own; return what it said and what it cost."""
    as_of = FIRST_DAY + timedelta(days=DAYS + max(night, 0) + 1)
    environment = os.environ | {
        "TRACKLINE_LANDING": str(folder / "landing"),
        "TRACKLINE_SEEDS": str(folder / "seeds"),
        "TRACKLINE_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "TRACKLINE_MODELS": str(folder / "models"),
        "TRACKLINE_AS_OF": as_of.isoformat(),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
    }
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.daily_pull_parts", part, str(folder),
         str(night)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )  # fmt: skip
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise SystemExit(f"{part} failed:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return told | {
        "wall": time.perf_counter() - started,
        "cpu": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
    }


def merged(folder: Path) -> tuple[int, int]:
    """Return the rows of use and the students in the warehouse."""
    with duckdb.connect(str(folder / "warehouse.duckdb"), read_only=True) as con:
        return con.execute(
            "select (select count(*) from fct_daily_usage),"
            " (select count(*) from dim_students)"
        ).fetchone()


def main() -> None:
    """Make the data, run every part, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=20e6)
    parser.add_argument("--night-rows", type=float, default=2e6)
    parser.add_argument("--nights", type=int, default=3)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--peers", action="store_true", help="pandas and polars too")
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    rows, folder = int(options.rows), options.folder
    shutil.rmtree(folder, ignore_errors=True)
    ids = [f"d{number:03}" for number in range(DISTRICTS)]
    write_seeds(folder / "seeds", ids, APPS)
    write_history(
        folder / "landing", rows, students=STUDENTS, apps=APPS, districts=DISTRICTS,
        days=DAYS,
    )  # fmt: skip
    lines = []

    def tell(name: str, cost: dict) -> None:
        extra = ", ".join(
            f"{key} {value:.1f}" if isinstance(value, float) else f"{key} {value}"
            for key, value in cost.items()
            if key not in ("wall", "cpu", "rss_gb")
        )
        lines.append(
            f"| {name} | {cost['wall']:.1f} | {cost['cpu']:.1f} | {cost['rss_gb']:.2f}"
            f" | {extra} |"
        )
        print(lines[-1], flush=True)

    tell("first load, daily pull", measured("pull", folder, -1))
    for night in range(options.nights):
        write_night(
            folder / "landing", night, FIRST_DAY + timedelta(days=DAYS + night),
            int(options.night_rows), students=STUDENTS, apps=APPS, districts=DISTRICTS,
        )  # fmt: skip
        shutil.copy(folder / "warehouse.duckdb", folder / "bare.duckdb")
        tell(f"night {night + 1}, bare SQL", measured("bare", folder, night))
        tell(f"night {night + 1}, daily pull", measured("pull", folder, night))
        if options.peers:
            for peer in ("polars", "pandas"):
                cost = measured(peer, folder, night)
                tell(f"night {night + 1}, {peer} script", cost)
                if (cost["rows"], cost["students"]) != merged(folder):
                    raise SystemExit(f"results differ: {merged(folder)}")
    tell("a night without files", measured("pull", folder, options.nights - 1))
    if options.write:
        write_table(rows, int(options.night_rows), lines)


def write_table(rows: int, night_rows: int, lines: list[str]) -> None:
    """Put the figures into docs/benchmarks.md, under a heading of their size."""
    path = ROOT / "docs" / "benchmarks.md"
    size = f"{rows / 1e6:.0f}M rows and nights of {night_rows / 1e6:.1f}M"
    heading = f"## The daily pull, {size}"
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    section = "\n".join(
        [
            heading,
            "",
            f"{os.cpu_count()} cores, {memory:.0f} GiB, {platform.system()}; "
            "`python -m benchmarks.daily_pull`. Wall and CPU in seconds, peak memory in"
            " GB. `merge` is the staging and the merge of usage; bare SQL does the same"
            " work without rules, rejects or a ledger.",
            "",
            "| | wall | CPU | memory | |",
            "|-|-|-|-|-|",
            *lines,
            "",
        ]
    )
    text = path.read_text() if path.exists() else "# Measured\n\n"
    title = heading.removeprefix("## ")
    kept = [part for part in text.split("\n## ") if not part.startswith(title)]
    path.write_text("\n## ".join(kept).rstrip() + "\n\n" + section)


if __name__ == "__main__":
    main()
