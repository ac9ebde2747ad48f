"""Interactions as arrays: one entry per student and app, sorted, folds by md5."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

__all__ = [
    "FOLDS", "Rows", "as_frame", "as_table", "codes_of", "days_of", "encode",
    "sorted_texts", "stacked", "student_hashes",
]  # fmt: skip

FOLDS = 5
_SECONDS_PER_DAY = 86_400.0


def as_frame(data: Any) -> pd.DataFrame:
    """Take a DataFrame, an Arrow table or a DuckDB relation as a DataFrame."""
    if isinstance(data, pd.DataFrame):
        return data
    for method in ("df", "to_pandas"):
        if hasattr(data, method):
            return getattr(data, method)()
    raise TypeError(
        f"a DataFrame with student_id and app_id is needed, not {type(data).__name__}"
    )


def as_table(data: pa.Table | pd.DataFrame) -> pa.Table:
    """Take a DataFrame as an Arrow table.

    What Arrow does with its columns keeps no other district from the interpreter.
    """
    if isinstance(data, pa.Table):
        return data
    return pa.Table.from_pandas(data, preserve_index=False)


def student_hashes(students: np.ndarray) -> np.ndarray:
    """Return the first 8 hex digits of md5(student id) as int64, shape (n,).

    An engine's own hash differs between engines and versions; md5 does not, so SQL
    makes the same folds (`gram_sql`).
    """
    digests = (hashlib.md5(str(s).encode()).hexdigest()[:8] for s in students)
    return np.fromiter((int(d, 16) for d in digests), np.int64, len(students))


@dataclass(frozen=True)
class Rows:
    """One entry per student and app, by student, then first use, then app.

    Attributes
    ----------
    students : ndarray of str, shape (n_students,)
    apps : ndarray of str, shape (n_apps,)
    student, app : ndarray of int, shape (n_rows,)
    first, last : ndarray of float, shape (n_rows,), or None
        First and last use in days since 1970; None when no time is known.
    weight : ndarray of float, shape (n_rows,)
    band : ndarray of object, shape (n_students,)
        Performance band, None when unknown.
    """

    students: np.ndarray
    apps: np.ndarray
    student: np.ndarray
    app: np.ndarray
    first: np.ndarray | None
    last: np.ndarray | None
    weight: np.ndarray
    band: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Students and apps."""
        return len(self.students), len(self.apps)

    @property
    def lengths(self) -> np.ndarray:
        """Number of apps per student, shape (n_students,)."""
        return np.bincount(self.student, minlength=len(self.students))

    def select(self, students: np.ndarray) -> Rows:
        """Keep only these students (sorted positions); the apps stay."""
        position = np.full(len(self.students), -1)
        position[students] = np.arange(len(students))
        keep = position[self.student] >= 0
        rows = self.filter(keep)
        return Rows(
            self.students[students],
            self.apps,
            position[rows.student],
            rows.app,
            rows.first,
            rows.last,
            rows.weight,
            self.band[students],
        )

    def filter(self, keep: np.ndarray) -> Rows:
        """Keep only these rows (boolean); students and apps stay."""
        return Rows(
            self.students,
            self.apps,
            self.student[keep],
            self.app[keep],
            None if self.first is None else self.first[keep],
            None if self.last is None else self.last[keep],
            self.weight[keep],
            self.band,
        )

    def matrix(self, values: np.ndarray | None = None) -> sparse.csr_matrix:
        """Return students x apps with these values, or ones."""
        values = np.ones(len(self.student)) if values is None else values
        return sparse.csr_matrix((values, (self.student, self.app)), shape=self.shape)

    def history(self, tau: float | None) -> sparse.csr_matrix:
        """Return `shares` as a matrix, students x apps."""
        return self.matrix(self.shares(tau))

    def shares(self, tau: float | None) -> np.ndarray:
        """Return each entry's share of its history: exp(-age / tau), or an even one.

        A history's shares add up to 1. Age counts from the first use back to that of
        the student's latest entry: what matters is the order and spacing of one
        student's use, not the date on which it is scored. (A last use may lie after
        what a validation hides, so it cannot be judged by one.)
        """
        values = np.ones(len(self.student))
        if tau is not None and self.first is not None and len(values):
            latest = np.full(len(self.students), -np.inf)
            np.maximum.at(latest, self.student, self.first)
            age = latest[self.student] - self.first
            # 500: an old history keeps an order instead of underflowing to zero
            values = np.exp(-np.minimum(age / tau, 500.0))
        total = np.bincount(self.student, values, minlength=len(self.students))
        return values / np.maximum(total, 1e-300)[self.student]


def stacked(parts: list[Rows]) -> Rows:
    """Put students under one another, those of the same name too; the apps are one."""
    first = parts[0]
    if len(parts) == 1:
        return first
    offset = np.cumsum([0, *(len(p.students) for p in parts[:-1])])
    timed = first.first is not None
    return Rows(
        np.concatenate([p.students for p in parts]),
        first.apps,
        np.concatenate([p.student + o for p, o in zip(parts, offset, strict=True)]),
        np.concatenate([p.app for p in parts]),
        np.concatenate([p.first for p in parts]) if timed else None,
        np.concatenate([p.last for p in parts]) if timed else None,
        np.concatenate([p.weight for p in parts]),
        np.concatenate([p.band for p in parts]),
    )


