"""`python -m trackline.cluster up|down`: the cluster on loopback of make spark-up."""

from __future__ import annotations

import argparse
import sys

from trackline.cluster import processes
from trackline.settings import RefusedError


def main() -> int:
    """Run one command; 0 done, 2 refused."""
    parser = argparse.ArgumentParser(prog="python -m trackline.cluster")
    parser.add_argument("command", choices=["up", "down"])
    command = parser.parse_args().command
    try:
        if command == "down":
            ended = processes.down()
            print("the cluster is down" if ended else "no cluster was running")
            return 0
        cluster = processes.up()
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2
    print(f"export TRACKLINE_SPARK_REMOTE={cluster.remote}")
    print("cd dbt_project && dbt build --target spark")
    return 0


if __name__ == "__main__":
    sys.exit(main())
