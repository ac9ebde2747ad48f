"""dbt on the cluster of the session, and its tables beside DuckDB's."""

from __future__ import annotations

import json
import math
import os
import signal
from collections import Counter
from pathlib import Path

import duckdb
import pyarrow as pa

from trackline.cluster import processes

BUILT = ("--exclude-resource-type", "test", "unit_test")
# what one engine keeps for its own way of counting
OWN = {"int_usage_marks", "int_superseded_usage", "int_superseded_events"}


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
                "spark.eventLog.rolling.enabled": "false",
                "spark.eventLog.compress": "false",
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
            # what a model has learned is the engine's own
            patch.setenv("TRACKLINE_MODELS", str(project.root / "models-spark"))
            return project.dbt("build", "--target", "spark", *arguments)

    def arrow(self, sql: str) -> pa.Table:
        """Query the cluster's tables."""
        from trackline.cluster.publishing import without_zones

        return without_zones(self.session.sql(sql).toArrow())

    def rows(self, sql: str) -> list[dict]:
        """Query the cluster's tables."""
        return self.arrow(sql).to_pylist()

    def tasks_by_executor(
        self, since: float = 0.0, until: float = math.inf
    ) -> Counter[str]:
        """Count the tasks that executors have ended well, from Spark's own log."""
        counts: Counter[str] = Counter()
        for path in (self.folder / "logs").glob("app-*"):
            for line in path.read_text().splitlines():
                event = json.loads(line)
                if event["Event"] != "SparkListenerTaskEnd":
                    continue
                task = event["Task Info"]
                if since <= task["Finish Time"] / 1000 < until and not task["Failed"]:
                    counts[task["Executor ID"]] += 1
        return counts

    def kill_a_worker(self) -> None:
        """Kill a worker and its executor, as a machine goes down."""
        worker = self.processes.workers[0]
        os.killpg(os.getpgid(worker), signal.SIGKILL)


def differences(project, cluster: RunningCluster) -> list[str]:
    """Compare every table and frame; one line for each that differs.

    Floats are equal to nine digits; when a file was loaded, and in which merge, two
    builds tell differently.
    """
    found = []
    present = {
        f"{schema}.{row['tableName']}"
        for schema in ("main", "frames")
        for row in cluster.rows(f"show tables in {schema}")
    }
    with duckdb.connect(str(project.warehouse), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        names = con.execute(
            "select schema_name, table_name from (select schema_name, table_name from"
            " duckdb_tables() union select schema_name, view_name from duckdb_views()"
            " where not internal) where schema_name in ('main', 'frames') order by all"
        ).fetchall()
        for schema, table in names:
            name = f"{schema}.{table}"
            if table in OWN:
                continue
            if name not in present:
                found.append(f"{name} is not there")
                continue
            con.register("on_spark", cluster.arrow(f"select * from {name}"))
            columns = ", ".join(
                f"round({quoted(column)}, 9)" if kind == "DOUBLE" else quoted(column)
                for column, kind, *_ in con.execute(f"describe {name}").fetchall()
                if column not in ("loaded_at", "merged_in")
            )
            here, there = (
                f"select {columns} from {name}",
                f"select {columns} from on_spark",
            )
            lost = con.execute(f"{here} except all {there}").fetchall()
            more = con.execute(f"{there} except all {here}").fetchall()
            if lost or more:
                found.append(
                    f"{name}: {len(lost)} rows lost, {len(more)} only on Spark:"
                    f" {lost[:2]} {more[:2]}"
                )
    return found


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
