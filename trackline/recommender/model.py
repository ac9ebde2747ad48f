"""The estimator: fit on who used what, recommend what else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import index
from typing import Any

import numpy as np
import pandas as pd
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from trackline.recommender.cold import BandPopularity
from trackline.recommender.frames import Rows, as_frame, encode
from trackline.recommender.gram import Gram, blocks, directed_count, gram_of
from trackline.recommender.metrics import top_k
from trackline.recommender.selection import FEWEST, Choice, choose, choose_next
from trackline.recommender.tasks import Candidate, Part, complete_task
from trackline.recommender.threads import one_thread

__all__ = ["Layer", "Recommender", "Scorer"]

_SAMPLE = 20_000  # students kept for validation and step moments
_FINAL_PAIRS = 20_000_000
_SPREAD = 1000  # students by whom the members of a blend are brought to one scale
_SCORE_CELLS = 4_000_000


@dataclass
class Layer:
    """A decay of the history and the weights it is multiplied by."""

    tau: float | None
    weights: np.ndarray


@dataclass
class Scorer:
    """The trained model of one task: sum over layers of history(tau) @ weights."""

    layers: list[Layer]
    choice: Choice

    def scores(self, rows: Rows) -> np.ndarray:
        """Return students x apps."""
        total = np.zeros(rows.shape)
        for layer in self.layers:
            total += rows.history(layer.tau) @ layer.weights
        return total


class Recommender(BaseEstimator):
    """Recommend apps from co-use; the members and settings select themselves.

    Parameters
    ----------
    random_state : int, RandomState or None, default 0
        Seed of what validation hides. An int gives the same bytes at every fit.

    Attributes
    ----------
    apps_ : ndarray of str, shape (n_apps,)
        Apps with at least one user, sorted.
    scorers_ : dict of str to Scorer
        Per task: `complete` (which apps belong with a history, whatever the order) and,
        where times are known, `next` (which app comes next). A build trains one.
    popularity_ : BandPopularity
        What is recommended without a history.
    usable_ : ndarray of bool, shape (n_apps,)
        Apps that somebody used: no other is ever recommended.

    Examples
    --------
    >>> import pandas as pd
    >>> rows = pd.DataFrame(
    ...     [("a", "math"), ("a", "maps"), ("b", "math"), ("b", "maps"), ("c", "math")],
    ...     columns=["student_id", "app_id"],
    ... )
    >>> Recommender().fit(rows).recommend(rows[rows.student_id == "c"]).app_id.tolist()
    ['maps']
    """

    def __init__(self, random_state: Any = 0):
        self.random_state = random_state

    def fit(self, interactions: Any, y: Any = None) -> Recommender:
        """Select members and train.

        Parameters
        ----------
        interactions : DataFrame, Arrow table or DuckDB relation
            student_id, app_id; optionally used_at (timestamp or days), weight, band.
            More than one row per student and app is fine.
        y : ignored

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If student_id or app_id is missing, or no row holds a use.
        """
        rows = encode(interactions)
        if not len(rows.student):
            raise ValueError("there is no use in these interactions: nothing to learn")
        with one_thread():
            total = gram_of(blocks(rows), len(rows.apps))
            self.fit_gram(total, sample_of(rows), BandPopularity.of(rows))
        self.students_ = rows.students
        return self

    def fit_gram(
        self,
        total: Gram,
        sample: Rows,
        popularity: BandPopularity,
        pooled: Gram | None = None,
        choices: dict[str, Choice] | None = None,
        known_only: bool = False,
    ) -> Recommender:
        """Train from a Gram matrix made elsewhere (SQL, a stream of batches).

        Parameters
        ----------
        total : Gram
            Over the apps of `sample`, all students.
        sample : Rows
            Students of `total` to validate on, with their times where known.
        popularity : BandPopularity
            For students without a history.
        pooled : Gram, optional
            Of other districts, over the same apps, as counts per student; joins with a
            number of pseudo-students chosen on validation.
        choices : dict of str to Choice, optional
            By task: what another search chose. Nothing is searched then.
        known_only : bool, default False
            Whether students of `total` alone will ask: where `next` can be validated
            they are answered by it, and `complete` is not trained.
        """
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        self.apps_ = sample.apps
        self.popularity_ = popularity
        self.n_students_ = int(total.n_students)
        self.usable_ = np.diag(total.pair) > 0
        self.students_ = sample.students
        self.scorers_ = {}
        with one_thread():
            self.kappa_ = 0.0
            if pooled is not None:
                self.kappa_, total = _with_pooled(total, pooled, sample, seed)
            if choices is not None:
                for task, choice in choices.items():
                    self.scorers_[task] = _train(choice, total, sample)
                return self
            foreseen = choose_next([sample])
            if foreseen is not None:
                self.scorers_["next"] = _train(foreseen, total, sample)
                if known_only:
                    return self
            complete = complete_task(total, sample, seed)
            if complete.n_students < FEWEST:
                # too few students to hold any out: plain co-use, strongly damped
                blend = [(Candidate("cosine", _COSINE), 1.0)]
                choice = Choice(blend, [blend[0][0].describe()])
                self.scorers_["complete"] = _train(choice, total, sample)
                return self
            self.scorers_["complete"] = _train(choose(complete), total, sample)
        return self

    @property
    def is_searched(self) -> bool:
        """Whether validation chose the settings: there were students enough."""
        tables = (scorer.choice.table for scorer in self.scorers_.values())
        return all("ndcg_10" in row for table in tables for row in table)

    def task_of(self, rows: Rows) -> str:
        """Say which scorer fits these histories."""
        if len(self.scorers_) == 1:
            return next(iter(self.scorers_))
        if rows.first is None:
            return "complete"
        if self.students_ is None:
            return "next"
        # a student without a history is answered by popularity, whatever the task
        asked = rows.students[rows.lengths > 0]
        if not len(asked):
            return "next"
        seen = pd.Index(asked).isin(self.students_).mean()
        return "next" if seen >= 0.5 else "complete"

    def recommend(
        self, histories: Any, k: int = 10, exclude_used: bool = True, task: str = "auto"
    ) -> pd.DataFrame:
        """Recommend up to k apps to every student in `histories`.

        Parameters
        ----------
        histories : DataFrame, Arrow table or DuckDB relation
            As for `fit`; students may be new. A row with an app_id of null is a student
            without a history: the popularity of the student's band answers.
        k : int, default 10
            Most apps a student.
        exclude_used : bool, default True
            Leave out the apps of the student's history.
        task : {"auto", "next", "complete"}
            auto: `next` when the histories have times and most of their students were
            in the training data (a loaded model knows no student: it assumes so), else
            `complete`; the one that there is, where one was trained.

        Returns
        -------
        DataFrame
            student_id, rank (1-based), app_id, score; by student_id and rank. Higher
            is better; scores compare within one student only.

        Raises
        ------
        NotFittedError
            Before `fit`.
        TypeError
            If k is no whole number.
        ValueError
            If k is less than 1, or the task is none that was trained: `next` needs
            times and 20 students to validate on.
        """
        check_is_fitted(self)
        k = index(k)
        if k < 1:
            raise ValueError(f"k is {k}: at least 1 app must be asked for")
        histories = as_frame(histories)
        rows = encode(histories, self.apps_)
        task = self.task_of(rows) if task == "auto" else task
        if task not in self.scorers_:
            raise ValueError(
                f"task is {task!r}: trained are {', '.join(self.scorers_)}"
            )
        scorer = self.scorers_[task]
        parts = list(self._ranked(rows, scorer, k, exclude_used))
        student, rank, app, score = (
            np.concatenate([part[i] for part in parts]) if parts else np.array([])
            for i in range(4)
        )
        return pd.DataFrame(
            {
                "student_id": _as_given(
                    rows.students[student.astype(int)], histories["student_id"]
                ),
                "rank": rank.astype(int),
                "app_id": _as_given(self.apps_[app.astype(int)], histories["app_id"]),
                "score": score.astype(float),
            }
        )

    def _ranked(
        self, rows: Rows, scorer: Scorer, k: int, exclude_used: bool
    ) -> Iterator[tuple[np.ndarray, ...]]:
        size = max(_SCORE_CELLS // max(len(self.apps_), 1), 1)
        for low in range(0, len(rows.students), size):
            some = rows.select(np.arange(low, min(low + size, len(rows.students))))
            scores = self.score(some, scorer)
            if exclude_used:
                scores[some.student, some.app] = -np.inf
            top = top_k(scores, k)
            value = np.take_along_axis(scores, top, axis=1)
            keep = np.isfinite(value)
            student, place = np.nonzero(keep)
            yield student + low, place + 1, top[keep], value[keep]

    def score(self, rows: Rows, scorer: Scorer) -> np.ndarray:
        """Return students x apps; without a history, the band's popularity."""
        with one_thread():
            scores = scorer.scores(rows)
        cold = np.flatnonzero(rows.lengths == 0)
        if len(cold):
            scores[cold] = self.popularity_.scores(rows.band[cold])
        scores[:, ~self.usable_] = -np.inf
        return scores


