"""Publishing from a cluster: every district in a task of its own.

Spark writes what is published into one folder per district; a task opens its own
district's folder with a DuckDB in memory and does what `trackline publish` does on one
machine. The serve folder has to be one that every machine sees.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import asdict, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

import duckdb
import pyarrow as pa
from dbt_common.exceptions import DbtRuntimeError
from pyspark.errors import PySparkException
from pyspark.sql.connect.session import SparkSession

from trackline.cluster.adapter import connect
from trackline.publish import run
from trackline.publish.candidate import OPTIONAL, TABLES
from trackline.publish.versions import DistrictFolder
from trackline.publish.warehouse import (
    District,
    identifier,
    literal,
    read_districts,
    require_district_id,
)
from trackline.settings import RefusedError, Settings

__all__ = ["open_summary", "publish_all", "without_zones"]

THREADS = 4
"""Queries that Spark gets at a time."""


def open_summary() -> duckdb.DuckDBPyConnection:
    """Return `summary` of the cluster that TRACKLINE_SPARK_REMOTE names."""
    try:
        return summary(connect())
    except (DbtRuntimeError, PySparkException) as error:
        raise RefusedError(str(error).splitlines()[-1].strip()) from None


def summary(session: SparkSession) -> duckdb.DuckDBPyConnection:
    """Return what status and holds ask of a warehouse, as tables in memory.

    main.int_districts and main.dq_files are whole; main.fct_daily_usage has one row for
    each district and day, with the number of its rows.
    """
    con = duckdb.connect()
    queries = {
        "int_districts": "select * from main.int_districts",
        "dq_files": "select * from main.dq_files",
        "fct_daily_usage": "select district_id, usage_date, count(*) as row_count"
        " from main.fct_daily_usage group by district_id, usage_date",
    }
    for name, query in queries.items():
        con.register("rows_of_spark", without_zones(session.sql(query).toArrow()))
        con.execute(f"create table main.{name} as from rows_of_spark")
        con.unregister("rows_of_spark")
    return con


def without_zones(table: pa.Table) -> pa.Table:
    """Return the table with UTC times that do not say so, as DuckDB keeps them."""
    fields = [
        pa.field(field.name, pa.timestamp("us"))
        if pa.types.is_timestamp(field.type)
        else field
        for field in table.schema
    ]
    return table.cast(pa.schema(fields))


def publish_all(
    settings: Settings,
    districts: Collection[str] | None,
    approved: Mapping[str, str],
    progress: run.Progress,
) -> run.PublishReport:
    """Publish the districts: as `publish.run` does from one warehouse file."""
    session = connect()
    known = {
        (schema, row["tableName"])
        for schema in ("main", "frames")
        for row in session.sql(f"show tables in {schema}").collect()
        if not row["isTemporary"]
    }
    run.require_built(known)
    with summary(session) as con:
        chosen = run.choose(read_districts(con), districts)
        days = con.execute(
            "select district_id, usage_date, row_count from main.fct_daily_usage"
        ).fetchall()
    enabled = [district for district in chosen if district.is_enabled]
    scratch = settings.serve / f".spark-{uuid4().hex}"
    outcomes = {
        district.district_id: run.Outcome(district.district_id, "disabled")
        for district in chosen
    }
    try:
        progress(0, len(chosen), "writing each district's rows")
        schemas = _export(session, known, enabled, scratch)
        progress(0, len(chosen), "publishing")
        usage: dict[str, dict[str, int]] = {d.district_id: {} for d in enabled}
        for district_id, day, rows in days:
            if district_id in usage:
                usage[district_id][day.isoformat()] = rows
        work = _Publish(
            replace(settings, pseudonym_key=None), scratch, sorted(known), schemas
        )
        tasks = [
            (json.dumps(_task(d, usage[d.district_id], approved.get(d.district_id))),)
            for d in enabled
        ]
        if tasks:
            listed = session.createDataFrame(tasks, "task string")
            for row in (
                listed.repartition(len(tasks), "task")
                .mapInArrow(work, "outcome string")
                .collect()
            ):
                outcome = json.loads(row["outcome"])
                outcome["findings"] = tuple(outcome["findings"])
                outcomes[outcome["district_id"]] = run.Outcome(**outcome)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    progress(len(chosen), len(chosen), "")
    return run.PublishReport(
        [outcomes[district.district_id] for district in chosen],
        sorted(name for name in OPTIONAL if ("main", name) not in known),
    )


def _task(
    district: District, usage: Mapping[str, int], approved: str | None
) -> dict[str, object]:
    told = asdict(district) | {
        "as_of": district.as_of.isoformat(),
        "hold_rejected_rows": str(district.hold_rejected_rows),
        "hold_usage_drop": str(district.hold_usage_drop),
    }
    return {"district": told, "usage": dict(usage), "approved": approved}


def _export(
    session: SparkSession,
    known: set[tuple[str, str]],
    districts: list[District],
    scratch: Path,
) -> dict[str, pa.Schema]:
    """Write the published tables, cut by district, and the frames; return schemas."""
    schemas = {}

    def table(name: str) -> None:
        rows = session.sql(f"select {TABLES[name][0]} from main.{name}")
        schemas[f"main.{name}"] = without_zones(rows.limit(0).toArrow()).schema
        # the column that cuts would not be in the files
        copied = rows.selectExpr("*", "district_id as folder")
        copied.write.partitionBy("folder").parquet(str(scratch / name))

    def frame(district_id: str) -> None:
        view = f"district_{require_district_id(district_id)}"
        if ("frames", view) not in known:
            return
        rows = session.table(f"frames.{view}")
        schemas[f"frames.{view}"] = without_zones(rows.limit(0).toArrow()).schema
        # an application's name may be what no file format takes for a column's
        places = [f"c{place}" for place in range(len(rows.columns))]
        rows.toDF(*places).write.parquet(str(scratch / "frames" / view))

    work: list[Callable[[], None]] = [
        *(lambda name=name: table(name) for name in TABLES if ("main", name) in known),
        *(lambda d=d: frame(d.district_id) for d in districts),
    ]
    with ThreadPoolExecutor(THREADS) as pool:
        for done in [pool.submit(one) for one in work]:
            done.result()
    return schemas


class _Publish:
    """What a task does with its districts."""

    def __init__(
        self,
        settings: Settings,
        scratch: Path,
        known: list[tuple[str, str]],
        schemas: dict[str, pa.Schema],
    ) -> None:
        self.settings, self.scratch = settings, scratch
        self.known, self.schemas = set(known), schemas

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            told = [asdict(self._one(**json.loads(t))) for t in batch[0].to_pylist()]
            yield pa.record_batch({"outcome": [json.dumps(one) for one in told]})

    def _one(
        self, district: dict, usage: dict[str, int], approved: str | None
    ) -> run.Outcome:
        about = District(
            **district
            | {
                "as_of": date.fromisoformat(district["as_of"]),
                "hold_rejected_rows": Decimal(district["hold_rejected_rows"]),
                "hold_usage_drop": Decimal(district["hold_usage_drop"]),
            }
        )
        days = {date.fromisoformat(day): rows for day, rows in usage.items()}
        with duckdb.connect() as con:
            try:
                con.execute("set threads = 1")
                con.execute("set TimeZone = 'UTC'")
                self._open(con, about.district_id)
                outcome = run.publish_district(
                    con, self.settings, about, self.known, days, approved
                )
            except (duckdb.Error, OSError, RefusedError) as error:
                outcome = run.failed(about.district_id, error)
        with suppress(OSError, RefusedError):
            DistrictFolder(self.settings.serve, about.district_id).sweep()
        return outcome

    def _open(self, con: duckdb.DuckDBPyConnection, district_id: str) -> None:
        """Make the district's rows tables of the names that a warehouse has."""
        con.execute("create schema frames")
        for name, schema in self.schemas.items():
            group, table = name.split(".")
            if group == "frames" and table != f"district_{district_id}":
                continue
            con.register("no_rows", schema.empty_table())
            con.execute(f"create table {group}.{identifier(table)} as from no_rows")
            con.unregister("no_rows")
            folder = (
                self.scratch / "frames" / table
                if group == "frames"
                else self.scratch / table / f"folder={district_id}"
            )
            if any(folder.glob("*.parquet")):
                con.execute(
                    f"insert into {group}.{identifier(table)} select * from"
                    f" read_parquet({literal(folder / '*.parquet')},"
                    " hive_partitioning = false)"
                )
