"""The co-use matrix (Gram): who used both, who used one before the other.

It is additive over students: districts, folds and the pooled total are sums of parts,
and no part holds a student. `sql.gram_sql` makes the same numbers in a warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from trackline.recommender.frames import Rows

__all__ = ["MILLION", "Gram", "Steps", "blocks", "directed_count", "gram_of"]

MILLION = 1_000_000
_BLOCK = 1 << 15  # students: `_pair_and_weighted` packs two sums into 53 bits
_WINDOW = 64  # entries a step looks back: beyond, the decay has left nothing


@dataclass
class Gram:
    """Counts over students.

    Attributes
    ----------
    n_students : float
        Students with at least one app.
    pair : ndarray of float, shape (n_apps, n_apps)
        Students who used both; the diagonal is the number who used the app.
    weighted : ndarray of float, shape (n_apps, n_apps)
        The same, each student counting 1 / (number of own apps), in whole millionths
        (so that sums are exact whatever their order).
    directed : ndarray of float, shape (n_apps, n_apps), or None
        Students who first used the row's app strictly before the column's.
    """

    n_students: float
    pair: np.ndarray
    weighted: np.ndarray
    directed: np.ndarray | None = None

    def plus(self, other: Gram, times: float = 1.0) -> Gram:
        """Add `times` the other Gram over the same apps."""
        both = self.directed is not None and other.directed is not None
        return Gram(
            self.n_students + times * other.n_students,
            self.pair + times * other.pair,
            self.weighted + times * other.weighted,
            self.directed + times * other.directed if both else None,
        )


def _pair_and_weighted(block: sparse.csr_matrix) -> tuple[np.ndarray, np.ndarray]:
    """Both sums of a block of at most 2^15 students from one sparse product.

    The right factor holds 2^36 + round(10^6 / n): the quotient by 2^36 is the pair
    count, the remainder the weighted one, both exact (2^15 * 10^6 < 2^36).
    """
    lengths = np.diff(block.indptr)
    share = np.rint(MILLION / np.maximum(lengths, 1)).astype(np.int64)
    ones = sparse.csr_matrix(
        (np.ones(block.nnz, np.int64), block.indices, block.indptr), shape=block.shape
    )
    packed = sparse.csr_matrix(
        (np.repeat(share + (1 << 36), lengths), block.indices, block.indptr),
        shape=block.shape,
    )
    product = (ones.T.tocsr() @ packed).toarray()
    return product >> 36, product & ((1 << 36) - 1)


def gram_of(
    parts: Iterable[sparse.csr_matrix], n_apps: int, directed: np.ndarray | None = None
) -> Gram:
    """Sum the Gram over blocks of students (students x apps, one entry per use)."""
    pair = np.zeros((n_apps, n_apps), np.int64)
    weighted = np.zeros((n_apps, n_apps), np.int64)
    n_students = 0
    for part in parts:
        for start in range(0, part.shape[0], _BLOCK):
            block = part[start : start + _BLOCK] if part.shape[0] > _BLOCK else part
            n_students += int(np.count_nonzero(np.diff(block.indptr)))
            block_pair, block_weighted = _pair_and_weighted(block)
            pair += block_pair
            weighted += block_weighted
    return Gram(n_students, pair.astype(float), weighted.astype(float), directed)


def blocks(rows: Rows, size: int = _BLOCK) -> Iterator[sparse.csr_matrix]:
    """Cut rows (sorted by student) into sparse blocks of students."""
    starts = np.append(0, np.cumsum(rows.lengths))
    for low in range(0, len(rows.students), size):
        high = min(low + size, len(rows.students))
        cut = slice(starts[low], starts[high])
        yield sparse.csr_matrix(
            (
                np.ones(starts[high] - starts[low]),
                rows.app[cut],
                starts[low : high + 1] - starts[low],
            ),
            shape=(high - low, len(rows.apps)),
        )


def directed_count(rows: Rows) -> np.ndarray | None:
    """Count students by (app first used before, app first used after), or None."""
    if rows.first is None:
        return None
    n = len(rows.apps)
    total = np.zeros(n * n)
    for earlier, later in _lags(rows, len(rows.apps)):
        keep = rows.first[earlier] < rows.first[later]
        key = rows.app[earlier[keep]] * n + rows.app[later[keep]]
        total += np.bincount(key, minlength=n * n)
    return total.reshape(n, n)


def _lags(rows: Rows, window: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give, for each distance 1, 2, .., the pairs of entries of one student."""
    for lag in range(1, min(window, int(rows.lengths.max(initial=0))) + 1):
        earlier = np.flatnonzero(rows.student[lag:] == rows.student[:-lag])
        if not len(earlier):
            return
        yield earlier, earlier + lag


@dataclass
class Steps:
    """Moments of the step from a decayed history to the next few apps.

    Attributes
    ----------
    before : ndarray, shape (n_apps, n_apps)
        Sum over steps of z z', z being the decayed history before the step (adding up
        to 1).
    after : ndarray, shape (n_apps, n_apps)
        Sum of z y', y being the next apps.
    """

    before: np.ndarray
    after: np.ndarray

    @classmethod
    def of(cls, rows: Rows, tau: float, ahead: int) -> Steps:
        """Add up the steps of all students.

        Parameters
        ----------
        rows : Rows
            With times, sorted.
        tau : float
            Days after which a use weighs 1/e.
        ahead : int
            How many apps, from the step on, count as next.
        """
        n, m = len(rows.apps), len(rows.student)
        row, column, value = [], [], []
        for earlier, later in _lags(rows, _WINDOW):
            gap = rows.first[later] - rows.first[earlier]
            decay = np.exp(-gap / tau)
            keep = (gap > 0) & (decay > 1e-3)
            row.append(later[keep])
            column.append(rows.app[earlier[keep]])
            value.append(decay[keep])
        if not row:
            return cls(np.zeros((n, n)), np.zeros((n, n)))
        at, share = np.concatenate(row), np.concatenate(value)
        share = share / np.bincount(at, share, minlength=m)[at]
        history = sparse.csr_matrix((share, (at, np.concatenate(column))), shape=(m, n))
        row, column = [np.arange(m)], [rows.app]
        for earlier, later in _lags(rows, ahead - 1):
            row.append(earlier)
            column.append(rows.app[later])
        at = np.concatenate(row)
        following = sparse.csr_matrix(
            (np.ones(len(at)), (at, np.concatenate(column))), shape=(m, n)
        )
        before = (history.T @ history).toarray()
        return cls(before, (history.T @ following).toarray())
