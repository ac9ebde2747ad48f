"""Prediction: the latest range that is ready, of samples not predicted there yet."""

from __future__ import annotations

import pandas as pd
import pyarrow as pa

from trackline.insights.datasets import (
    Analysis,
    Tables,
    analyses,
    sample_names,
    to_csv,
)
from trackline.insights.lock import LockedError, lock
from trackline.insights.processors import NotReadyError, words
from trackline.insights.reasons import calculations, reasons
from trackline.insights.store import PREDICTIONS, SAMPLES, Store, definition
from trackline.insights.training import GENERAL_ERROR, OK, RUNS, outcome, used
from trackline.predictions.client import ServerError
from trackline.settings import Settings

__all__ = ["predict"]

MIN_SCORE = 0.6
IGNORED_CLASS = 0


def predict(tables: Tables, settings: Settings | None = None) -> pa.Table:
    """Predict with every model that may.

    Parameters
    ----------
    tables : Tables
        Of this build.
    settings : Settings, optional

    Returns
    -------
    pyarrow.Table
        One row per model: what came of it. The predictions lie in the store.
    """
    store = Store(settings)
    rows = [_predict(store, analysis) for analysis in analyses(tables, "predict")]
    return pa.Table.from_pylist(rows, schema=RUNS)


def stored_predictions(settings: Settings | None = None) -> pa.Table:
    """Return every prediction of the models' newest versions."""
    return Store(settings).all_rows("predictions", PREDICTIONS)


def _predict(store: Store, analysis: Analysis) -> dict[str, object]:
    if analysis.rows.empty:
        return outcome(analysis, 0, OK, "No new predictions")
    model = store.model(analysis.about.district_id, analysis.about.model_id)
    try:
        with lock(model.fs, model.folder):
            processor = store.processor(analysis.about)
            version = model.prepare(definition(analysis.about), processor)
            if analysis.about.is_static:
                # the class is what the indicators say: nothing is learned
                predicted = analysis.rows[analysis.rows.label == 1].assign(
                    prediction=1, prediction_score=1.0
                )
                status, info = OK, ""
                model.append("samples", SAMPLES, version, used(analysis, "predict"))
            elif not model.state()["is_trained"]:
                return outcome(analysis, 0, OK, "Not trained yet", version)
            else:
                processor.check()
                dataset = analysis.dataset(labelled=False)
                if not dataset.sample_ids:
                    return outcome(analysis, 0, OK, "No new predictions", version)
                # before the processor is asked: a run that ends half-way asks no more
                model.append("samples", SAMPLES, version, used(analysis, "predict"))
                answer, told = processor.predict(model, version, to_csv(dataset))
                status, info = int(answer["status"]), words(answer)
                predicted = _told(analysis.rows, told)
            _remember(model, version, analysis, predicted)
            return outcome(analysis, len(analysis.rows), status, info, version)
    except (LockedError, NotReadyError, ServerError) as error:
        return outcome(analysis, 0, GENERAL_ERROR, str(error))


def _told(rows: pd.DataFrame, told: list[tuple[str, int, float]]) -> pd.DataFrame:
    """Join a processor's answers to the rows that they speak of."""
    answers = pd.DataFrame(told, columns=["name", "prediction", "prediction_score"])
    named = rows.assign(name=sample_names(rows))
    return named.reset_index().merge(answers, on="name").set_index("index")


def _remember(model, version: int, analysis: Analysis, rows: pd.DataFrame) -> None:
    rows = rows[
        (rows.prediction_score >= MIN_SCORE) & (rows.prediction != IGNORED_CLASS)
    ]
    kept = rows.assign(
        version=version,
        analysis_interval=analysis.about.analysis_interval,
        calculations=calculations(analysis, rows),
        reasons=reasons(analysis, rows),
        predicted_at=rows.now_at,
    )
    model.append("predictions", PREDICTIONS, version, kept)
