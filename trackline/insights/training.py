"""Training: a model learns from finished courses that it has not learned from yet."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pyarrow as pa

from trackline.insights.datasets import Analysis, Tables, analyses, to_csv
from trackline.insights.lock import LockedError
from trackline.insights.processors import NotReadyError, words
from trackline.insights.store import SAMPLES, Store, definition
from trackline.predictions.client import ServerError
from trackline.settings import Settings

__all__ = ["RUNS", "train"]

RUNS = pa.schema(
    [
        ("district_id", pa.string()),
        ("model_id", pa.string()),
        ("purpose", pa.string()),
        ("version", pa.int64()),
        ("samples", pa.int64()),
        ("status", pa.int64()),
        ("info", pa.string()),
    ]
)
# statuses of PROTOCOL section 1.5; a model that did not run has the general error
OK, GENERAL_ERROR = 0, 1
CUT_OFF = "A training was cut off: the next build teaches everything anew"


def train(session: Any, tables: Tables, settings: Settings | None = None) -> pa.Table:
    """Train every model that has something new to learn from.

    Parameters
    ----------
    session : duckdb.DuckDBPyConnection or Spark session
        The build's.
    tables : Tables
        Of this build.
    settings : Settings, optional

    Returns
    -------
    pyarrow.Table
        One row per model: what came of it. A model whose processor is not ready, or
        that somebody else works on, says so and keeps none from running.
    """
    store = Store(settings)
    rows = [_train(store, analysis) for analysis in analyses(session, tables, "train")]
    return pa.Table.from_pylist(rows, schema=RUNS)


def _train(store: Store, analysis: Analysis) -> dict[str, object]:
    if analysis.rows.empty:
        return outcome(analysis.about, 0, OK, "No new data")
    model = store.model(analysis.about.district_id, analysis.about.model_id)
    try:
        with model.alone():
            processor = store.processor(analysis.about)
            processor.check()
            server = store.server(analysis.about.district_id)
            version = model.prepare(definition(analysis.about), server)
            dataset = analysis.dataset(labelled=True)
            if not len(dataset.labels):
                return outcome(analysis.about, 0, OK, "No new data", version)
            # one that is killed has learned from people and recorded none: taught
            # again, they would count twice
            if model.state()["is_learning"] and model.unlearn(server):
                return outcome(analysis.about, 0, OK, CUT_OFF, version)
            model.write_state({**model.state(), "is_learning": True})
            answer = processor.train(model, version, to_csv(dataset))
            status = int(answer["status"])
            if status == OK:
                # recorded only now: what was not learned is offered again
                model.append("samples", SAMPLES, version, used(analysis, "train"))
                model.write_state({**model.state(), "is_trained": True})
            model.write_state({**model.state(), "is_learning": False})
            count = len(dataset.labels)
            return outcome(analysis.about, count, status, words(answer), version)
    except (LockedError, NotReadyError, ServerError) as error:
        return outcome(analysis.about, 0, GENERAL_ERROR, str(error))


def used(analysis: Analysis, purpose: str) -> pd.DataFrame:
    """Return the rows by which the samples of an analysis are remembered."""
    rows = analysis.rows
    if purpose == "train":
        rows = rows[rows.label.notna()]
    return pd.DataFrame(
        {
            "purpose": purpose,
            "analysis_interval": analysis.about.analysis_interval,
            "analysable_id": rows.analysable_id,
            "sample_id": rows.sample_id,
            "user_id": rows.user_id,
            "range_index": rows.range_index,
            "analysed_at": rows.now_at,
        }
    )


def outcome(
    about: Any, samples: int, status: int, info: str, version: int | None = None
) -> dict[str, object]:
    """Return the row of a run."""
    return {
        "district_id": about.district_id,
        "model_id": about.model_id,
        "purpose": about.purpose,
        "version": version,
        "samples": samples,
        "status": status,
        "info": info,
    }