_COSINE = (("asymmetry", 0.5), ("power", 1.0), ("neighbours", None), ("even", 0))


def _as_given(ids: np.ndarray, column: pd.Series) -> np.ndarray:
    """Return ids as numbers where the caller's are numbers."""
    kind = column.dtype
    if isinstance(kind, pd.CategoricalDtype):
        kind = kind.categories.dtype
    is_number = pd.api.types.is_numeric_dtype(kind)
    if not is_number or pd.api.types.is_bool_dtype(kind):
        return ids
    numbers = pd.to_numeric(pd.Series(ids)).to_numpy()
    return numbers if len(numbers) else ids


def sample_of(rows: Rows, limit: int = _SAMPLE) -> Rows:
    """Keep every 2^j-th student in the order of ids: at most `limit` of them."""
    step = 1
    while len(rows.students) / step > limit:
        step *= 2
    return rows if step == 1 else rows.select(np.arange(0, len(rows.students), step))


def _train(choice: Choice, total: Gram, sample: Rows) -> Scorer:
    source = sample
    if any(c.member == "steps" for c, _ in choice.blend):
        lengths = sample.lengths
        pairs = np.cumsum(lengths * np.minimum(lengths, 64) / 2)
        source = sample.select(np.flatnonzero(pairs <= max(_FINAL_PAIRS, pairs[0])))
    if any(c.member in ("directed", "walk") for c, _ in choice.blend):
        total.directed = directed_count(sample)
    part = Part(total, sample, sample.matrix(), source)
    solutions: dict[tuple, np.ndarray] = {}
    layers: dict[float | None, np.ndarray] = {}
    for candidate, weight in choice.blend:
        if candidate.solved_by not in solutions:
            solutions[candidate.solved_by] = part.weights(candidate)
        solved = solutions[candidate.solved_by]
        scores = part.history(candidate.tau)[:_SPREAD] @ solved
        # where nobody has a history, or all the same one, the scale is left
        spread = float(scores.std(axis=1).mean()) if len(scores) else 0.0
        solved = solved * (weight / (spread or 1.0))
        at = candidate.tau
        layers[at] = layers[at] + solved if at in layers else solved
    kept = [Layer(tau, weights) for tau, weights in layers.items()]
    return Scorer(kept, choice)


def _with_pooled(
    total: Gram, pooled: Gram, sample: Rows, seed: int
) -> tuple[float, Gram]:
    """Choose how many pseudo-students of the pooled matrix join the district's own."""
    best = (-1.0, 0.0, total)
    for kappa in (0.0, 10.0, 30.0, 100.0, 300.0):
        joined = total.plus(pooled, kappa) if kappa else total
        task = complete_task(joined, sample, seed)
        probe = Candidate("edlae", (("ridge", 0.04), ("dropout", 0.25), ("even", 0)))
        if task.n_students < FEWEST:
            return 30.0, total.plus(pooled, 30.0)
        value = float(np.nanmean(task.quality(task.scores(probe))))
        if value > best[0] + 1e-9:
            best = (value, kappa, joined)
    return best[1], best[2]
