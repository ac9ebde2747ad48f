"""Ranking measures over many students at once, and paired bootstrap intervals."""

from __future__ import annotations

import numpy as np
from scipy import sparse

__all__ = ["gini", "hits", "ndcg", "ndcg_of", "paired_bootstrap", "recall", "top_k"]


def top_k(scores: np.ndarray, k: int) -> np.ndarray:
    """Return the columns of the k best scores a row, best first, shape (m, min(k, n)).

    Equal scores are ordered by column, so that a ranking is one and the same however
    the students are cut into blocks. Excluded columns carry -inf.
    """
    n = scores.shape[1]
    k = min(k, n)
    if n <= 4 * k:
        return np.argsort(-scores, axis=1, kind="stable")[:, :k]
    # a vectorised sort of the values finds the bound at a tenth of argpartition's cost
    bound = np.sort(scores, axis=1)[:, n - k]
    above = scores >= bound[:, None]
    tied = np.flatnonzero(np.count_nonzero(above, axis=1) != k)
    above[tied] = np.arange(n) < k
    part = np.flatnonzero(above).reshape(len(scores), k)
    part -= np.arange(0, above.size, n)[:, None]
    chosen = np.take_along_axis(scores, part, axis=1)
    top = np.take_along_axis(part, np.argsort(-chosen, axis=1, kind="stable"), axis=1)
    top[tied] = np.argsort(-scores[tied], axis=1, kind="stable")[:, :k]
    return top


def hits(top: np.ndarray, wanted: sparse.csr_matrix) -> np.ndarray:
    """Return whether each recommended app was wanted, shape of `top`."""
    dense = np.zeros(wanted.shape, dtype=bool)
    dense[
        np.repeat(np.arange(wanted.shape[0]), np.diff(wanted.indptr)), wanted.indices
    ] = 1
    return np.take_along_axis(dense, top, axis=1)


def ndcg(hit: np.ndarray, n_wanted: np.ndarray, k: int = 10) -> np.ndarray:
    """Return NDCG@k per student, binary gains, shape (m,); nan if none is wanted."""
    k = min(k, hit.shape[1])
    discount = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.append(0.0, np.cumsum(discount))[np.minimum(n_wanted, k)]
    gained = hit[:, :k] @ discount
    return np.divide(gained, ideal, out=np.full(len(hit), np.nan), where=ideal > 0)


def ndcg_of(scores: np.ndarray, wanted: sparse.csr_matrix, k: int = 10) -> np.ndarray:
    """Return NDCG@k per student of a ranking by `scores`, shape (m,).

    What `ndcg` says of the `hits` of `top_k`, at half the cost: the places of the few
    wanted apps follow from the k best scores, and no place of another app is needed.
    """
    m, n = scores.shape
    n_wanted = np.diff(wanted.indptr)
    row, app = np.repeat(np.arange(m), n_wanted), wanted.indices
    score = scores[row, app]
    best = np.sort(scores, axis=1)[row, max(n - k, 0) :]
    place = np.count_nonzero(best > score[:, None], axis=1)
    found = np.flatnonzero((place < k) & np.isfinite(score))
    row, app, score, best, place = (a[found] for a in (row, app, score, best, place))
    # equal scores are ordered by column; those at the end of `best` may go on after it
    equal = np.count_nonzero(best == score[:, None], axis=1)
    tied = np.flatnonzero((equal > 1) | (best[:, 0] == score))
    same = scores[row[tied]] == score[tied, None]
    place[tied] += np.count_nonzero(same & (np.arange(n) < app[tied, None]), axis=1)
    discount = np.append(1 / np.log2(np.arange(2, k + 2)), np.zeros(n))
    gained = np.bincount(row, discount[place], m)
    ideal = np.append(0.0, np.cumsum(discount))[np.minimum(n_wanted, min(k, n))]
    return np.divide(gained, ideal, out=np.full(m, np.nan), where=ideal > 0)


def recall(hit: np.ndarray, n_wanted: np.ndarray, k: int = 10) -> np.ndarray:
    """Return the share of wanted apps among the first k, shape (m,)."""
    found = hit[:, :k].sum(axis=1)
    return np.divide(found, n_wanted, out=np.full(len(hit), np.nan), where=n_wanted > 0)


def gini(counts: np.ndarray) -> float:
    """Return the Gini index of how often apps are recommended: 0 even, 1 one app."""
    ordered = np.sort(np.asarray(counts, float))
    total = ordered.sum()
    if total == 0:
        return 0.0
    n = len(ordered)
    return float((2 * np.arange(1, n + 1) - n - 1) @ ordered / (n * total))


def paired_bootstrap(
    ours: np.ndarray, theirs: np.ndarray, seed: int = 0, rounds: int = 2000
) -> tuple[float, float, float]:
    """Return the mean difference over students with its 95 % interval."""
    difference = (ours - theirs)[~np.isnan(ours - theirs)]
    if not len(difference):
        return float("nan"), float("nan"), float("nan")
    rng = np.random.default_rng(seed)
    means = [
        difference[rng.integers(0, len(difference), len(difference))].mean()
        for _ in range(rounds)
    ]
    low, high = np.quantile(means, [0.025, 0.975])
    return float(difference.mean()), float(low), float(high)
