"""Co-use of all districts together: what one district may borrow of the others.

It holds no student, and pairs under 10 students of the others are left out.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from trackline.recommender.frames import codes_of
from trackline.recommender.gram import NO_BAND, Gram
from trackline.recommender.reasons import FEWEST_TOLD

__all__ = ["of_others", "pool_size"]


def pool_size(co_use: pd.DataFrame) -> float:
    """Return how many students the rows of all districts together count."""
    diagonal = co_use[co_use["app_id"] == co_use["next_app_id"]]
    # a student's shares add up to one
    return round(diagonal["weighted_count"].sum() / 1e6)


def of_others(
    co_use: pd.DataFrame, pool: float, own: Gram, apps: np.ndarray
) -> Gram | None:
    """Return co-use per student of the other districts, without cells under 10.

    Parameters
    ----------
    co_use : DataFrame
        Of all districts together; rows of one pair are added up.
    pool : float
        Students counted there.
    own : Gram
        What of it is the district's own.
    apps : ndarray of str

    Returns
    -------
    Gram or None
        None where the others are fewer than 10 students.
    """
    n = pool - own.n_students
    if n < FEWEST_TOLD:
        return None
    one, other = (codes_of(co_use[c], apps)[0] for c in ("app_id", "next_app_id"))
    known = (one >= 0) & (other >= 0)

    def others(name: str, mine: np.ndarray) -> np.ndarray:
        everywhere = np.zeros(mine.shape)
        np.add.at(everywhere, (one[known], other[known]), co_use[name][known])
        return everywhere - mine

    pair = others("pair_count", own.pair)
    seen = pair >= FEWEST_TOLD
    weighted = np.where(seen, others("weighted_count", own.weighted), 0) / n
    pair = np.where(seen, pair, 0) / n
    # who is in which band is known of no other district
    bands = {NO_BAND: np.append(np.diag(pair), 1.0)}
    return Gram(1.0, pair, weighted, bands=bands)
