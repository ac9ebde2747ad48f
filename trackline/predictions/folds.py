"""Which rows are held out together while a model is fitted.

Rows of one student, and of one course, are alike: a learner that holds out single rows
finds their siblings again and trusts itself too much. Measured on the Open University's
courses, each predicted from the others (docs/benchmarks-insights.md): Brier score 0.102
with single rows held out, 0.083 with whole courses.

The protocol's dataset names neither, but shows both: a `/mean` column is the mean over
a course's students in a range, and the rows of a course stand together.
"""

from __future__ import annotations

import warnings

import numpy as np
from sklearn.model_selection import StratifiedGroupKFold

__all__ = ["courses_of", "folds_of", "stratified_folds", "stratified_order"]

MEAN, RANGE = "/mean", "range/"
# more are joined with their neighbours: assigning each costs 0.1 ms
MAX_COURSES = 400
# a fit on less than this share of the rows would say little about a fit on all
MIN_SHARE = 0.25


def folds_of(
    features: np.ndarray,
    target: np.ndarray,
    columns: tuple[str, ...],
    count: int,
    *,
    fewest_courses: int = 2,
    seed: int = 0,
) -> np.ndarray:
    """Assign rows to folds: whole courses where they can be told, else single rows.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    target : ndarray of int, shape (n,)
    columns : tuple of str
        Names of the features.
    count : int
        Folds wanted; there are fewer where there are fewer courses.
    fewest_courses : int
        With fewer, single rows are assigned.
    seed : int

    Returns
    -------
    ndarray of int, shape (n,)
        From 0; -1 where a row can never be held out. What is left without a fold
        holds every class.
    """
    courses = courses_of(features, columns)
    found = int(courses.max(initial=0)) + 1
    if found >= fewest_courses:
        if found > MAX_COURSES:
            courses = courses * MAX_COURSES // found
        folds = _whole_groups(courses, target, min(count, found), seed)
        if folds is not None:
            return folds
    return stratified_folds(target, count, seed)


def courses_of(features: np.ndarray, columns: tuple[str, ...]) -> np.ndarray:
    """Find which course each row comes from: numbers from 0, shape (n,).

    A row begins a new course if its means differ from those that its range had in the
    course before. So it does not matter whether a file goes by range, as Moodle's do,
    or by student.
    """
    means = [i for i, name in enumerate(columns) if name.endswith(MEAN)]
    if not means or not len(features):
        return np.zeros(len(features), int)
    ranges = [i for i, name in enumerate(columns) if name.startswith(RANGE)]
    where = features[:, ranges].argmax(axis=1) if ranges else np.zeros(len(features))
    _, block = np.unique(features[:, means], axis=0, return_inverse=True)
    number, seen, courses = 0, {}, []
    for row in zip(where.tolist(), block.ravel().tolist(), strict=True):
        if seen.setdefault(*row) != row[1]:
            number, seen = number + 1, dict([row])
        courses.append(number)
    return np.array(courses)


def stratified_folds(target: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Assign rows to folds 0..count-1 so that every class is spread evenly.

    The only row of a class gets fold -1: it can never be held out.
    """
    random = np.random.default_rng(seed)
    folds = np.full(len(target), -1)
    offset = 0
    for value in np.unique(target):
        rows = random.permutation(np.flatnonzero(target == value))
        if len(rows) > 1:
            folds[rows] = (np.arange(len(rows)) + offset) % count
            offset += len(rows)
    return folds


def stratified_order(target: np.ndarray, seed: int) -> np.ndarray:
    """Return rows in a random order of which any beginning has the shares of all."""
    random = np.random.default_rng(seed)
    place = np.empty(len(target))
    for value in np.unique(target):
        rows = random.permutation(np.flatnonzero(target == value))
        place[rows] = (np.arange(len(rows)) + 0.5) / len(rows)
    return np.argsort(place, kind="stable")


def _whole_groups(
    groups: np.ndarray, target: np.ndarray, count: int, seed: int
) -> np.ndarray | None:
    """Spread the classes evenly without cutting a group; None if a fit would lack."""
    if np.bincount(target).max() < count:
        return None
    splitter = StratifiedGroupKFold(count, shuffle=True, random_state=seed)
    folds = np.zeros(len(target), int)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a class with few rows: see below
        for fold, (_, out) in enumerate(splitter.split(target, target, groups)):
            folds[out] = fold
    for fold in range(count):
        left = target[folds != fold]
        lacks = len(np.unique(left)) < len(np.unique(target))
        if lacks or len(left) < MIN_SHARE * len(target) or len(left) == len(target):
            return None
    return folds
