"""What Dagster costs: `daily` against `dbt build` and publish alone, on the demo.

python -m benchmarks.orchestration [--runs 3] [--output docs/benchmarks-dagster.md]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from tests.orchestration.services import ROOT, Services, running

LOAD = """
import time
import dbt.cli.main
began = time.perf_counter(), time.process_time()
import dagster, dagster_dbt
imported = time.perf_counter(), time.process_time()
from orchestration.definitions import defs
defs.get_repository_def()
loaded = time.perf_counter(), time.process_time()
for start, end in ((began, imported), (imported, loaded)):
    print(end[0] - start[0], end[1] - start[1])
"""


def plain(services: Services) -> tuple[float, float]:
    """Return the seconds of a build and of a publication, as processes of their own."""
    began = time.perf_counter()
    services.command("dbt", "build", "--quiet", cwd=ROOT / "dbt_project")
    built = time.perf_counter()
    services.command("trackline", "publish")
    return built - began, time.perf_counter() - built


def by_dagster(services: Services) -> tuple[float, float, float]:
    """Return seconds from launch to end, of the run, and of its steps together."""
    began = time.perf_counter()
    run = services.succeed(services.launch("daily"), 900)
    steps = sum(step["endTime"] - step["startTime"] for step in run["stepStats"])
    return time.perf_counter() - began, run["endTime"] - run["startTime"], steps


def loading(services: Services) -> list[list[float]]:
    """Return (wall, CPU) seconds of importing Dagster and of the definitions."""
    done = subprocess.run(
        [sys.executable, "-c", LOAD],
        cwd=ROOT,
        env=services.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return [
        [float(number) for number in line.split()]
        for line in done.stdout.splitlines()[-2:]
    ]


def main() -> None:
    """Measure, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        # the landing sensor must not start a run of its own
        environment = {"TRACKLINE_SENSOR_SECONDS": "3600"}
        services = Services(Path(folder) / "clone", environment)
        services.prepare()
        services.command("trackline", "demo")
        plain(
            services
        )  # the first build loads the demo; every later one is a quiet night
        alone = [plain(services) for _ in range(options.runs)]
        loads = [loading(services) for _ in range(options.runs)]
        with running(services):
            by_dagster(services)
            nights = [by_dagster(services) for _ in range(options.runs)]
    page = report(alone, nights, loads, options.runs)
    print(page)
    if options.output:
        options.output.write_text(page)


def report(
    alone: list[tuple[float, float]],
    nights: list[tuple[float, float, float]],
    loads: list[list[list[float]]],
    runs: int,
) -> str:
    """Return the page in Markdown."""

    def middle(rows: list, *place: int) -> float:
        values = []
        for row in rows:
            for index in place:
                row = row[index]
            values.append(row)
        return median(values)

    build, publish = middle(alone, 0), middle(alone, 1)
    wall = [middle(loads, part, 0) for part in (0, 1)]
    cpu = [middle(loads, part, 1) for part in (0, 1)]
    total, run, steps = (middle(nights, n) for n in range(3))
    return f"""# Dagster's own cost

`python -m benchmarks.orchestration --output docs/benchmarks-dagster.md`: the demo
(3 districts, 60 files), a night without new files, median of {runs}, {os.cpu_count()}
cores, load average of the last five minutes {os.getloadavg()[1]:.1f}.

| | wall s |
|-|-|
| `dbt build` alone, one process | {build:.1f} |
| publish alone, one process | {publish:.1f} |
| **both** | **{build + publish:.1f}** |
| `daily`: its steps together | {steps:.1f} |
| `daily`: the run, from its process's first event to its last | {run:.1f} |
| **`daily`: from launch to success** | **{total:.1f}** |
| Dagster's cost | {total - build - publish:.1f} |

A process of the cycle is a dbt run of its own, so that it can be retried and limited
alone: each costs dbt's start (about 4 s without other load).

| loading the definitions | wall s | CPU s |
|-|-|-|
| Dagster's own import, after dbt's | {wall[0]:.2f} | {cpu[0]:.2f} |
| the definitions | {wall[1]:.2f} | {cpu[1]:.2f} |
"""


if __name__ == "__main__":
    main()
