"""Cold start: what the band uses, shrunk to the district, then to all districts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from trackline.recommender.frames import Rows

__all__ = ["BandPopularity"]

_STRENGTHS = (20.0, 30.0, 50.0, 70.0, 100.0)


def _shrunk(
    users: np.ndarray, n: np.ndarray, prior: np.ndarray, k: float
) -> np.ndarray:
    return (users + k * prior) / (n + k)


def strength(users: np.ndarray, n: np.ndarray, prior: np.ndarray) -> float:
    """Return the beta-binomial k in 20 to 100 that best predicts the groups' shares.

    k pseudo-students with the prior share; the marginal likelihood of the groups
    (users of n, shape (groups, apps)) decides.
    """
    share = np.clip(prior, 1e-6, 1 - 1e-6)
    fits = [
        np.sum(
            betaln(users + k * share, n - users + k * (1 - share))
            - betaln(k * share, k * (1 - share))
        )
        for k in _STRENGTHS
    ]
    return _STRENGTHS[int(np.argmax(fits))]


@dataclass
class BandPopularity:
    """Share of students who use an app, by band.

    Attributes
    ----------
    bands : list of str
    shares : ndarray, shape (len(bands) + 1, n_apps)
        The last row is for students without a band. 0: nobody anywhere uses it.
    """

    bands: list[str]
    shares: np.ndarray

    @classmethod
    def of(cls, rows: Rows) -> BandPopularity:
        """Count a whole data set, one district."""
        used = rows.lengths > 0
        bands = sorted({b for b in rows.band[used] if b is not None})
        place = {b: i for i, b in enumerate(bands)}
        group = np.array([place.get(b, len(bands)) for b in rows.band])
        users = np.zeros((len(bands) + 1, len(rows.apps)))
        np.add.at(users, (group[rows.student], rows.app), 1)
        n = np.bincount(group[used], minlength=len(bands) + 1).astype(float)
        return cls.shrink(bands, users, n)

    @classmethod
    def shrink(
        cls,
        bands: list[str],
        users: np.ndarray,
        n: np.ndarray,
        everywhere: np.ndarray | None = None,
    ) -> BandPopularity:
        """Shrink counts by band.

        Parameters
        ----------
        bands : list of str
        users : ndarray, shape (len(bands) + 1, n_apps)
            Students by band (last: none) who used the app.
        n : ndarray, shape (len(bands) + 1,)
            Students by band.
        everywhere : ndarray, shape (n_apps,), optional
            Share among the students of all districts.
        """
        prior = users.sum(axis=0) / max(n.sum(), 1.0)
        if everywhere is not None:
            k = strength(users.sum(axis=0)[None], n.sum(keepdims=True), everywhere)
            prior = _shrunk(users.sum(axis=0), n.sum(), everywhere, k)
        k = strength(users[:-1], n[:-1, None], prior) if bands else _STRENGTHS[0]
        shares = _shrunk(users, n[:, None], prior, k)
        shares[-1] = prior
        return cls(bands, shares)

    def scores(self, bands: np.ndarray) -> np.ndarray:
        """Return students x apps; an app that nobody uses is -inf."""
        place = {b: i for i, b in enumerate(self.bands)}
        shares = self.shares[[place.get(b, len(self.bands)) for b in bands]]
        return np.where(shares > 0, shares, -np.inf)
