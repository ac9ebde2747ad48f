"""What use is associated with, after adjusting for what was known before it.

One linear model per district explains the later score by the prior score, band, grade,
total use and every app at once; the estimates are corrected by a placebo (the same
model "explaining" a score that lies before the prior one, which no later use can have
changed) and shrunk app in district -> app overall. It remains an association: whoever
chose to use an app may differ in ways nobody recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse
from scipy.linalg import lapack
from scipy.special import ndtr, ndtri

from trackline.recommender.frames import as_table, codes_of
from trackline.recommender.members import mirrored
from trackline.recommender.threads import one_thread

__all__ = ["Outcome", "estimate_effects", "fit_district", "rerank", "shrink"]

MIN_ARM = 30  # students with and without the app: fewer, no estimate
MIN_SCHOOLS = 10  # clusters: a sandwich over fewer is too narrow
RELEVANT = 0.03  # SD: an effect worth a badge is greater than this
SURE = 0.9  # probability that it is
TOP = 20
_COPY = 0.03  # of a score's variance: less is left of no second test, but of a copy
_PIVOT = 1e-6  # columns of which less is left beside the others explain one another
_ROWS = 4096  # students x apps made dense at once
_GRID = np.array([0.0, 0.01, 0.02, 0.035, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3])


@dataclass
class Outcome:
    """Raw estimates of one district, in SD of the later score.

    Attributes
    ----------
    apps : list of str
        Apps with at least MIN_ARM students on either side.
    effect, variance : ndarray, shape (n_apps,)
    placebo, placebo_variance : ndarray, shape (n_apps,), or None
        The same for the score before the prior one; None if too few are known.
    """

    apps: list[str]
    effect: np.ndarray
    variance: np.ndarray
    placebo: np.ndarray | None
    placebo_variance: np.ndarray | None


def _regress(
    used: sparse.csr_array,
    beside: np.ndarray,
    outcome: np.ndarray,
    groups: np.ndarray | None,
) -> tuple[np.ndarray, np.ndarray] | None:
    """Return coefficients and robust variances of the columns of `used`.

    None where nearly nothing of the outcome, of variance 1, is left: one value for
    everybody, or a copy of the prior score, be it rounded or on another scale, is no
    score that use could have changed.

    The wider of two: HC3, which is honest at these sizes where HC1 is 5 to 10 % too
    narrow, and clusters by group, which is too narrow where groups are fewer than
    columns. A student uses few of the apps: no matrix of students x apps is made dense
    but one, of which blocks are enough.
    """
    bread = _inverse(_gram(used, beside))
    n_apps = used.shape[1]
    beta = bread @ np.append(used.T @ outcome, beside.T @ outcome)
    residual = outcome - used @ beta[:n_apps] - beside @ beta[n_apps:]
    n, p = len(outcome), len(bread)
    if residual @ residual < _COPY * max(n - p, 1):
        return None
    leverage = np.clip(_leverage(used, beside, bread), 0, 0.99)
    # what each student, or group, adds to the estimate, squared
    weight = np.square(residual / (1 - leverage))
    variance = _sandwich(bread, _gram(used, beside, weight))
    if groups is not None:
        n_groups = groups.max() + 1
        members = sparse.csr_array((residual, (groups, np.arange(n))), (n_groups, n))
        summed = np.hstack([(members @ used).toarray(), members @ beside])
        scale = n_groups / (n_groups - 1) * (n - 1) / max(n - p, 1)
        variance = np.maximum(variance, scale * _sandwich(bread, summed.T @ summed))
    return beta[:n_apps], variance[:n_apps]


def _gram(
    used: sparse.csr_array, beside: np.ndarray, weight: np.ndarray | None = None
) -> np.ndarray:
    """Return X'WX of X = [used, beside]."""
    of, by = used, beside
    if weight is not None:
        of, by = sparse.diags_array(weight) @ used, beside * weight[:, None]
    cross = used.T @ by
    return np.block([[(used.T @ of).toarray(), cross], [cross.T, beside.T @ by]])


