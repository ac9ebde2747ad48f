"""The co-use matrix (Gram): who used both, who used one before the other.

It is additive over students: districts, folds and the pooled total are sums of parts,
and no part holds a student. `sql.gram_sql` makes the same numbers in a warehouse.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from trackline.recommender.frames import Rows

__all__ = [
    "MILLION", "NO_BAND", "Gram", "Steps", "blocks", "directed_count", "gram_of",
    "grams_by_band",
]  # fmt: skip

MILLION = 1_000_000
NO_BAND = ""  # the group of students whose band is not known
_BLOCK = 1 << 15  # students: `_packed` holds two sums in 51 bits
_BITS = 36
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
    bands : dict of str to ndarray of float, shape (n_apps + 1,)
        By band, NO_BAND included: the students who used each app; last, the students.
    """

    n_students: float
    pair: np.ndarray
    weighted: np.ndarray
    directed: np.ndarray | None = None
    bands: dict[str, np.ndarray] = field(default_factory=dict)

    def plus(self, other: Gram, times: float = 1.0) -> Gram:
        """Add `times` the other Gram over the same apps."""
        both = self.directed is not None and other.directed is not None
        return Gram(
            self.n_students + times * other.n_students,
            self.pair + times * other.pair,
            self.weighted + times * other.weighted,
            self.directed + times * other.directed if both else None,
            {
                band: self.bands.get(band, 0.0) + times * other.bands.get(band, 0.0)
                for band in self.bands.keys() | other.bands.keys()
            },
        )

    @property
    def n_bands(self) -> int:
        """Bands with students, those without a known band being one."""
        return sum(counts[-1] > 0 for counts in self.bands.values())

    def centred(self) -> np.ndarray:
        """Return the pair count around each band's own mean, shape (n_apps, n_apps).

        G - sum_b n_b mu_b mu_b', mu_b being the share of the n_b students of band b who
        used each app: what is left is co-use that the band does not explain.
        """
        matrix = self.pair.copy()
        # sums of floats depend on their order
        for _, counts in sorted(self.bands.items()):
            users, students = counts[:-1], counts[-1]
            if students > 0:
                matrix -= np.outer(users, users) / students
        return matrix


def _packed(
    block: sparse.csr_matrix, group: np.ndarray | int = 0, n_groups: int = 1
) -> np.ndarray:
    """Both sums of a block of at most 2^15 students, by group, from one sparse product.

    The right factor holds 2^36 + round(10^6 / n): the quotient by 2^36 is the pair
    count, the remainder the weighted one, both exact (2^15 * 10^6 < 2^36), in sums over
    groups too. Shape (n_groups, n_apps, n_apps).
    """
    n_students, n_apps = block.shape
    lengths = np.diff(block.indptr)
    # half up, as SQL rounds: a student of 128 apps counts 7813
    share = np.floor(MILLION / np.maximum(lengths, 1) + 0.5).astype(np.int64)
    place = np.repeat(np.broadcast_to(group, n_students) * n_apps, lengths)
    ones = sparse.csr_matrix(
        (np.ones(block.nnz, np.int64), place + block.indices, block.indptr),
        shape=(n_students, n_groups * n_apps),
    )
    packed = sparse.csr_matrix(
        (np.repeat(share + (1 << _BITS), lengths), block.indices, block.indptr),
        shape=block.shape,
    )
    product = (ones.T.tocsr() @ packed).toarray()
    return product.reshape(n_groups, n_apps, n_apps)


def _unpacked(packed: np.ndarray) -> np.ndarray:
    """Return pair and weighted counts, in a first dimension of two."""
    return np.stack([packed >> _BITS, packed & ((1 << _BITS) - 1)])


def _by_band(
    block: sparse.csr_matrix, band: np.ndarray | None
) -> Iterator[tuple[str, np.ndarray]]:
    used = np.diff(block.indptr) > 0
    if band is None:
        names, group = np.array([NO_BAND]), np.zeros(len(used), int)
    else:
        known = np.where(pd.isna(band), NO_BAND, band).astype(str)
        names, group = np.unique(known, return_inverse=True)
    entry = np.repeat(group, np.diff(block.indptr))
    for number, name in enumerate(names):
        apps = block.indices if band is None else block.indices[entry == number]
        users = np.bincount(apps, minlength=block.shape[1])
        yield str(name), np.append(users, np.count_nonzero(used & (group == number)))


def gram_of(
    parts: Iterable[tuple[sparse.csr_matrix, np.ndarray | None]],
    n_apps: int,
    directed: np.ndarray | None = None,
) -> Gram:
    """Sum the Gram over blocks of students.

    Parameters
    ----------
    parts : iterable of (sparse matrix, ndarray of object or None)
        Students x apps, one entry per use; the students' bands (null: not known), None
        where no student has one.
    n_apps : int
    directed : ndarray, shape (n_apps, n_apps), optional
    """
    counts = np.zeros((2, n_apps, n_apps), np.int64)
    n_students = 0
    bands: dict[str, np.ndarray] = {}
    for part, band in parts:
        for name, used in _by_band(part, band):
            bands[name] = bands.get(name, 0.0) + used
        for start in range(0, part.shape[0], _BLOCK):
            block = part[start : start + _BLOCK] if part.shape[0] > _BLOCK else part
            n_students += int(np.count_nonzero(np.diff(block.indptr)))
            counts += _unpacked(_packed(block)[0])
    return Gram(n_students, *counts.astype(float), directed, bands)


def blocks(
    rows: Rows, size: int = _BLOCK
) -> Iterator[tuple[sparse.csr_matrix, np.ndarray]]:
    """Cut rows (sorted by student) into sparse blocks of students, with their bands."""
    starts = np.append(0, np.cumsum(rows.lengths))
    for low in range(0, len(rows.students), size):
        high = min(low + size, len(rows.students))
        cut = slice(starts[low], starts[high])
        block = sparse.csr_matrix(
            (
                np.ones(starts[high] - starts[low]),
                rows.app[cut],
                starts[low : high + 1] - starts[low],
            ),
            shape=(high - low, len(rows.apps)),
        )
        yield block, rows.band[low:high]


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


def grams_by_band(rows: Rows) -> tuple[Gram, dict[str, np.ndarray]]:
    """Return the Gram of all students, and by band how many used both apps.

    One product for all bands: what each costs by itself is most of it where students
    are few.

    Returns
    -------
    Gram
    dict of str to ndarray of int, shape (n_apps, n_apps)
        By band; NO_BAND: students without one.
    """
    n_apps = len(rows.apps)
    known = np.where(pd.isna(rows.band), NO_BAND, rows.band).astype(str)
    names, group = np.unique(known, return_inverse=True)
    pairs = np.zeros((len(names), n_apps, n_apps), np.int32)
    whole = np.zeros((2, n_apps, n_apps), np.int64)
    first = 0
    for block, band in blocks(rows):
        packed = _packed(block, group[first : first + len(band)], len(names))
        for pair, counted in zip(pairs, packed, strict=True):
            pair += (counted >> _BITS).astype(np.int32)
        whole += _unpacked(packed.sum(axis=0))
        first += len(band)
    used = rows.lengths > 0
    users = pairs.diagonal(axis1=1, axis2=2)
    students = np.bincount(group[used], minlength=len(names))
    bands = np.column_stack([users, students]).astype(float)
    total = Gram(
        float(used.sum()),
        *whole.astype(float),
        bands=dict(zip(names.tolist(), bands, strict=True)),
    )
    return total, dict(zip(names.tolist(), pairs, strict=True))


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
