"""The estimator: linear for small data, linear plus boosted trees for larger data.

Measured on 5,000 x 30 synthetic rows (docs/benchmarks-server.md): trees that see the
linear score as one more column are as good as the linear model where the truth is
linear and far better where it is not. The sum of both is weighted on rows (on courses,
where they can be told: see folds.py) that neither has seen, which calibrates it.
Everything is fixed by the rows: no random seed, one thread.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator

import numpy as np
from scipy.optimize import minimize
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from .dataset import MissingClassError
from .folds import folds_of
from .model import CHILDLESS, Classifier, Member, softmax

__all__ = ["fit"]

FOLDS = 4
MIN_ROWS_FOR_FOLDS = 10
MIN_DISTINCT_ROWS_FOR_TREES = 200
# weak regularisation first: with fewer rows than can be held out, the first is used
STRENGTH = 10.0
WEAKER, STRONGER = (100.0,), (1.0, 0.1, 0.01)
TREES = {
    "max_iter": 150,
    "learning_rate": 0.1,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "max_features": 0.5,
    "max_bins": 32,
    "early_stopping": False,
}
MAX_WEIGHT = 3.0
# standard errors by which trees must beat the linear model on unseen rows: on the
# recorded data of 1,904 rows they do not, and cost 0.01 of AUC and accuracy
MIN_GAIN = 2.0


def fit(
    features: np.ndarray,
    labels: np.ndarray,
    classes: tuple[int, ...],
    columns: tuple[str, ...] | None = None,
    check: Callable[[], None] = lambda: None,
) -> Classifier:
    """Fit a classifier.

    Parameters
    ----------
    features : ndarray, shape (n, d)
        Finite values.
    labels : ndarray of int, shape (n,)
        Values of `classes`; each class must be there.
    classes : tuple of int
        At least two.
    columns : tuple of str, optional
        Names of the features.
    check : callable, optional
        Called between the steps; what it raises ends the work.

    Returns
    -------
    Classifier

    Raises
    ------
    MissingClassError
        If a class has no row.
    """
    target = np.searchsorted(sorted(classes), labels)
    order = np.argsort(classes)
    target = order[np.minimum(target, len(classes) - 1)]
    if not np.array_equal(np.asarray(classes)[target], labels):
        raise ValueError("a label is none of the classes")
    if len(np.unique(target)) < len(classes):
        raise MissingClassError("the rows do not have every class")
    names = columns or tuple(f"feature{i}" for i in range(features.shape[1]))
    with threadpool_limits(limits=1):
        member = _fit_member(features, target, len(classes), names, check)
    return Classifier(classes, names, (member,), (len(labels),))


def _fit_member(
    features: np.ndarray,
    target: np.ndarray,
    k: int,
    columns: tuple[str, ...],
    check: Callable[[], None],
) -> Member:
    kept = np.flatnonzero(np.ptp(features, axis=0) > 0)
    varied = features[:, kept].astype(np.float64)
    # the protocol's values are in [-1, 1] and weigh alike: standardised, a column that
    # is rarely set would count most, and courses differ most in those
    mean, scale = varied.mean(axis=0), np.maximum(np.ptp(varied, axis=0) / 2, 1)
    standard = (varied - mean) / scale

    folds = folds_of(features, target, columns, FOLDS)
    can_hold_out = len(kept) > 0 and (folds >= 0).sum() >= MIN_ROWS_FOR_FOLDS
    if can_hold_out:
        strength, unseen = _choose_strength(standard, target, folds, k, check)
    else:
        strength = STRENGTH
    coef, intercept = _linear(standard, target, k, strength)
    parts = {
        "kept": kept,
        "mean": mean,
        "scale": scale,
        "coef": coef,
        "intercept": intercept,
    }
    if can_hold_out and _distinct_rows(features) >= MIN_DISTINCT_ROWS_FOR_TREES:
        parts |= _boost(varied, unseen, target, folds, k, check)
    return Member(**parts)


def _distinct_rows(features: np.ndarray) -> int:
    return len({row.tobytes() for row in features})


def _linear(
    standard: np.ndarray, target: np.ndarray, k: int, strength: float
) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (k, d) and intercepts (k,), relative to class 0."""
    if not standard.shape[1]:
        share = np.log(np.bincount(target, minlength=k))
        return np.zeros((k, 0)), share - share[0]
    model = LogisticRegression(C=strength, max_iter=200, tol=1e-3)
    model.fit(standard, target)
    coef, intercept = model.coef_, model.intercept_
    if k == 2:
        coef, intercept = np.vstack([0 * coef, coef]), np.append(0.0, intercept)
    return coef - coef[0], intercept - intercept[0]