def _inverse(gram: np.ndarray) -> np.ndarray:
    """Return the inverse; of columns that explain one another, the pseudo-inverse."""
    try:
        root = np.linalg.cholesky(gram)
    except np.linalg.LinAlgError:
        return np.linalg.pinv(gram, hermitian=True)
    pivots = np.diag(root)
    if pivots.min() < _PIVOT * pivots.max():
        return np.linalg.pinv(gram, hermitian=True)
    inverse, _ = lapack.dpotri(root, lower=1)
    return mirrored(inverse)


def _leverage(
    used: sparse.csr_array, beside: np.ndarray, bread: np.ndarray
) -> np.ndarray:
    """Return x' bread x of every row x of X = [used, beside]."""
    n_apps = used.shape[1]
    found = np.einsum("ij,ij->i", beside @ bread[n_apps:, n_apps:], beside)
    for low in range(0, len(found), _ROWS):
        some = used[low : low + _ROWS]
        pull = some @ bread[:n_apps, :n_apps]
        pull += 2 * (beside[low : low + _ROWS] @ bread[n_apps:, :n_apps])
        found[low : low + _ROWS] += some.multiply(pull).sum(axis=1)
    return found


def _sandwich(bread: np.ndarray, meat: np.ndarray) -> np.ndarray:
    return np.einsum("ij,ij->i", bread @ meat, bread)


def _dummies(column: pa.ChunkedArray) -> np.ndarray:
    """Return a column of ones a level but the first, shape (n, levels - 1)."""
    codes, levels = codes_of(column, None)
    return (codes[:, None] == np.arange(1, len(levels))).astype(float)


def _standard(values: np.ndarray) -> np.ndarray:
    return (values - values.mean()) / max(values.std(), 1e-12)


def fit_district(
    students: pa.Table | pd.DataFrame, uses: pa.Table | pd.DataFrame
) -> Outcome | None:
    """Estimate one district.

    Parameters
    ----------
    students : Table or DataFrame
        student_id, prior_score, later_score; optionally earlier_score (before the
        prior one), band, grade_level, school_id. One row per student.
    uses : Table or DataFrame
        student_id, app_id, usage_minutes strictly between prior and later score;
        optionally is_recommendable: effects of the others are not estimated, their
        minutes count as use.

    Returns
    -------
    Outcome or None
        None if no recommendable app has MIN_ARM students on either side, or nothing of
        the later score is left to explain.
    """
    students, uses = as_table(students), as_table(uses)
    scored = ~np.isnan(_numbers(students, "prior_score"))
    scored &= ~np.isnan(_numbers(students, "later_score"))
    students = students.filter(scored)
    if len(students) < 2 * MIN_ARM:
        return None
    # by student: sums of floats depend on the order
    place, ids = codes_of(students["student_id"], None)
    students = students.take(np.argsort(place))
    user, _ = codes_of(uses["student_id"], ids)
    app, names = codes_of(uses["app_id"], None)
    here = (user >= 0) & (app >= 0)
    minutes = sparse.csr_array(
        (_numbers(uses, "usage_minutes")[here], (user[here], app[here])),
        (len(ids), len(names)),
    )
    used = (minutes > 0).astype(float)
    both = _arms(used) >= MIN_ARM
    if "is_recommendable" in uses.column_names:
        both &= np.isin(np.arange(len(names)), app[_flags(uses, "is_recommendable")])
    if not both.any():
        return None
    used = used[:, np.flatnonzero(both)]
    apps = names[both].tolist()
    prior = _standard(_numbers(students, "prior_score"))
    total = _standard(np.log1p(minutes.sum(axis=1)))
    told = [c for c in ("band", "grade_level") if c in students.column_names]
    rest = np.column_stack(
        [np.ones(len(prior)), prior, prior**2, total]
        + [_dummies(students[c]) for c in told]
    )
    later = _standard(_numbers(students, "later_score"))
    # sums of floats depend on how they are divided
    with one_thread():
        found = _regress(used, rest, later, _schools(students))
    if found is None:
        return None
    placebo = None
    if "earlier_score" in students.column_names:
        earlier = _numbers(students, "earlier_score")
        known = ~np.isnan(earlier)
        columns = len(apps) + rest.shape[1]
        few = known.sum() <= 2 * columns or _arms(used[known]).min() < MIN_ARM
        if not few:
            with one_thread():
                placebo = _regress(
                    used[known],
                    rest[known],
                    _standard(earlier[known]),
                    _schools(students.filter(known)),
                )
    return Outcome(apps, *found, *(placebo or (None, None)))


