"""Rating a learner on rows that it has not seen, with the protocol's statuses.

Section 3.3 of the protocol: repeated 80/20 splits, the score is the mean weighted F1,
its population deviation says whether there is enough data. Unlike the reference the
splits are stratified and fixed, hold out whole courses where there are ten or more, the
AUC is that of class 1, and nothing is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    precision_recall_fscore_support,
    roc_auc_score,
)

from .dataset import Dataset
from .folds import folds_of, stratified_order
from .learner import fit
from .limits import Deadline, LimitError
from .model import Classifier
from .statuses import LOW_SCORE, NOT_ENOUGH_DATA, OK

__all__ = ["Evaluation", "Run", "evaluate", "rate", "verdict"]

HELD_OUT = 5  # one fifth
# with two or more to hold out a model is rated as it will be used: on courses that it
# has not seen. Single rows of seen courses look better than that
FEWEST_COURSES = 2 * HELD_OUT
LEARNING_SHARES = (0.1, 0.25, 0.5, 1.0)
TOO_FEW = (
    "The evaluation needs at least two samples of each class, "
    "we might need more samples to check if this model is valid."
)


@dataclass(frozen=True)
class Run:
    """One rated split.

    Attributes
    ----------
    labels : ndarray of int, shape (n,)
        True classes of the held-out rows.
    probabilities : ndarray, shape (n, k)
    metrics : dict
        accuracy, balanced accuracy, precision, recall, f1_score and, for two classes
        that both occur, auc.
    """

    labels: np.ndarray
    probabilities: np.ndarray
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """All runs of one evaluation.

    Attributes
    ----------
    classes : tuple of int
    runs : list of Run
    learning : list of (int, float)
        Rows learned from and weighted F1 on the rows held out by the first split.
    notes : list of str
        Sentences for the reader, such as a stop by the time limit.
    """

    classes: tuple[int, ...]
    runs: list[Run]
    learning: list[tuple[int, float]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def rate(
    classes: Sequence[int], labels: np.ndarray, probabilities: np.ndarray
) -> dict[str, float]:
    """Metrics of predictions.

    Parameters
    ----------
    classes : sequence of int
        Of the columns of `probabilities`.
    labels : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, len(classes))
    """
    predicted = np.asarray(classes)[probabilities.argmax(axis=1)]
    precision, recall, f1, _ = precision_recall_fscore_support(
        labels, predicted, average="weighted", zero_division=0.0
    )
    occurring = np.isin(predicted, labels)
    balanced = (
        balanced_accuracy_score(labels, predicted)
        if occurring.all()
        else np.mean([(predicted[labels == c] == c).mean() for c in np.unique(labels)])
    )
    metrics = {
        "balanced accuracy": float(balanced),
        "accuracy": float(accuracy_score(labels, predicted)),
        "precision": float(precision),
        "recall": float(recall),
        "f1_score": float(f1),
    }
    if len(classes) == 2 and len(np.unique(labels)) == 2:
        positive = max(classes)
        scores = probabilities[:, list(classes).index(positive)]
        metrics["auc"] = float(roc_auc_score(labels == positive, scores))
    return metrics


def evaluate(
    dataset: Dataset,
    iterations: int,
    deadline: Deadline,
    trained: Classifier | None = None,
) -> Evaluation:
    """Rate the learner by repeated splits, or a trained model once on all rows.

    Parameters
    ----------
    dataset : Dataset
        Labelled, every label one of its classes.
    iterations : int
        Splits; each is fixed by its number.
    deadline : Deadline
        When it passes, the runs done so far count, if there are any.
    trained : Classifier, optional
        Rated instead of the learner; it is not changed.

    Returns
    -------
    Evaluation
        Without runs if no row can be held out of every class.
    """
    classes, x, y = dataset.classes, dataset.features, dataset.labels
    names = dataset.columns
    if trained is not None:
        probabilities = trained.predict_proba(x)
        run = Run(y, probabilities, rate(trained.classes, y, probabilities))
        return Evaluation(trained.classes, [run])
    if min((y == value).sum() for value in classes) < 2:
        return Evaluation(classes, [])

    runs: list[Run] = []
    learning: list[tuple[int, float]] = []
    notes: list[str] = []
    try:
        for seed in range(iterations):
            out = _held_out(dataset, seed)
            model = fit(x[~out], y[~out], classes, names, deadline.check)
            probabilities = model.predict_proba(x[out])
            runs.append(
                Run(y[out], probabilities, rate(classes, y[out], probabilities))
            )
        learning = _learning_curve(dataset, runs[0], deadline.check)
    except LimitError as error:
        if not runs:
            raise
        notes.append(f"{error} ({len(runs)} of {iterations} iterations were rated).")
    return Evaluation(classes, runs, learning, notes)


def _held_out(dataset: Dataset, seed: int) -> np.ndarray:
    """Choose a fifth: of the courses, or of every class at least a row; shape (n,)."""
    x, y = dataset.features, dataset.labels
    folds = folds_of(
        x, y, dataset.columns, HELD_OUT, fewest_courses=FEWEST_COURSES, seed=seed
    )
    out = folds == 0
    for value in np.unique(y):
        mine = y == value
        if not out[mine].any():
            out[np.flatnonzero(mine)[seed % mine.sum()]] = True
    return out


def _learning_curve(
    dataset: Dataset, first: Run, check: Callable[[], None]
) -> list[tuple[int, float]]:
    x, y = dataset.features, dataset.labels
    shape = dataset.classes, dataset.columns
    out = _held_out(dataset, 0)
    order = stratified_order(y[~out], 0)
    curve = []
    for share in LEARNING_SHARES[:-1]:
        rows = order[: int(len(order) * share)]
        if len(np.unique(y[~out][rows])) < len(dataset.classes):
            continue
        rows = np.sort(rows)  # in the file's order: a course's rows stand together
        model = fit(x[~out][rows], y[~out][rows], *shape, check)
        metrics = rate(dataset.classes, y[out], model.predict_proba(x[out]))
        curve.append((len(rows), metrics["f1_score"]))
    return [*curve, (int((~out).sum()), first.metrics["f1_score"])]


def verdict(
    evaluation: Evaluation, min_score: float, accepted_deviation: float
) -> dict[str, object]:
    """Make the protocol's answer, without runid and dir.

    Returns
    -------
    dict
        Means of the metrics, auc and auc_deviation for two classes, score,
        score_deviation, the limits, status and info.
    """
    limits = {"min_score": min_score, "accepted_deviation": accepted_deviation}
    if not evaluation.runs:
        nothing = {"score": 0.0, "score_deviation": 0.0, **limits}
        return {**nothing, "status": NOT_ENOUGH_DATA, "info": [TOO_FEW]}
    answer: dict[str, object] = {}
    aucs = [run.metrics["auc"] for run in evaluation.runs if "auc" in run.metrics]
    if aucs:
        answer = {"auc": float(np.mean(aucs)), "auc_deviation": float(np.std(aucs))}
    for name in ("balanced accuracy", "accuracy", "precision", "recall", "f1_score"):
        values = [run.metrics[name] for run in evaluation.runs]
        answer[name] = float(np.mean(values))
    scores = [run.metrics["f1_score"] for run in evaluation.runs]
    score, deviation = float(np.mean(scores)), float(np.std(scores))
    status, info = OK, list(evaluation.notes)
    if deviation > accepted_deviation:
        status += NOT_ENOUGH_DATA
        info.append(
            "The evaluation results varied too much, we might need more samples to "
            f"check if this model is valid. Model deviation = {deviation}, "
            f"accepted deviation = {accepted_deviation}"
        )
    if score < min_score:
        status += LOW_SCORE
        info.append(
            "The evaluated model prediction accuracy is not very good. "
            f"Model score = {score}, minimum score = {min_score}"
        )
    answer |= {"score_deviation": deviation, "score": score, **limits}
    return {**answer, "status": status, "info": info}
