"""Evaluation: how good a model would be over each analysis interval."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pyarrow as pa

from trackline.insights.datasets import Analysis, Tables, analyses, to_csv
from trackline.insights.lock import LockedError
from trackline.insights.pages import write_pages
from trackline.insights.processors import NotReadyError, time_limit, words
from trackline.insights.store import Store
from trackline.predictions.client import ServerError
from trackline.predictions.limits import Deadline
from trackline.settings import Settings

__all__ = ["EVALUATIONS", "model_evaluations"]

EVALUATIONS = pa.schema(
    [
        ("district_id", pa.string()),
        ("model_id", pa.string()),
        ("analysis_interval", pa.string()),
        ("processor", pa.string()),
        ("score", pa.float64()),
        ("score_deviation", pa.float64()),
        ("auc", pa.float64()),
        ("status", pa.int64()),
        ("info", pa.string()),
        ("evaluated_at", pa.timestamp("us")),
        ("dir", pa.string()),
    ]
)
GENERAL_ERROR, NO_DATASET = 1, 2
NOTHING = (
    "No finished course is valid for this target, so there is nothing to learn from"
)


def model_evaluations(
    session: Any, tables: Tables, settings: Settings | None = None
) -> pa.Table:
    """Evaluate what `trackline evaluate` asks for; return every evaluation so far.

    Parameters
    ----------
    session : duckdb.DuckDBPyConnection or Spark session
        The build's.
    tables : Tables
        Of this build; only a build of `trackline evaluate` has analyses to evaluate.
    settings : Settings, optional

    Returns
    -------
    pyarrow.Table
        One row per evaluation.
    """
    store = Store(settings)
    for analysis in analyses(session, tables, "evaluate"):
        _evaluate(store, analysis)
    rows = [
        {"district_id": model.district_id, "model_id": model.model_id, **row}
        for model in store.models()
        for row in model.evaluations()
    ]
    for row in rows:
        at = datetime.fromisoformat(row["evaluated_at"])
        row["evaluated_at"] = at.replace(tzinfo=None)
    return pa.Table.from_pylist(rows, schema=EVALUATIONS)


def _evaluate(store: Store, analysis: Analysis) -> None:
    about = analysis.about
    model = store.model(about.district_id, about.model_id)
    answer: dict[str, object] = {}
    try:
        processor = store.processor(about)
        processor.check()
        dataset = analysis.dataset(labelled=True)
        if not len(dataset.labels):
            answer = {"status": NO_DATASET, "info": [NOTHING]}
        else:
            answer = processor.evaluate(model, about.analysis_interval, to_csv(dataset))
            if "score" in answer:
                seconds = time_limit(about.district_id, store.configuration)
                check = Deadline(seconds).check
                write_pages(
                    model.fs, str(answer["dir"]), analysis, dataset, answer, check
                )
    except (LockedError, NotReadyError, ServerError) as error:
        answer = {"status": GENERAL_ERROR, "info": [str(error)]}
    model.add_evaluation(
        {
            "analysis_interval": about.analysis_interval,
            "processor": about.processor,
            "score": answer.get("score"),
            "score_deviation": answer.get("score_deviation"),
            "auc": answer.get("auc"),
            "status": int(answer["status"]),
            "info": words(answer),
            "evaluated_at": datetime.now(UTC).isoformat(timespec="seconds"),
            "dir": answer.get("dir"),
        }
    )
