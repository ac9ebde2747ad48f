"""The rows of one district's recommendations: ranks, reasons, effects."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from trackline.recommender import reasons
from trackline.recommender.frames import Rows
from trackline.recommender.gram import NO_BAND
from trackline.recommender.metrics import top_k
from trackline.recommender.model import Recommender
from trackline.recommender.outcome import TOP, rerank

__all__ = ["recommendation_table"]

_CELLS = 4_000_000  # students x apps scored at once: 32 MB


def recommendation_table(
    model: Recommender,
    rows: Rows,
    excluded: sparse.csr_matrix,
    pairs: dict[str, np.ndarray],
    own: pd.DataFrame,
    effects: pd.DataFrame,
    k: int,
    outcome_weight: float,
    include_familiar: bool,
) -> pa.Table:
    """Recommend at most k apps to every student of a district.

    Parameters
    ----------
    model : Recommender
    rows : Rows
        Every student's history, over the apps of the model.
    excluded : sparse matrix, students x apps
        What is in use now.
    pairs : dict of str to ndarray, shape (n_apps, n_apps)
        By band, NO_BAND included: how many of its students used both apps.
    own : DataFrame
        The eligible apps, ordered as those of `rows`: app_id, optionally app_name.
    effects : DataFrame
        Outcome estimates, indexed by position of the app.
    outcome_weight, include_familiar
        As in `Options`.

    Returns
    -------
    pyarrow.Table
        student_id and app_id (dictionaries), rank, score, is_new, reason,
        similar_students, effect, effect_low, effect_high, is_associated.
    """
    scorer = model.scorers_[model.task_of(rows)]
    together = _Together.of(pairs)
    known = effects.reindex(range(len(rows.apps)))
    low, high, effect = (
        known[name].to_numpy(float) for name in ("effect_low", "effect_high", "effect")
    )
    is_associated = known["is_associated"].eq(True).to_numpy()
    named = (
        own["app_name"].fillna(own["app_id"]) if "app_name" in own else own["app_id"]
    )
    students, apps = (pa.array(ids, pa.string()) for ids in (rows.students, rows.apps))
    size = max(_CELLS // len(rows.apps), 1)
    tables = []
    for start in range(0, len(rows.students), size):
        some = np.arange(start, min(start + size, len(rows.students)))
        part = rows.select(some)
        scores = model.score(part, scorer)
        scores[excluded[some].nonzero()] = -np.inf
        before = part.matrix().toarray() > 0
        if not include_familiar:
            scores[before] = -np.inf
        top = top_k(scores, max(k, TOP))
        value = np.take_along_axis(scores, top, axis=1)
        order = rerank(value, low[top], outcome_weight)[:, :k]
        top, value = (np.take_along_axis(a, order, axis=1) for a in (top, value))
        # what is not finite stands last: ranks have no hole
        student, place = np.nonzero(np.isfinite(value))
        app = top[student, place]
        used = reasons.contributors(part, scorer, student, app)
        similar = _similar(together, part, student, app, used[:, 0])
        texts = reasons.reason_texts(named.tolist(), app, used, similar, effects)
        tables.append(
            pa.table(
                {
                    "student_id": pa.DictionaryArray.from_arrays(
                        student + start, students
                    ),
                    "rank": place + 1,
                    "app_id": pa.DictionaryArray.from_arrays(app, apps),
                    "score": value[student, place],
                    "is_new": ~before[student, app],
                    "reason": texts,
                    "similar_students": pa.array(
                        similar, pa.int64(), mask=similar < reasons.FEWEST_TOLD
                    ),
                    "effect": pa.array(effect[app], from_pandas=True),
                    "effect_low": pa.array(low[app], from_pandas=True),
                    "effect_high": pa.array(high[app], from_pandas=True),
                    "is_associated": is_associated[app],
                }
            )
        )
    return pa.concat_tables(tables)


@dataclass(frozen=True)
class _Together:
    """Students who used both apps, by band; the last slice is everybody."""

    bands: dict[str, int]
    counts: np.ndarray

    @classmethod
    def of(cls, pairs: dict[str, np.ndarray]) -> _Together:
        bands = sorted(set(pairs) - {NO_BAND})
        counts = np.array([*(pairs[b] for b in bands), sum(pairs.values())], np.int32)
        return cls({b: i for i, b in enumerate(bands)}, counts)


def _similar(
    together: _Together,
    rows: Rows,
    student: np.ndarray,
    app: np.ndarray,
    with_app: np.ndarray,
) -> np.ndarray:
    """Count students of the same band (all, without one) who used both."""
    everybody = len(together.bands)
    band = np.array([together.bands.get(b, everybody) for b in rows.band])[student]
    return together.counts[band, np.where(with_app < 0, app, with_app), app]
