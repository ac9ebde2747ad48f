"""Learning analytics on a cluster: indicators and scores in tasks, the store outside.

A model's folder has one writer: the driver holds the models' locks, trains, and
remembers what was used and predicted. Tasks only read, so that a task that others
repeat changes nothing.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from pyspark.sql.connect import functions
from pyspark.sql.connect.column import Column
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.session import SparkSession
from pyspark.sql.types import Row

from trackline.cluster.types import as_dataframe, spark_schema
from trackline.insights.datasets import (
    ABOUT,
    KEYS,
    Analysis,
    Catalog,
    Tables,
    indicators_of,
)
from trackline.insights.predicting import NOTHING_NEW, Run, asked, begin, finish, score
from trackline.insights.processors import InProcess
from trackline.insights.store import PREDICTIONS, SAMPLES, Store, owned
from trackline.insights.training import OK, RUNS, outcome, used
from trackline.settings import Settings

__all__ = ["analyses", "predict", "stored_predictions", "used_samples"]

ONE = ("district_id", "model_id", "analysis_interval")
BATCH_ROWS = 50_000
"""Samples of a task, about: an analysable's stay together, for their means."""

SCORED = pa.schema(
    [
        *((name, pa.string()) for name in ONE),
        ("count", pa.int64()),
        ("status", pa.int64()),
        ("info", pa.string()),
        ("samples", pa.binary()),
        ("predictions", pa.binary()),
    ]
)
"""What a task tells: of whom it was asked and what it predicted as Parquet files."""


def analyses(session: SparkSession, tables: Tables, purpose: str) -> Iterator[Analysis]:
    """Give the analyses of a purpose: the driver holds the samples of one model."""
    catalog, counts = _catalog(tables), _counts(tables, purpose)
    abouts = list(catalog.of_purpose(purpose))
    if not abouts:
        return
    wide = _wide(tables, abouts, purpose).persist()
    try:
        nobody = wide.limit(0).toArrow()
        for about in abouts:
            # a model without samples costs no query
            rows = wide.where(_is(about)).toArrow() if _key(about) in counts else nobody
            yield catalog.analysis(about, _frame(rows, about))
    finally:
        wide.unpersist()


def predict(
    session: SparkSession, tables: Tables, settings: Settings | None = None
) -> pa.Table:
    """Predict with every model that may: `insights.predicting.predict`.

    Models of the learner in this process are scored in tasks; a prediction server is
    asked by the driver, which alone needs its password.
    """
    store, catalog = Store(settings), _catalog(tables)
    counts = _counts(tables, "predict")
    abouts = list(catalog.of_purpose("predict"))
    wide = _wide(tables, abouts, "predict")
    outcomes: dict[tuple[str, ...], dict[str, object]] = {}
    runs: dict[tuple[str, ...], Run] = {}
    with ExitStack() as locks:
        for about in abouts:
            key = _key(about)
            if key not in counts:
                outcomes[key] = outcome(about, 0, OK, NOTHING_NEW)
                continue
            run = begin(store, about, locks)
            if not isinstance(run, Run):
                outcomes[key] = run
            elif isinstance(run.processor, InProcess):
                runs[key] = run
            else:
                rows = _frame(wide.where(_is(about)).toArrow(), about)
                outcomes[key] = finish(run, catalog.analysis(about, rows))
        if runs:
            batches = [(*key, math.ceil(counts[key] / BATCH_ROWS)) for key in runs]
            scored = _scored(session, wide, batches, _task(runs, catalog))
            outcomes |= _remembered(runs, scored)
    rows = [outcomes[key] for key in sorted(outcomes)]
    return pa.Table.from_pylist(rows, schema=RUNS)


def _scored(
    session: SparkSession,
    wide: DataFrame,
    batches: list[tuple],
    task: Callable[[pa.Table], pa.Table],
) -> DataFrame:
    fields = ", ".join(f"{name} string" for name in ONE)
    batches_of = session.createDataFrame(batches, f"{fields}, batches int")
    cut = wide.join(functions.broadcast(batches_of), list(ONE)).withColumn(
        "batch", functions.expr("pmod(xxhash64(analysable_id), batches)")
    )
    return cut.groupBy(*ONE, "batch").applyInArrow(task, spark_schema(SCORED))


def _task(
    runs: dict[tuple[str, ...], Run], catalog: Catalog
) -> Callable[[pa.Table], pa.Table]:
    # Spark tells what it has to give a function by its type hints
    def task(rows: pa.Table) -> pa.Table:
        key = tuple(rows.column(name)[0].as_py() for name in ONE)
        run = runs[key]
        analysis = catalog.analysis(run.about, _frame(rows, run.about))
        dataset = asked(analysis)
        if dataset is not None and not dataset.sample_ids:
            return SCORED.empty_table()
        status, info, kept = score(run, analysis, dataset)
        told = (
            *key, len(analysis.rows), status, info,
            _packed(used(analysis, "predict"), SAMPLES), _packed(kept, PREDICTIONS),
        )  # fmt: skip
        return pa.table([[value] for value in told], schema=SCORED)

    return task


