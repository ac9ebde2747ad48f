"""dbt on the cluster of the session, and its tables beside DuckDB's."""

from __future__ import annotations

import json
import math
import os
import signal
from collections import Counter
from datetime import datetime
from decimal import Decimal
from pathlib import Path

import duckdb

from trackline.cluster import processes

BUILT = ("--exclude-resource-type", "test", "unit_test")
# what one engine keeps for its own way of counting
LEFT_BEHIND = ("co_use_rows", "landing_rows_", "recommender_")
OWN = {"int_usage_marks", "int_superseded_usage", "int_superseded_events"}
MODELS = (
    "path:models/dailypull", "path:models/most_used", "path:models/recommendations",
    "path:models/quality",
)  # fmt: skip


class RunningCluster:
    """The cluster, and dbt on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.processes = processes.up(
            folder,
            port=0,
            settings={
                "spark.eventLog.enabled": "true",
                "spark.eventLog.dir": folder / "logs",
            },
        )
        os.environ["TRACKLINE_SPARK_REMOTE"] = self.processes.remote
        from trackline.cluster.adapter import connect

        self.session = connect()

    def empty(self) -> None:
        """Drop every table of the test before."""
        for schema in ("frames", "main"):
            self.session.sql(f"drop schema if exists {schema} cascade").collect()

    def build(self, project, *arguments: str):
        """Run `dbt build --target spark`, and expect it to succeed."""
        outcome = self.dbt(project, *arguments)
        assert outcome.success, outcome.messages
        return outcome

    def dbt(self, project, *arguments: str):
        """Run `dbt build --target spark` on the project's landing folder and seeds."""
        with project.monkeypatch.context() as patch:
            patch.setenv("DBT_TARGET_PATH", str(project.root.parent / "spark_target"))
            return project.dbt("build", "--target", "spark", *arguments)

    def rows(self, sql: str) -> list[dict]:
        """Query the cluster's tables."""
        from trackline.cluster.dialect import for_spark

        return self.session.sql(for_spark(sql)).toArrow().to_pylist()

    def tasks_by_executor(self, since: float = 0.0) -> Counter[str]:
        """Count the tasks that executors have ended well, from Spark's own log."""
        counts: Counter[str] = Counter()
        for path in (self.folder / "logs").glob("app-*"):
            for line in path.read_text().splitlines():
                event = json.loads(line)
                if event["Event"] != "SparkListenerTaskEnd":
                    continue
                task = event["Task Info"]
                if task["Finish Time"] / 1000 >= since and not task["Failed"]:
                    counts[task["Executor ID"]] += 1
        return counts

    def kill_a_worker(self) -> None:
        """Kill a worker and its executor, as a machine goes down."""
        worker = self.processes.workers[0]
        os.killpg(os.getpgid(worker), signal.SIGKILL)


def plain(value: object) -> object:
    """Return a value as both engines can give it; floats to nine digits."""
    if isinstance(value, float):
        return None if math.isnan(value) else round(value, 9)
    if isinstance(value, Decimal):
        return value.normalize() + 0
    if isinstance(value, datetime):
        return value.replace(tzinfo=None)
    return value


def ordered(rows: list[dict]) -> list[tuple]:
    """Return rows in a total order, without what two builds tell differently."""
    return sorted(
        (
            tuple(
                plain(row[name])
                for name in sorted(row)
                if name not in ("loaded_at", "merged_in")
            )
            for row in rows
        ),
        key=lambda row: [(value is not None, str(value)) for value in row],
    )


def tables_on_duckdb(project) -> dict[str, list[tuple]]:
    """Return the content of every table and frame, by name, in a total order."""
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        names = con.execute(
            "select schema_name, table_name from (select schema_name, table_name from"
            " duckdb_tables() union select schema_name, view_name from duckdb_views()"
            " where not internal) where schema_name in ('main', 'frames') order by all"
        ).fetchall()
        return {
            f"{schema}.{name}": ordered(
                con.execute(f"from {schema}.{name}").to_arrow_table().to_pylist()
            )
            for schema, name in names
            # views that dbt-duckdb's Python models leave behind are no tables of ours
            if name not in OWN and not name.startswith(LEFT_BEHIND)
        }


def differences(project, cluster: RunningCluster) -> list[str]:
    """Compare every table that the models make; one line for each that differs."""
    found = []
    present = {
        f"{schema}.{row['tableName']}"
        for schema in ("main", "frames")
        for row in cluster.rows(f"show tables in {schema}")
    }
    for name, expected in tables_on_duckdb(project).items():
        if name not in present:
            found.append(f"{name} is not there")
            continue
        got = ordered(cluster.rows(f"select * from {name}"))
        if got != expected:
            lost = [row for row in expected if row not in got][:2]
            more = [row for row in got if row not in expected][:2]
            found.append(
                f"{name}: {len(expected)} rows, on Spark {len(got)}: {lost} {more}"
            )
    return found
