"""The family of models: each a function of an apps x apps matrix of counts.

Every member returns B, apps x apps: a history x (shares that add up to 1) is scored as
x @ B. Settings are relative to the number of students, so that a setting chosen on four
fifths of them holds for all.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable

import numpy as np
from scipy.linalg import lapack

from trackline.recommender.gram import MILLION, Gram, Steps

__all__ = ["GRIDS", "MEMBERS", "STEP_GRID", "mirrored", "solve"]


# of SLIM's rounds, in geometric means of ridge and mean diagonal: half of the rounds
# that a fixed one takes where the ridge is large
_PENALTY = 3.0
_RELAXED = np.float32(1.8)
_ROUNDS, _NEAR = 200, 0.01


def inverse(matrix: np.ndarray) -> np.ndarray:
    """Invert a symmetric positive definite matrix by Cholesky (n^3 operations)."""
    factor, bad = lapack.dpotrf(matrix, lower=1)
    if bad:
        return np.linalg.pinv(matrix, hermitian=True)
    half, _ = lapack.dpotri(factor, lower=1)
    return mirrored(half)


def mirrored(lower: np.ndarray) -> np.ndarray:
    """Return the symmetric matrix of a lower triangle, above which is nothing but 0."""
    whole = lower + lower.T
    np.fill_diagonal(whole, np.diag(lower))
    return whole


def _keep_largest(matrix: np.ndarray, neighbours: int | None) -> np.ndarray:
    if neighbours is None or neighbours >= len(matrix):
        return matrix
    bound = -np.partition(-matrix, neighbours - 1, axis=0)[neighbours - 1]
    return np.where(matrix >= bound, matrix, 0.0)


def evened(gram: Gram, even: float) -> np.ndarray:
    """Mix the pair count with the one in which every student counts the same.

    even 0: a student weighs by the number of own apps; 1: 1 / that number, on the scale
    of the pair count. Few apps tell more about one another than many.
    """
    if not even:
        return gram.pair
    mean = np.trace(gram.pair) / max(gram.n_students, 1)
    return (1 - even) * gram.pair + even * mean / MILLION * gram.weighted


def edlae(
    gram: Gram, ridge: float, dropout: float, even: float, centred: bool = False
) -> np.ndarray:
    """EASE with a dropout diagonal (Steck 2019; 2020): B_ij = -P_ij / P_jj.

    Centred, B explains what differs from the band's mean; the overall mean m comes back
    as that of a history of mean length: x B + (m - m B) / sum(m). It stands in every
    row, as x adds up to 1, so scoring asks for no band. (`even` has no centred form:
    the sum of 1 / own apps over a band's students is not counted.)
    """
    pair = gram.centred() if centred else evened(gram, even)
    diagonal = ridge * gram.n_students + dropout / (1 - dropout) * np.diag(pair) + 1e-9
    precision = inverse(pair + np.diag(diagonal))
    weights = -precision / np.diag(precision)
    np.fill_diagonal(weights, 0.0)
    if centred:
        mean = np.diag(gram.pair)
        weights += (mean - mean @ weights) / max(mean.sum(), 1e-9)
    return weights


def slim(gram: Gram, ridge: float, sparsity: float, even: float) -> np.ndarray:
    """Non-negative SLIM by ADMM (Steck, Dimakopoulou, Riabov, Jebara 2020).

    The rounds end within 2 % of the solution: about half of that is what they estimate
    to be left. That is after some 6 with 500 apps, after many more with a few that
    nearly everybody uses. They run in single precision, at half the time: each corrects
    the last.
    """
    pair, n = evened(gram, even), len(gram.pair)
    ridge = ridge * gram.n_students
    rho = max(_PENALTY * np.sqrt(ridge * np.trace(pair) / n), 1e-6)
    size = ridge + rho
    precision = inverse(pair + size * np.eye(n))
    start = (np.eye(n) - size * precision).astype(np.float32)  # precision @ pair
    precision = (rho * precision).astype(np.float32)
    weights, dual = np.zeros_like(start), np.zeros_like(start)
    bound = np.float32(sparsity * gram.n_students / rho)
    moves: list[float] = []
    free = start.copy()
    for _ in range(_ROUNDS):
        free -= precision * (np.diag(free) / np.diag(precision))
        dual += _RELAXED * free + (1 - _RELAXED) * weights
        last, weights = weights, np.maximum(dual - bound, 0.0)
        dual -= weights
        moves.append(float(np.abs(weights - last).sum()))
        if _ahead(moves) <= _NEAR * weights.sum():
            break
        free = start + precision @ (weights - dual)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(float)


def _ahead(moves: list[float]) -> float:
    """Estimate how far rounds still have to go that shrink by a steady ratio."""
    if len(moves) < 3 or not all(moves[-3:-1]):
        return np.inf
    first, second, third = moves[-3:]
    ratio = min(max(second / first, third / second), 0.995)
    return third * ratio / (1 - ratio)


def rp3beta(
    gram: Gram, alpha: float, beta: float, neighbours: int | None
) -> np.ndarray:
    """Three-step random walk damped by popularity (Paudel et al. 2016).

    The walk app -> student -> app is the Gram weighted by 1 / apps of the student, over
    the app's own count.
    """
    count = np.maximum(np.diag(gram.pair), 1e-9)
    walk = (gram.weighted / count[:, None]) ** alpha / count[None, :] ** beta
    np.fill_diagonal(walk, 0.0)
    return _keep_largest(walk, neighbours)


def cosine(
    gram: Gram, asymmetry: float, power: float, neighbours: int | None, even: float
) -> np.ndarray:
    """Item-kNN: co-use over the counts' product; asymmetry 0.5 is the plain cosine."""
    pair = evened(gram, even)
    count = np.maximum(np.diag(pair), 1e-9)
    scale = count[:, None] ** asymmetry * count[None, :] ** (1 - asymmetry)
    near = (pair / scale) ** power
    np.fill_diagonal(near, 0.0)
    return _keep_largest(near, neighbours)


def directed(gram: Gram, ridge: float, damping: float) -> np.ndarray:
    """Directed ridge: what was used after, explained by all that was used before."""
    if gram.directed is None:
        raise ValueError("the directed member needs a Gram with a directed count")
    count = np.maximum(np.diag(gram.pair), 1e-9)
    size = ridge * gram.n_students + 1e-9
    weights = inverse(gram.pair + size * np.eye(len(count))) @ gram.directed
    weights = weights / count[None, :] ** damping
    np.fill_diagonal(weights, 0.0)
    return weights


def walk(gram: Gram, asymmetry: float, power: float) -> np.ndarray:
    """Directed cosine: the share of an app's users who went on to the other one."""
    count = np.maximum(np.diag(gram.pair), 1e-9)
    scale = count[:, None] ** asymmetry * count[None, :] ** (1 - asymmetry)
    return (gram.directed / scale) ** power


def popularity(gram: Gram, power: float) -> np.ndarray:
    """Score everyone alike: the app's share of the students."""
    share = (np.diag(gram.pair) / max(gram.n_students, 1)) ** power
    return np.tile(share, (len(share), 1))


def steps(statistics: Steps, ridge: float) -> np.ndarray:
    """Ridge of the next few apps on the decayed history before every step.

    The directed ridge with the right-hand side and the normal matrix taken from the
    same moments: +5 % NDCG@10 over decayed BM25 on OULAD, where counting pairs of a
    whole history lost to it.
    """
    before = statistics.before
    size = ridge * max(np.trace(before) / max(len(before), 1), 1e-9)
    weights = inverse(before + size * np.eye(len(before))) @ statistics.after
    np.fill_diagonal(weights, 0.0)
    return weights


MEMBERS: dict[str, Callable[..., np.ndarray]] = {
    "popularity": popularity,
    "cosine": cosine,
    "rp3beta": rp3beta,
    "edlae": edlae,
    "slim": slim,
    "directed": directed,
    "walk": walk,
}


def _grid(**options: tuple) -> list[dict]:
    names = list(options)
    return [
        dict(zip(names, v, strict=True)) for v in itertools.product(*options.values())
    ]


# At most 24 settings a member. Large problems take every second or fourth one: three
# values stand last, so that what is taken covers all options.
GRIDS: dict[str, list[dict]] = {
    "popularity": _grid(power=(1.0,)),
    "cosine": _grid(
        even=(0, 1), power=(1.0, 2.0), neighbours=(None, 20), asymmetry=(0.5, 0.7, 1.0)
    ),
    "rp3beta": _grid(
        beta=(0.0, 0.2, 0.4, 0.6), neighbours=(None, 50), alpha=(0.7, 1.0, 1.4)
    ),
    "edlae": _grid(
        even=(0, 1), ridge=(0.002, 0.01, 0.05, 0.25), dropout=(0.25, 0.5, 0.75)
    ),
    "slim": _grid(even=(0, 1), ridge=(0.03, 0.2), sparsity=(0.0, 0.0005, 0.003)),
    "directed": _grid(ridge=(0.003, 0.03, 0.3, 3.0), damping=(0.0, 0.3)),
    "walk": _grid(asymmetry=(0.3, 0.5, 0.7, 1.0), power=(1.0, 1.5)),
}
STEP_GRID = _grid(ahead=(1, 4), share=(3.0, 7.0, 20.0), ridge=(0.8, 0.2))
"""share: tau is the students' median span over it; ahead: how many next apps count.

The ridge, which makes the least difference, stands last: large problems take one."""


def solve(member: str, gram: Gram, setting: dict) -> np.ndarray:
    """Return the member's B, shape (n_apps, n_apps)."""
    return MEMBERS[member](gram, **setting)
