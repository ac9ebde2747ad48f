"""Co-use of all districts together: what one district may borrow of the others.

It holds no student, and pairs under 10 students of the others are left out.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from trackline.recommender.frames import codes_of
from trackline.recommender.gram import NO_BAND, Gram
from trackline.recommender.reasons import FEWEST_TOLD

__all__ = ["Pool"]


@dataclass(frozen=True)
class Pool:
    """Co-use counts of all districts together.

    Attributes
    ----------
    n_students : float
        Students counted.
    apps : Index of str
        All of them.
    pair, weighted : sparse array, shape (n_apps + 1, n_apps + 1)
        As in `Gram`; the last row and column are of an app that nobody used.
    """

    n_students: float
    apps: pd.Index
    pair: sparse.csr_array
    weighted: sparse.csr_array

    @classmethod
    def of(cls, co_use: pd.DataFrame, n_students: float | None = None) -> Pool:
        """Read the rows of int_co_use.

        Parameters
        ----------
        co_use : DataFrame
            app_id, next_app_id, pair_count and weighted_count; rows of one pair are
            added up.
        n_students : float, optional
            Students counted, where these are not all of the rows.
        """
        one, apps = codes_of(co_use["app_id"], None)
        other, _ = codes_of(co_use["next_app_id"], apps)
        if n_students is None:
            # a student's shares add up to one
            n_students = round(co_use["weighted_count"][one == other].sum() / 1e6)
        shape = (len(apps) + 1, len(apps) + 1)
        pair, weighted = (
            sparse.csr_array((co_use[name].to_numpy(float), (one, other)), shape)
            for name in ("pair_count", "weighted_count")
        )
        return cls(n_students, pd.Index(apps), pair, weighted)

    def shares_without(self, own: Gram, apps: np.ndarray) -> np.ndarray | None:
        """Return the share of the other districts' students who use each app.

        Parameters
        ----------
        own : Gram
            What of the pool is the district's own.
        apps : ndarray of str
            The district's.

        Returns
        -------
        ndarray of float, shape (n_apps,), or None
            0 where fewer than 10 of them do; None where they are fewer than 10.
        """
        n = self.n_students - own.n_students
        if n < FEWEST_TOLD:
            return None
        users = self.pair.diagonal()[self.apps.get_indexer(apps)] - np.diag(own.pair)
        return np.where(users >= FEWEST_TOLD, users, 0) / n

    def without(self, own: Gram, apps: np.ndarray) -> Gram | None:
        """Return co-use per student of the other districts, without cells under 10.

        Parameters and what None means are those of `shares_without`, which stands on
        the diagonal.
        """
        shares = self.shares_without(own, apps)
        if shares is None:
            return None
        n = self.n_students - own.n_students
        at = self.apps.get_indexer(apps)
        pair = self.pair[at][:, at].toarray() - own.pair
        weighted = self.weighted[at][:, at].toarray() - own.weighted
        seen = pair >= FEWEST_TOLD
        pair, weighted = (np.where(seen, counts, 0) / n for counts in (pair, weighted))
        # who is in which band is known of no other district
        return Gram(1.0, pair, weighted, bands={NO_BAND: np.append(shares, 1.0)})
