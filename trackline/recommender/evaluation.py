"""How well the recommender foresees use here, against popularity and item-kNN.

The same hidden apps, the same training rows and, in time order, the same decayed
histories for all three; differences carry paired bootstrap intervals over students.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from trackline.recommender.frames import FOLDS, Rows, as_frame, encode, student_hashes
from trackline.recommender.gram import blocks, gram_of
from trackline.recommender.members import cosine, popularity
from trackline.recommender.metrics import (
    gini,
    hits,
    ndcg,
    paired_bootstrap,
    recall,
    top_k,
)
from trackline.recommender.model import Recommender
from trackline.recommender.tasks import split_last

__all__ = ["Evaluation", "evaluate"]

_MOST = 20_000  # students scored per task: the interval is then narrower than 0.01
_KNN = {"asymmetry": 0.5, "power": 1.0, "neighbours": 100, "even": 0}
OURS, POPULAR, KNN = "recommender", "popularity", "item-kNN"


@dataclass
class Evaluation:
    """Results of one or more districts.

    Attributes
    ----------
    table : DataFrame
        district_id, task, model, students, ndcg_5, ndcg_10, recall_10, coverage (share
        of the apps recommended to anyone), gini.
    differences : DataFrame
        district_id, task, against, difference in NDCG@10, low, high (95 %), verdict.
    bands : DataFrame
        district_id, task, model, band, students, ndcg_10 (null below 10 students), gap
        (to the model's best band).
    """

    table: pd.DataFrame
    differences: pd.DataFrame
    bands: pd.DataFrame

    def page(self) -> str:
        """Return one HTML page with tables and embedded plots."""
        # matplotlib costs a second to import: only where a page is drawn
        from trackline.recommender.page import page_html

        return page_html(self.table, self.differences, self.bands)

    def write(self, folder: str | Path) -> list[Path]:
        """Write recommender.html and three CSV tables; return their paths."""
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        tables = {
            "recommender.csv": self.table,
            "recommender_differences.csv": self.differences,
            "recommender_bands.csv": self.bands,
        }
        for name, table in tables.items():
            table.to_csv(folder / name, index=False)
        page = folder / "recommender.html"
        page.write_text(self.page(), encoding="utf-8")
        return [page, *(folder / name for name in tables)]


def evaluate(interactions: Any, random_state: int = 0) -> Evaluation:
    """Evaluate on held-out students and, where times are known, on held-out time.

    Parameters
    ----------
    interactions : DataFrame, Arrow table or DuckDB relation
        student_id, app_id; optionally district_id (each is evaluated for itself),
        used_at, weight, band.
    random_state : int, default 0

    Returns
    -------
    Evaluation

    Raises
    ------
    ValueError
        If no student has two apps or more.
    """
    frame = as_frame(interactions)
    if "district_id" not in frame:
        frame = frame.assign(district_id="all")
    rows, differences, bands = [], [], []
    for district, one in frame.groupby("district_id", sort=True):
        data = encode(one.drop(columns="district_id"))
        tasks = [("complete", *_students_split(data, random_state))]
        if data.first is not None:
            late = split_last(data)
            tasks.append(
                ("next", data.filter(~late), data.filter(~late), data.filter(late))
            )
        for task, train, shown, hidden in tasks:
            made = _compare(task, train, shown, hidden, random_state)
            for target, part in zip((rows, differences, bands), made, strict=True):
                part.insert(0, "task", task)
                part.insert(0, "district_id", district)
                target.append(part)
    if not sum(len(r) for r in rows):
        raise ValueError("no student has two apps or more: nothing can be held out")
    return Evaluation(
        *(pd.concat(t, ignore_index=True) for t in (rows, differences, bands))
    )


def _students_split(rows: Rows, seed: int) -> tuple[Rows, Rows, Rows]:
    """Hold out a fifth of the students, by md5; hide a third of each one's apps."""
    held = student_hashes(rows.students) % FOLDS == 0
    draw = np.random.default_rng(seed).random(len(rows.student))
    order = np.lexsort((draw, rows.student))
    lengths = rows.lengths
    starts = np.cumsum(lengths) - lengths
    rank = np.empty(len(order), int)
    rank[order] = np.arange(len(order)) - np.repeat(starts, lengths)
    n_hidden = np.where(lengths >= 2, np.maximum(1, lengths // 3), 0)
    hidden = rank < n_hidden[rows.student]
    own = held[rows.student]
    return rows.filter(~own), rows.filter(own & ~hidden), rows.filter(own & hidden)


def _frame(rows: Rows) -> pd.DataFrame:
    data = {
        "student_id": rows.students[rows.student],
        "app_id": rows.apps[rows.app],
        "weight": rows.weight,
        "band": rows.band[rows.student],
    }
    if rows.first is None:
        return pd.DataFrame(data)
    ends = [pd.DataFrame(data | {"used_at": at}) for at in (rows.first, rows.last)]
    return pd.concat(ends, ignore_index=True)


def _compare(
    task: str, train: Rows, shown: Rows, hidden: Rows, seed: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    chosen = np.flatnonzero(hidden.lengths > 0)[:_MOST]
    if not len(chosen) or not len(train.student):
        return pd.DataFrame(), pd.DataFrame(), pd.DataFrame()
    model = Recommender(random_state=seed).fit(_frame(train))
    shown, wanted = shown.select(chosen), hidden.select(chosen).matrix()
    scorer = model.scorers_.get(task, model.scorers_["complete"])
    tau = scorer.layers[0].tau
    gram = gram_of(blocks(train), len(train.apps))
    share = popularity(gram, 1.0)[0]

    def ours(part: Rows) -> np.ndarray:
        scores = np.full(part.shape, -np.inf)
        place = pd.Index(part.apps).get_indexer(model.apps_)
        known = encode(_frame(part), model.apps_)
        at = pd.Index(part.students).get_indexer(known.students)
        scores[:] = np.where(share > 0, share - 1e3, -np.inf)
        scores[np.ix_(at, place)] = model.score(known, scorer)
        return scores

    near = cosine(gram, **_KNN)
    scorers: dict[str, Callable[[Rows], np.ndarray]] = {
        OURS: ours,
        POPULAR: lambda part: np.tile(share, (len(part.students), 1)),
        KNN: lambda part: np.asarray(part.history(tau) @ near),
    }
    n_wanted = np.diff(wanted.indptr)
    rows, values = [], {}
    for name, score in scorers.items():
        top, hit = _ranked(score, shown, wanted)
        counts = np.bincount(top[top >= 0], minlength=len(train.apps))
        values[name] = ndcg(hit, n_wanted)
        rows.append(
            {
                "model": name,
                "students": len(chosen),
                "ndcg_5": float(np.nanmean(ndcg(hit, n_wanted, 5))),
                "ndcg_10": float(np.nanmean(values[name])),
                "recall_10": float(np.nanmean(recall(hit, n_wanted))),
                "coverage": float(np.mean(counts[share > 0] > 0)),
                "gini": gini(counts[share > 0]),
            }
        )
    differences = []
    for other in (POPULAR, KNN):
        mean, low, high = paired_bootstrap(values[OURS], values[other], seed)
        verdict = (
            "ahead" if low > 0 else "behind" if high < 0 else "no clear difference"
        )
        differences.append((other, mean, low, high, verdict))
    columns = ["against", "difference", "low", "high", "verdict"]
    return (
        pd.DataFrame(rows),
        pd.DataFrame(differences, columns=columns),
        _bands(values, shown.band),
    )


def _ranked(
    score: Callable[[Rows], np.ndarray], shown: Rows, wanted: Any, size: int = 4096
) -> tuple[np.ndarray, np.ndarray]:
    """Return the first ten (-1: none) and whether each was wanted."""
    tops, found = [], []
    for low in range(0, len(shown.students), size):
        some = shown.select(np.arange(low, min(low + size, len(shown.students))))
        scores = score(some)
        scores[some.student, some.app] = -np.inf
        top = top_k(scores, 10)
        finite = np.isfinite(np.take_along_axis(scores, top, axis=1))
        found.append(hits(top, wanted[low : low + size]) & finite)
        tops.append(np.where(finite, top, -1))
    return np.vstack(tops), np.vstack(found)


def _bands(values: dict[str, np.ndarray], band: np.ndarray) -> pd.DataFrame:
    rows = []
    names = sorted({b for b in band if b is not None})
    for model, value in values.items():
        of = {b: value[band == b] for b in names}
        means = {b: float(np.nanmean(v)) for b, v in of.items() if len(v) >= 10}
        best = max(means.values(), default=np.nan)
        rows += [
            {
                "model": model,
                "band": b,
                "students": len(of[b]) if b in means else None,
                "ndcg_10": means.get(b),
                "gap": best - means[b] if b in means else None,
            }
            for b in names
        ]
    return pd.DataFrame(
        rows, columns=["model", "band", "students", "ndcg_10", "gap"]
    ).astype({"students": "Int64", "ndcg_10": float, "gap": float})
