"""Prediction: the latest range that is ready, of samples not predicted there yet."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from functools import singledispatch
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa

from trackline.insights.datasets import (
    Analysis,
    Tables,
    analyses,
    sample_names,
    to_csv,
)
from trackline.insights.lock import LockedError
from trackline.insights.processors import NotReadyError, Processor, words
from trackline.insights.reasons import calculations, reasons
from trackline.insights.store import PREDICTIONS, SAMPLES, Model, Store, definition
from trackline.insights.training import GENERAL_ERROR, OK, RUNS, outcome, used
from trackline.predictions.client import ServerError
from trackline.predictions.dataset import Dataset
from trackline.settings import Settings

__all__ = ["Run", "asked", "begin", "finish", "predict", "score"]

MIN_SCORE = 0.6
IGNORED_CLASS = 0
NOTHING_NEW = "No new predictions"


@singledispatch
def predict(
    con: duckdb.DuckDBPyConnection, tables: Tables, settings: Settings | None = None
) -> pa.Table:
    """Predict with every model that may.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's; trackline.cluster has Spark's half.
    tables : Tables
        Of this build.
    settings : Settings, optional

    Returns
    -------
    pyarrow.Table
        One row per model: what came of it. The predictions lie in the store.
    """
    store = Store(settings)
    rows = [_predict(store, one) for one in analyses(con, tables, "predict")]
    return pa.Table.from_pylist(rows, schema=RUNS)


def _predict(store: Store, analysis: Analysis) -> dict[str, object]:
    if analysis.rows.empty:
        return outcome(analysis.about, 0, OK, NOTHING_NEW)
    with ExitStack() as locks:
        run = begin(store, analysis.about, locks)
        return finish(run, analysis) if isinstance(run, Run) else run


@dataclass(frozen=True)
class Run:
    """A model that is locked for a prediction."""

    about: Any
    model: Model
    version: int
    processor: Processor


def begin(store: Store, about: Any, locks: ExitStack) -> Run | dict[str, object]:
    """Lock a model for a prediction; of one that cannot predict, return the outcome."""
    model = store.model(about.district_id, about.model_id)
    try:
        locks.enter_context(model.alone())
        processor = store.processor(about)
        version = model.prepare(definition(about), store.server(about.district_id))
        if not about.is_static:
            if not model.state()["is_trained"]:
                return outcome(about, 0, OK, "Not trained yet", version)
            processor.check()
        return Run(about, model, version, processor)
    except (LockedError, NotReadyError, ServerError) as error:
        return outcome(about, 0, GENERAL_ERROR, str(error))


def finish(run: Run, analysis: Analysis) -> dict[str, object]:
    """Predict, and remember of whom and what; return the outcome."""
    dataset = asked(analysis)
    if dataset is not None and not dataset.sample_ids:
        return outcome(run.about, 0, OK, NOTHING_NEW, run.version)
    # before the processor is asked: a run that ends half-way asks no more
    run.model.append("samples", SAMPLES, run.version, used(analysis, "predict"))
    status, info, kept = score(run, analysis, dataset)
    run.model.append("predictions", PREDICTIONS, run.version, kept)
    return outcome(run.about, len(analysis.rows), status, info, run.version)


def asked(analysis: Analysis) -> Dataset | None:
    """Return what the processor is asked; None of a static model: it asks nobody."""
    return None if analysis.about.is_static else analysis.dataset(labelled=False)


def score(
    run: Run, analysis: Analysis, dataset: Dataset | None
) -> tuple[int, str, pd.DataFrame]:
    """Predict; nothing is written.

    Returns
    -------
    status : int
    info : str
    kept : DataFrame
        What the model warns of: the columns of ``PREDICTIONS``, among others.
    """
    status, info = OK, ""
    if dataset is None:
        # the class is what the indicators say: nothing is learned
        rows = analysis.rows[analysis.rows.label == 1].assign(
            prediction=1, prediction_score=1.0
        )
    else:
        answer, told = run.processor.predict(run.model, run.version, to_csv(dataset))
        status, info = int(answer["status"]), words(answer)
        rows = _told(analysis.rows, told)
    rows = rows[
        (rows.prediction_score >= MIN_SCORE) & (rows.prediction != IGNORED_CLASS)
    ]
    kept = rows.assign(
        version=run.version,
        analysis_interval=analysis.about.analysis_interval,
        calculations=calculations(analysis, rows),
        reasons=reasons(analysis, rows),
        predicted_at=rows.now_at,
    )
    return status, info, kept


def _told(rows: pd.DataFrame, told: list[tuple[str, int, float]]) -> pd.DataFrame:
    """Join a processor's answers to the rows that they speak of."""
    answers = pd.DataFrame(told, columns=["name", "prediction", "prediction_score"])
    named = rows.assign(name=sample_names(rows))
    return named.reset_index().merge(answers, on="name").set_index("index")