def _choose_strength(
    standard: np.ndarray,
    target: np.ndarray,
    folds: np.ndarray,
    k: int,
    check: Callable[[], None],
) -> tuple[float, np.ndarray]:
    """Find the strength with the least log loss on unseen rows; its logits (n, k).

    In each direction until it gets worse: three to five of the five are fitted.
    """

    def tried(strength: float) -> tuple[float, float, np.ndarray]:
        unseen = np.zeros((len(target), k))
        for fold in range(folds.max() + 1):
            check()
            out = folds == fold
            coef, intercept = _linear(standard[~out], target[~out], k, strength)
            unseen[out] = standard[out] @ coef.T + intercept
        loss = _log_losses(unseen, target)[folds >= 0].mean()
        return loss, strength, unseen

    fits = [tried(STRENGTH)]
    for direction in (WEAKER, STRONGER):
        last = fits[0]
        for strength in direction:
            fits.append(tried(strength))
            if fits[-1][0] >= last[0]:
                break
            last = fits[-1]
    best = min(fits, key=lambda fit: fit[0])
    return best[1], best[2]


def _log_losses(logits: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Log loss of each row, shape (n,)."""
    shifted = logits - logits.max(axis=1, keepdims=True)
    true = shifted[np.arange(len(shifted)), target]
    return np.log(np.exp(shifted).sum(axis=1)) - true


def _boost(
    varied: np.ndarray,
    linear: np.ndarray,
    target: np.ndarray,
    folds: np.ndarray,
    k: int,
    check: Callable[[], None],
) -> dict[str, np.ndarray]:
    """Trees of one model per fold, averaged, and the weights of the sum; or nothing.

    Each fold's model is rated on its held-out rows after every round; the round with
    the least log loss over all folds is where all stop.
    """
    seen = np.hstack([varied, linear[:, 1:]])
    rounds = TREES["max_iter"]
    # summed over the folds: the logits of every round would be many times the data
    losses = np.zeros(rounds)
    models = []

    def staged(fold: int) -> Iterator[np.ndarray]:
        for share in models[fold].staged_predict_proba(seen[folds == fold]):
            yield np.log(np.clip(share, 1e-12, 1))

    for fold in range(folds.max() + 1):
        check()
        out = folds == fold
        settings = {**TREES, "max_iter": rounds}
        model = HistGradientBoostingClassifier(random_state=fold, **settings)
        models.append(model.fit(seen[~out], target[~out]))
        for stage, logits in enumerate(staged(fold)):
            losses[stage] += _log_losses(logits, target[out]).sum()
        if fold == 0:
            # where the first fold needs few rounds the others do not need all
            rounds = min(rounds, int(1.5 * np.argmin(losses)) + 20)
            losses = losses[:rounds]
    best = int(np.argmin(losses))
    trees = np.zeros((len(target), k))
    for fold in range(len(models)):
        check()
        trees[folds == fold] = next(itertools.islice(staged(fold), best, None))
    held = folds >= 0
    linear, trees, target = linear[held], trees[held], target[held]
    weights = _weights(linear, trees, target)
    both = weights[0] * linear + weights[1] * trees
    gain = _log_losses(linear, target) - _log_losses(both, target)
    if gain.mean() < MIN_GAIN * gain.std() / np.sqrt(len(gain)):
        return {}
    return {"weights": weights, **_flatten(models, best + 1, k)}


def _weights(linear: np.ndarray, trees: np.ndarray, target: np.ndarray) -> np.ndarray:
    every = np.arange(len(target))

    def loss(weights: np.ndarray) -> tuple[float, np.ndarray]:
        logits = weights[0] * linear + weights[1] * trees
        error = softmax(logits)
        probability = np.clip(error[every, target], 1e-300, None)
        value = -np.log(probability).mean()
        error[every, target] -= 1
        slope = [(error * part).sum() / len(target) for part in (linear, trees)]
        return value, np.array(slope)

    bounds = [(0.0, MAX_WEIGHT)] * 2
    return minimize(loss, [0.0, 1.0], jac=True, bounds=bounds, method="L-BFGS-B").x


def _flatten(
    models: list[HistGradientBoostingClassifier], rounds: int, k: int
) -> dict[str, np.ndarray]:
    """Return the models' trees as arrays: their sum divided by their number.

    scikit-learn has no public form of these trees; a test compares the arrays'
    predictions with its own.
    """
    baseline = np.zeros(k)
    roots, tree_class, nodes = [], [], []
    start = 0
    first = 1 if k == 2 else 0  # two classes have one tree per round, for class 1
    for model in models:
        baseline[first:] += model._baseline_prediction.ravel() / len(models)
        for trees in model._predictors[:rounds]:
            for number, tree in enumerate(trees):
                table = tree.nodes.copy()
                inner = table["is_leaf"] == 0
                for side in ("left", "right"):
                    table[side] += start
                table["value"][inner] = 0.0
                nodes.append(table)
                roots.append(start)
                tree_class.append(number + first)
                start += len(table)
    table = np.concatenate(nodes)
    leaf = table["is_leaf"] == 1
    return {
        "baseline": baseline,
        "roots": np.array(roots, np.int32),
        "tree_class": np.array(tree_class, np.int32),
        "feature": np.where(leaf, 0, table["feature_idx"]).astype(np.int32),
        "threshold": np.where(leaf, 0.0, table["num_threshold"]),
        "left": np.where(leaf, CHILDLESS, table["left"].astype(np.int64)).astype("i4"),
        "right": np.where(leaf, CHILDLESS, table["right"].astype(np.int64)).astype(
            "i4"
        ),
        "value": table["value"] / len(models),
    }