def _numbers(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of numbers, shape (n,); nan where it is null."""
    return table[name].cast(pa.float64()).to_numpy()


def _flags(table: pa.Table, name: str) -> np.ndarray:
    """Return a column of truths, shape (n,)."""
    return table[name].to_numpy().astype(bool)


def _arms(used: sparse.csr_array) -> np.ndarray:
    """Return the students of the smaller side of each app: with it, or without."""
    users = used.sum(axis=0)
    return np.minimum(users, used.shape[0] - users)


def _schools(students: pa.Table) -> np.ndarray | None:
    """Return the number of every student's school; None: too few to cluster."""
    if "school_id" not in students.column_names:
        return None
    schools, names = codes_of(students["school_id"], None)
    return None if (schools < 0).any() or len(names) < MIN_SCHOOLS else schools


@dataclass
class Posterior:
    """What `shrink` knows of every estimate.

    Attributes
    ----------
    mean, own, shared : ndarray, shape (n,)
        Mean, and the variance split into what is the estimate's own and what it shares
        with the other districts of its app.
    probability : ndarray, shape (n,)
        Of being greater than RELEVANT.
    """

    mean: np.ndarray
    own: np.ndarray
    shared: np.ndarray
    probability: np.ndarray


def shrink(
    effect: np.ndarray,
    variance: np.ndarray,
    app: np.ndarray,
    bias: np.ndarray | None = None,
    center: float | None = None,
) -> Posterior:
    """Shrink estimates by two levels: app in district -> app overall -> all apps.

    effect_dj = mu + a_j + c_j + b_dj + error, a_j ~ N(0, s^2), b_dj ~ N(0, t^2); c_j
    is a bias that an app has in every district and that more districts do not average
    out. theta_dj = mu + a_j + b_dj. s and t are averaged over a grid by their marginal
    likelihood, not fixed at the best: with 20 apps the best is often 0 and would
    promise too much.

    Parameters
    ----------
    effect, variance : ndarray, shape (n,)
    app : ndarray of int, shape (n,)
        The app of each estimate.
    bias : ndarray, shape (number of apps,), optional
        Variance of c_j.
    center : float, optional
        mu; estimated when missing.
    """
    n_apps = app.max() + 1
    bias = np.zeros(n_apps) if bias is None else bias
    logs, means, owns, shareds = [], [], [], []
    for s in _GRID:
        for t in _GRID:
            precision = 1 / (variance + t**2)
            app_precision = np.bincount(app, precision, n_apps)
            app_mean = np.bincount(app, precision * effect, n_apps) / app_precision
            spread = s**2 + bias + 1 / app_precision
            mu, mu_variance = center, 0.0
            if mu is None:
                mu_variance = 1 / np.sum(1 / spread)
                mu = np.sum(app_mean / spread) * mu_variance
            log = -0.5 * np.sum(np.log(variance + t**2))
            log += -0.5 * np.sum(precision * (effect - app_mean[app]) ** 2)
            log += -0.5 * np.sum(np.log(spread * app_precision))
            log += -0.5 * np.sum((app_mean - mu) ** 2 / spread)
            logs.append(log + (0.5 * np.log(mu_variance) if mu_variance else 0.0))
            # app level: a alone, and a + c, which the districts see
            keep, seen = s**2 / spread, (s**2 + bias) / spread
            off = app_mean - mu
            overall_variance = s**2 * (1 - keep) + (1 - keep) ** 2 * mu_variance
            seen_variance = (s**2 + bias) * (1 - seen) + (1 - seen) ** 2 * mu_variance
            both = s**2 * (1 - seen) + (1 - keep) * (1 - seen) * mu_variance
            # district level
            own = t**2 * precision
            means.append(
                mu + (keep * off)[app] + own * (effect - mu - (seen * off)[app])
            )
            owns.append(own * variance)
            shareds.append(
                overall_variance[app]
                - 2 * own * both[app]
                + own**2 * seen_variance[app]
            )
    weight = np.exp(np.array(logs) - max(logs))
    weight /= weight.sum()
    mean, own, shared = np.array(means), np.array(owns), np.array(shareds)
    middle = weight @ mean
    sd = np.sqrt(np.maximum(own + shared, 1e-18))
    return Posterior(
        middle,
        weight @ own,
        weight @ (shared + (mean - middle) ** 2),
        weight @ ndtr((mean - RELEVANT) / sd),
    )


def estimate_effects(outcomes: dict[str, Outcome]) -> pd.DataFrame:
    """Calibrate and shrink the estimates of all districts together.

    Each estimate is shifted by its app's shrunk placebo effect and widened by the
    placebo's uncertainty. Without a placebo there is no badge.

    Parameters
    ----------
    outcomes : dict of district_id to Outcome

    Returns
    -------
    DataFrame
        district_id, app_id, effect, effect_low, effect_high (90 % interval, SD of the
        later score), probability (of an effect > RELEVANT), is_associated.
    """
    columns = ["district_id", "app_id", "effect", "effect_low", "effect_high"]
    columns += ["probability", "is_associated"]
    keys = [(d, a) for d in sorted(outcomes) for a in outcomes[d].apps]
    if not keys:
        return pd.DataFrame(columns=columns)
    ordered = [outcomes[d] for d in sorted(outcomes)]
    names = sorted({a for _, a in keys})
    app = pd.Index(names).get_indexer([a for _, a in keys])
    effect = np.concatenate([o.effect for o in ordered])
    variance = np.concatenate([o.variance for o in ordered])
    known = np.concatenate(
        [np.full(len(o.apps), o.placebo is not None) for o in ordered]
    )
    bias = np.zeros(len(names))
    if known.any():
        found = [o for o in ordered if o.placebo is not None]
        checked, codes = np.unique(app[known], return_inverse=True)
        placebo = shrink(
            np.concatenate([o.placebo for o in found]),
            np.concatenate([o.placebo_variance for o in found]),
            codes,
        )
        effect[known] -= placebo.mean
        variance[known] += placebo.own
        bias[checked] = np.bincount(codes, placebo.shared) / np.bincount(codes)

    def shrunk(which: np.ndarray) -> Posterior:
        apps, codes = np.unique(app[which], return_inverse=True)
        # no app is helped by what the others seem to do: the mean is taken as none
        return shrink(effect[which], variance[which], codes, bias[apps], center=0.0)

    made = shrunk(np.full(len(app), True))
    if known.any() and not known.all():
        # what was held against no placebo is no evidence for what was
        better = shrunk(known)
        for name, values in vars(made).items():
            values[known] = getattr(better, name)
    spread = ndtri(0.95) * np.sqrt(made.own + made.shared)
    return pd.DataFrame(
        {
            "district_id": [d for d, _ in keys],
            "app_id": [a for _, a in keys],
            "effect": made.mean,
            "effect_low": made.mean - spread,
            "effect_high": made.mean + spread,
            "probability": made.probability,
            "is_associated": (made.probability >= SURE) & known,
        }
    )


def rerank(scores: np.ndarray, low: np.ndarray, weight: float) -> np.ndarray:
    """Return the order of every student's candidates, best first, shape (m, c).

    The first TOP by relevance are ordered by relevance x (1 + weight * lower bound);
    an unsure estimate does not demote (a lower bound under 0 counts as 0). Relevance is
    exp of the score in the student's own spread: 1 for the best.

    Parameters
    ----------
    scores : ndarray, shape (m, c), best first, -inf where there is no candidate
    low : ndarray, shape (m, c)
        Lower bounds in SD, nan without an estimate.
    weight : float
        0 leaves the order as it is.
    """
    head = np.where(np.isfinite(scores), scores, np.nan)[:, :TOP]
    n = np.maximum(np.isfinite(head).sum(axis=1), 1)
    filled = np.nan_to_num(head)
    spread = np.sqrt(np.maximum((filled**2).sum(1) / n - (filled.sum(1) / n) ** 2, 0))
    relevance = np.exp((head - head[:, :1]) / np.maximum(spread, 1e-12)[:, None])
    value = relevance * (1 + weight * np.nan_to_num(np.maximum(low[:, :TOP], 0.0)))
    order = np.argsort(-np.nan_to_num(value, nan=-1.0), axis=1, kind="stable")
    rest = np.arange(head.shape[1], scores.shape[1])
    return np.hstack([order, np.tile(rest, (len(scores), 1))])