def days_of(column: pd.Series | pa.ChunkedArray) -> np.ndarray | None:
    """Return times as days since 1970, shape (n,); None where no time is known.

    A missing one counts as the earliest.
    """
    if isinstance(column, pa.ChunkedArray) and _is_number(column):
        days = column.cast(pa.float64()).to_numpy()
    elif isinstance(column, pa.ChunkedArray):
        stamps = column.cast(pa.timestamp("us"), safe=False).cast(pa.int64())
        days = stamps.to_numpy() / (1e6 * _SECONDS_PER_DAY)
    elif pd.api.types.is_numeric_dtype(column):
        days = column.to_numpy(float)
    else:
        stamps = pd.to_datetime(column, utc=True).dt.tz_localize(None)
        days = stamps.astype("datetime64[us]").astype("int64").to_numpy(float)
        days = np.where(stamps.isna(), np.nan, days / 1e6) / _SECONDS_PER_DAY
    if np.isnan(days).all():
        return None
    return np.where(np.isnan(days), np.nanmin(days), days)


def codes_of(
    column: pd.Series | pa.ChunkedArray, known: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    """Return ids as positions in their sorted names, shape (n,), and the names.

    Parameters
    ----------
    column : Series or ChunkedArray
        Text, numbers or categories; null is -1.
    known : ndarray of str or None
        The names, where they are given: others are -1 too.
    """
    if isinstance(column, pa.ChunkedArray):
        return _codes_of_arrow(column, known)
    if isinstance(column.dtype, pd.CategoricalDtype):
        codes, names = column.cat.codes.to_numpy(), column.cat.categories.to_numpy()
    else:
        codes, names = pd.factorize(column)
        names = np.asarray(names)
    if names.dtype.kind == "f" and np.all(names == np.floor(names)):
        names = names.astype(np.int64)  # whole numbers beside a null
    names = names.astype(str).astype(object)
    if known is None:
        present = np.bincount(codes[codes >= 0], minlength=len(names)) > 0
        known = np.unique(names[present].astype(str)).astype(object)
    target = pd.Index(known).get_indexer(names)
    return np.append(target, -1)[codes], known


def _is_number(column: pa.ChunkedArray) -> bool:
    return pa.types.is_integer(column.type) or pa.types.is_floating(column.type)


def _texts(column: pa.ChunkedArray) -> pa.ChunkedArray:
    if pa.types.is_floating(column.type):
        column = column.cast(pa.int64())  # whole numbers beside a null
    return column.cast(pa.string())


def _codes_of_arrow(
    column: pa.ChunkedArray, known: np.ndarray | None
) -> tuple[np.ndarray, np.ndarray]:
    texts = _texts(column)
    if known is None:
        known = sorted_texts([texts])
    names = pa.array(known, pa.string())
    codes = pc.index_in(texts, value_set=names, skip_nulls=True)
    return codes.fill_null(-1).to_numpy().astype(np.int64), known


def sorted_texts(columns: list[pa.ChunkedArray]) -> np.ndarray:
    """Return the distinct texts of some columns in order, shape (n,); no null."""
    chunks = [chunk for column in columns for chunk in _texts(column).chunks]
    texts = pa.chunked_array(chunks, pa.string()).unique().drop_null()
    # by bytes of UTF-8, which is by characters
    return texts.take(pc.array_sort_indices(texts)).to_numpy(zero_copy_only=False)


def encode(data: Any, apps: np.ndarray | None = None) -> Rows:
    """Turn interactions into `Rows`.

    Parameters
    ----------
    data : DataFrame, Arrow table or DuckDB relation
        student_id, app_id; optionally used_at (timestamp, or a number of days),
        weight (0 or less is no use; above, its size does not count, and one that is
        not told is a use) and band. An app_id of null names a student without a
        history.
    apps : ndarray of str, optional
        The apps of a fitted model; others are dropped.

    Raises
    ------
    ValueError
        If student_id or app_id is missing.
    """
    frame = as_frame(data)
    missing = {"student_id", "app_id"} - set(frame.columns)
    if missing:
        raise ValueError(
            f"interactions lack the column {' and '.join(sorted(missing))}"
        )
    frame = frame[frame["student_id"].notna()]
    student, students = codes_of(frame["student_id"], None)
    band = np.full(len(students), None, dtype=object)
    if "band" in frame:
        known = frame["band"].notna().to_numpy()
        # ascending: whatever the order of the rows, the same band wins
        pairs = sorted(
            set(zip(student[known], frame["band"][known].astype(str), strict=True))
        )
        for position, name in pairs:
            band[position] = name
    weight = np.ones(len(frame))
    if "weight" in frame:
        weight = frame["weight"].fillna(1).to_numpy(float)
    at = days_of(frame["used_at"]) if "used_at" in frame and len(frame) else None

    app, apps = codes_of(frame["app_id"].where(weight > 0), apps)
    used = app >= 0
    student, app, weight = student[used], app[used], weight[used]
    at = None if at is None else at[used]
    key = student.astype(np.int64) * max(len(apps), 1) + app
    if len(key) and np.any(np.diff(key) <= 0):
        # stable by weight too, so that sums do not depend on the order of the rows
        order = np.lexsort((weight, key))
        key, weight = key[order], weight[order]
        at = None if at is None else at[order]
    starts = np.flatnonzero(np.append(True, np.diff(key) > 0)) if len(key) else key
    first = last = None
    if at is not None and len(key):
        first, last = np.minimum.reduceat(at, starts), np.maximum.reduceat(at, starts)
    if len(key):
        weight = np.add.reduceat(weight, starts)
    key = key[starts] if len(key) else key
    student, app = np.divmod(key, max(len(apps), 1))
    if first is not None:
        order = np.lexsort((app, first, student))
        student, app, weight = student[order], app[order], weight[order]
        first, last = first[order], last[order]
    return Rows(students, apps, student, app, first, last, weight, band)