def _packed(rows: pd.DataFrame, schema: pa.Schema) -> bytes:
    file = io.BytesIO()
    table = pa.Table.from_pandas(rows[schema.names], schema, preserve_index=False)
    pq.write_table(table, file)
    return file.getvalue()


def _remembered(
    runs: dict[tuple[str, ...], Run], scored: DataFrame
) -> dict[tuple[str, ...], dict[str, object]]:
    """Put into the store what the tasks have told; return the outcomes."""
    told: dict[tuple[str, ...], list[Row]] = {key: [] for key in runs}
    for row in scored.toLocalIterator():
        told[tuple(row[name] for name in ONE)].append(row)
    outcomes = {}
    for key, run in runs.items():
        for name, schema in (("samples", SAMPLES), ("predictions", PREDICTIONS)):
            parts = [pq.read_table(io.BytesIO(row[name])) for row in told[key]]
            # a file is written anew for whatever is added to it: so only once
            rows = pa.concat_tables([schema.empty_table(), *parts]).to_pandas()
            run.model.append(name, schema, run.version, rows)
        summed = [(row["count"], row["status"], row["info"]) for row in told[key]]
        counts, statuses, infos = zip(*(summed or [(0, OK, NOTHING_NEW)]), strict=True)
        outcomes[key] = outcome(
            run.about, sum(counts), max(statuses), max(infos), run.version
        )
    return outcomes


def used_samples(
    session: SparkSession, analyses: DataFrame, settings: Settings | None = None
) -> DataFrame:
    """List the samples that models have used: `insights.store.used_samples`."""
    store = Store(settings)
    store.renew(analyses.toArrow().to_pandas())
    return _stored(session, store, "samples", SAMPLES)


def stored_predictions(
    session: SparkSession, settings: Settings | None = None
) -> DataFrame:
    """Return every prediction of the models' newest versions."""
    return _stored(session, Store(settings), "predictions", PREDICTIONS)


def _stored(
    session: SparkSession, store: Store, name: str, schema: pa.Schema
) -> DataFrame:
    """Read a table of every model's files, a task a model."""
    models = [model for model in store.models() if model.version]
    kept = owned(schema)

    def read(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for place in batch.column(0).to_pylist():
                yield from models[place].own_rows(name, schema).to_batches()

    places = pa.table({"place": pa.array(range(len(models)), pa.int64())})
    listed = as_dataframe(session, places).repartition(max(len(models), 1), "place")
    return listed.mapInArrow(read, spark_schema(kept))


def _catalog(tables: Tables) -> Catalog:
    small = (tables.analyses, tables.indicators, tables.targets)
    return Catalog(*(table.toArrow().to_pandas() for table in small))


def _counts(tables: Tables, purpose: str) -> dict[tuple[str, ...], int]:
    """Count the samples of every analysis that has any."""
    rows = tables.samples.where(functions.col("purpose") == purpose)
    counted = rows.groupBy(*ONE).agg(functions.count("*").alias("samples"))
    return {_key(row): row["samples"] for row in counted.collect()}


def _wide(tables: Tables, abouts: list, purpose: str) -> DataFrame:
    """Return a purpose's samples with label and a column per indicator of any model."""
    of_purpose = functions.col("purpose") == purpose
    keys = [*ONE, *KEYS]
    every = (indicators_of(about) for about in abouts)
    names = list(dict.fromkeys(name for names in every for name in names))
    values = tables.indicator_values.where(of_purpose).groupBy(*keys)
    labels = tables.target_values.where(of_purpose)
    return (
        tables.samples.where(of_purpose)
        .select(*keys, *ABOUT)
        .join(
            values.pivot("indicator", names).agg(
                functions.max("value").cast("float"),
            ),
            keys,
            "left",
        )
        .join(labels.select(*keys, functions.col("value").alias("label")), keys, "left")
    )


def _frame(rows: pa.Table, about: Any) -> pd.DataFrame:
    """Return an analysis' rows as DuckDB gives them to the same code."""
    import duckdb

    columns = ", ".join((*KEYS, *ABOUT, *indicators_of(about), "label"))
    with duckdb.connect() as con:
        con.execute("set threads = 1")
        con.register("rows_of_model", rows)
        return con.sql(
            f"select {columns} from rows_of_model order by {', '.join(KEYS)}"
        ).df()


def _key(one: Any) -> tuple[str, ...]:
    return tuple(getattr(one, name) for name in ONE)


def _is(about: Any) -> Column:
    conditions = [functions.col(name) == getattr(about, name) for name in ONE]
    return conditions[0] & conditions[1] & conditions[2]
