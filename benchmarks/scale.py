"""How far one machine goes, and what a cluster gives: every table, history and nights.

    python -m benchmarks.scale --rows 100e6 --folder /somewhere/large --peers --write

A first build of a consortium's school year, then nights of new days and corrections,
each in a process of its own: wall, CPU and peak memory of that process; with --target
spark the CPU of the cluster's processes too.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from benchmarks.landing_data import ROOT, write_seeds
from benchmarks.scale_data import (
    SCHOOL_DAYS,
    Consortium,
    school_day,
    write_history,
    write_night,
)

TICKS = os.sysconf("SC_CLK_TCK")
BUILD = (
    sys.executable, "-m", "dbt.cli.main", "--quiet", "--no-write-json", "build",
    "--exclude-resource-type", "test", "unit_test", "--exclude", "path:models/insights",
)  # fmt: skip


def cpu_seconds(processes: Iterable[int]) -> float:
    """Add up the CPU that processes and the children they have ended have used."""
    total = 0
    for process in processes:
        try:
            fields = (
                Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            )
        except FileNotFoundError:
            continue
        total += sum(int(ticks) for ticks in fields[11:15])
    return total / TICKS


def cluster_processes(target: str) -> list[int]:
    """Return the process ids of the cluster on loopback, with their children."""
    if target != "spark":
        return []
    from trackline.cluster.processes import running

    cluster = running()
    if cluster is None:
        raise SystemExit("no cluster runs here: make spark-up")
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            stat = (folder / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        parents[int(folder.name)] = int(stat[1])
    found = set(cluster.processes)
    while more := {p for p, parent in parents.items() if parent in found} - found:
        found |= more
    return sorted(found)


def measured(command: Iterable[str], folder: Path, night: int, target: str) -> dict:
    """Run a command in a process of its own; return what it cost and said."""
    environment = os.environ | {
        "TRACKLINE_LANDING": str(folder / "landing"),
        "TRACKLINE_SEEDS": str(folder / "seeds"),
        "TRACKLINE_WAREHOUSE": str(folder / "warehouse.duckdb"),
        "TRACKLINE_MODELS": str(folder / "models"),
        "TRACKLINE_SERVE": str(folder / "serve"),
        "TRACKLINE_DBT_TARGET": target,
        "TRACKLINE_AS_OF": school_day(SCHOOL_DAYS + max(night, 0)).isoformat(),
        "DBT_TARGET_PATH": str(folder / "target"),
        "DBT_LOG_PATH": str(folder / "logs"),
        "PYTHONPATH": str(ROOT),
    }
    beside = cpu_seconds(cluster_processes(target))
    started = time.perf_counter()
    with open(folder / "said.txt", "w+") as said:
        process = subprocess.Popen(
            [*command], cwd=ROOT / "dbt_project", env=environment, stdout=said,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        _, status, usage = os.wait4(process.pid, 0)
        said.seek(0)
        text = said.read()
    # 1: publish has held a district, which is no failure of the run
    if os.waitstatus_to_exitcode(status) not in (0, 1) or "Error" in text:
        raise SystemExit(f"{' '.join(command)} failed:\n{text[-3000:]}")
    beside = cpu_seconds(cluster_processes(target)) - beside
    return {
        "wall": time.perf_counter() - started,
        "cpu": usage.ru_utime + usage.ru_stime + beside,
        "memory": usage.ru_maxrss / 2**20,
        "said": text,
    }


def disk_gb(path: Path) -> float:
    """Return the size of a file, or of what is in a folder."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e9


def main() -> None:
    """Make the data, run every part, print and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=float, default=20e6)
    parser.add_argument("--students", type=float, default=1e6)
    parser.add_argument("--apps", type=int, default=500)
    parser.add_argument("--districts", type=int, default=100)
    parser.add_argument("--nights", type=int, default=2)
    parser.add_argument("--night-rows", type=float, default=2e6)
    parser.add_argument("--target", choices=["dev", "spark"], default="dev")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--peers", action="store_true", help="pandas and polars too")
    parser.add_argument("--write", action="store_true", help="into docs/scale.md")
    options = parser.parse_args()
    folder, target = options.folder, options.target
    size = Consortium(
        int(options.rows), int(options.students), options.apps, options.districts
    )
    shutil.rmtree(folder, ignore_errors=True)
    write_seeds(folder / "seeds", size.district_ids(), size.apps, "30")
    write_history(folder / "landing", size)
    lines: list[str] = []

    def tell(name: str, cost: dict, more: str = "") -> None:
        lines.append(
            f"| {name} | {cost['wall']:.1f} | {cost['cpu']:.1f} |"
            f" {cost['memory']:.2f} | {more} |"
        )
        print(lines[-1], flush=True)

    def everything(name: str, night: int) -> None:
        cost = measured(BUILD, folder, night, target)
        tables = folder / "warehouse.duckdb"
        if target == "spark":
            tables = ROOT / "data" / "spark" / "warehouse"
        tell(f"{name}, every table", cost, f"{disk_gb(tables):.2f} GB on disk")
        trackline = (sys.executable, "-m", "trackline", "publish")
        tell(f"{name}, publish", measured(trackline, folder, night, target))
        if options.peers and target == "dev":
            compare(name, night)

    def compare(name: str, night: int) -> None:
        told = {}
        for peer in ("trackline", "polars", "pandas"):
            command = (sys.executable, "-m", "benchmarks.scale_peers", peer)
            cost = measured((*command, str(folder), str(night)), folder, night, target)
            told[peer] = json.loads(cost["said"].splitlines()[-1])
            if peer != "trackline":
                tell(f"{name}, {peer} script", cost)
        if len({json.dumps(one, sort_keys=True) for one in told.values()}) > 1:
            raise SystemExit(f"results differ: {told}")

    everything("first build", -1)
    for night in range(options.nights):
        write_night(folder / "landing", size, night, int(options.night_rows))
        everything(f"night {night + 1}", night)
    tell("a night without files", measured(BUILD, folder, options.nights - 1, target))
    if options.write:
        write_table(size, int(options.night_rows), target, lines)


def write_table(
    size: Consortium, night_rows: int, target: str, lines: list[str]
) -> None:
    """Put the figures into docs/scale.md, under a heading of their size."""
    path = ROOT / "docs" / "scale.md"
    where = "one machine" if target == "dev" else "the cluster on loopback"
    heading = (
        f"## Measured on {where}: {size.rows / 1e6:g}M rows,"
        f" {size.students / 1e6:g}M students, {size.apps} apps,"
        f" {size.districts} districts, nights of {night_rows / 1e6:g}M"
    )
    table = ["| | wall s | CPU s | GB | |", "|-|-|-|-|-|", *lines]
    parts = path.read_text().split("\n## ")
    kept = [part for part in parts if not part.startswith(heading.removeprefix("## "))]
    section = heading.removeprefix("## ") + "\n\n" + "\n".join(table) + "\n"
    path.write_text("\n## ".join([*kept, section]))


if __name__ == "__main__":
    main()
