"""What the students of one district used, as the warehouse hands it over."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import sparse

from trackline.recommender.frames import (
    Rows,
    as_table,
    codes_of,
    days_of,
    sorted_texts,
)
from trackline.recommender.model import sample_of

__all__ = ["Use"]


@dataclass(frozen=True)
class Use:
    """The use of everyone, and who of them gets recommendations.

    Attributes
    ----------
    everyone : Rows
        All students who used an app or get recommendations.
    asked : ndarray of int, shape (n_asked,)
        Positions of those who get recommendations, ascending.
    used_now : ndarray of bool, shape (n_rows,)
        Which entries of `everyone` count as used now.
    """

    everyone: Rows
    asked: np.ndarray
    used_now: np.ndarray

    @classmethod
    def of(
        cls,
        histories: pa.Table | pd.DataFrame,
        students: pa.Table | pd.DataFrame,
        apps: np.ndarray,
    ) -> Use:
        """Encode two tables of one district.

        Parameters
        ----------
        histories : Table or DataFrame
            One row per student and app: student_id, app_id, band, first_used_on,
            last_used_on, is_used.
        students : Table or DataFrame
            student_id, band of those who get recommendations.
        apps : ndarray of str
            Sorted; others are left out.
        """
        histories, students = as_table(histories), as_table(students)
        names = sorted_texts([histories["student_id"], students["student_id"]])
        user, _ = codes_of(histories["student_id"], names)
        place, _ = codes_of(students["student_id"], names)
        app, _ = codes_of(histories["app_id"], apps)
        known = app >= 0
        used, student, app = histories.filter(known), user[known], app[known]
        first, last = (days_of(used[c]) for c in ("first_used_on", "last_used_on"))
        by = (app, student) if first is None else (app, first, student)
        order = np.lexsort(by)
        band = np.full(len(names), None, dtype=object)
        for at, column in ((student, used["band"]), (place, students["band"])):
            code, bands = codes_of(column, None)
            told = code >= 0
            band[at[told]] = bands[code[told]]
        everyone = Rows(
            names,
            apps,
            student[order],
            app[order],
            None if first is None else first[order],
            None if last is None else last[order],
            np.ones(len(order)),
            band,
        )
        now = used["is_used"].to_numpy()[order]
        return cls(everyone, np.sort(place), now)

    def rows(self) -> Rows:
        """Return the histories of those who get recommendations."""
        return self.everyone.select(self.asked)

    def sample(self) -> Rows:
        """Return those of `rows` whom a validation may ask: they have a history."""
        rows = self.rows()
        return sample_of(rows.select(np.flatnonzero(rows.lengths > 0)))

    def in_use(self) -> sparse.csr_matrix:
        """Return what counts as used now, of the students and apps of `rows`."""
        return self.everyone.matrix(self.used_now)[self.asked]

    def window(self) -> list[str]:
        """Return the first and the last day of use, as ISO dates."""
        rows = self.everyone
        if rows.first is None:
            return []
        ends = rows.first.min(), rows.last.max()
        return [str(np.datetime64(int(day), "D")) for day in ends]

    def fingerprint(self) -> str:
        """Return sha256 over all of it, whatever the order in which it came."""
        rows = self.everyone
        digest = hashlib.sha256()
        for texts in (rows.students, rows.apps, rows.band):
            told = ("" if text is None else f"={text}" for text in texts)
            digest.update(f"{len(texts)}:{chr(0).join(told)}".encode())
        numbers = [rows.student, rows.app, self.asked, self.used_now]
        numbers += [rows.first, rows.last] if rows.first is not None else []
        for values in numbers:
            digest.update(f"{len(values)}:".encode())
            digest.update(np.asarray(values).astype(float).tobytes())
        return digest.hexdigest()
