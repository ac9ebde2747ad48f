"""Run dbt in this process and tell what every node cost: CPU and wall seconds."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass
class NodeCost:
    """What one node cost."""

    name: str
    wall_seconds: float
    cpu_seconds: float


def run(*arguments: str) -> list[NodeCost]:
    """Invoke dbt; nodes run one after the other, so that CPU can be told apart.

    Raises
    ------
    RuntimeError
        If the invocation fails.
    """
    from dbt.cli.main import dbtRunner

    started: dict[str, tuple[float, float]] = {}
    costs: list[NodeCost] = []

    def watch(event) -> None:
        if event.info.name not in ("NodeStart", "NodeFinished"):
            return
        name = event.data.node_info.node_name
        now = (time.perf_counter(), time.process_time())
        if event.info.name == "NodeStart":
            started[name] = now
        elif name in started:
            wall, cpu = started.pop(name)
            costs.append(NodeCost(name, now[0] - wall, now[1] - cpu))

    os.chdir(ROOT / "dbt_project")
    result = dbtRunner(callbacks=[watch]).invoke(
        ["--quiet", "--no-write-json", *arguments]
    )
    if not result.success:
        messages = [
            node.message for node in (result.result or []) if node.status == "error"
        ]
        raise RuntimeError(f"dbt failed: {result.exception or messages}")
    return costs


if __name__ == "__main__":
    import resource
    import sys

    total = time.process_time()
    for cost in run(*(sys.argv[1:] or ["build"])):
        if cost.cpu_seconds > 0.2:
            print(f"{cost.name:40} {cost.wall_seconds:8.2f} {cost.cpu_seconds:8.2f}")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    print(f"{'whole process':40} {time.process_time() - total:17.2f} cpu {peak:.2f} GB")
