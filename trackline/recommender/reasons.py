"""Why an app is recommended, in words; counts under 10 students are not told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from trackline.recommender.frames import Rows
from trackline.recommender.model import Scorer

__all__ = ["FEWEST_TOLD", "contributors", "reason_texts", "tell_count"]

FEWEST_TOLD = 10
_ENTRIES = 1_000_000  # looked at together: some 70 MB


def contributors(
    rows: Rows, scorer: Scorer, student: np.ndarray, app: np.ndarray, most: int = 2
) -> np.ndarray:
    """Return the used apps that added most to each recommendation.

    Parameters
    ----------
    rows : Rows
        The histories.
    scorer : Scorer
        What scored them.
    student, app : ndarray of int, shape (n,)
        Positions of student and recommended app.

    Returns
    -------
    ndarray of int, shape (n, most)
        Positions of used apps by x_i * B_ij, largest first; -1 for none above 0.
    """
    found = np.full((len(student), most), -1)
    told = np.flatnonzero(rows.lengths[student] > 0)
    shares = [rows.shares(layer.tau) for layer in scorer.layers]
    size = max(_ENTRIES // max(rows.lengths.max(initial=0), 1), 1)
    for low in range(0, len(told), size):
        cut = told[low : low + size]
        found[cut] = _largest(rows, scorer, shares, student[cut], app[cut], most)
    return found


def _largest(
    rows: Rows,
    scorer: Scorer,
    shares: list[np.ndarray],
    student: np.ndarray,
    app: np.ndarray,
    most: int,
) -> np.ndarray:
    starts = np.cumsum(rows.lengths) - rows.lengths
    many = rows.lengths[student]
    # one entry per recommendation and app that its student used
    which = np.repeat(np.arange(len(student)), many)
    first = np.cumsum(many) - many
    entry = np.arange(len(which)) - first[which] + starts[student][which]
    used, wanted = rows.app[entry], app[which]
    added = np.zeros(len(which))
    for share, layer in zip(shares, scorer.layers, strict=True):
        added += share[entry] * layer.weights[used, wanted]
    added[used == wanted] = 0.0
    found = np.empty((len(student), most), int)
    for place in range(most):
        # of those that add the same the first by position, which a sort would cost more
        largest = np.maximum.reduceat(added, first)[which]
        is_best = (added == largest) & (added > 0)
        best = np.minimum.reduceat(np.where(is_best, used, len(rows.apps)), first)
        found[:, place] = np.where(best < len(rows.apps), best, -1)
        added[used == best[which]] = 0.0
    return found


def tell_count(count: int) -> str:
    """Return the count, or "<10"."""
    return f"<{FEWEST_TOLD}" if count < FEWEST_TOLD else f"{count:,}"


def reason_texts(
    names: Sequence[str],
    app: np.ndarray,
    used: np.ndarray,
    similar: np.ndarray,
    effects: pd.DataFrame,
) -> pa.Array:
    """Return one text per recommendation.

    Parameters
    ----------
    names : sequence of str
        Names of the apps by position.
    app : ndarray of int, shape (n,)
    used : ndarray of int, shape (n, 2)
        From `contributors`.
    similar : ndarray of int, shape (n,)
        Students of the same band who used it with the first of `used` (without one:
        who used it).
    effects : DataFrame
        effect, effect_low, effect_high, is_associated, indexed by position of the app.
    """
    sure = effects[effects["is_associated"].eq(True)]
    claims = [""] * len(names)
    for place, row in zip(sure.index, sure.itertuples(), strict=True):
        claims[place] = (
            " Its use is associated with improvement: "
            f"{row.effect:+.2f} SD in the later score "
            f"({row.effect_low:+.2f} to {row.effect_high:+.2f}); not proof of cause."
        )
    counts, count = np.unique(similar, return_inverse=True)
    first, second = used.T
    # sentences are put together from columns of their parts: a loop over millions of
    # rows would be most of the time of a build. Position -1 is the empty text
    parts = (
        _texts(["Popular", "Fits with your use of "], (first >= 0).astype(int)),
        _texts([*names, ""], first),
        _texts([*(f" and {name}" for name in names), ""], second),
        _texts([f": {tell_count(c)} similar students use it" for c in counts], count),
        _texts([*(f" with {name}." for name in names), "."], first),
        _texts(claims, app),
    )
    return pc.binary_join_element_wise(*parts, "")


def _texts(texts: list[str], at: np.ndarray) -> pa.Array:
    return pa.array(texts, pa.string()).take(
        pa.array(np.where(at < 0, len(texts) - 1, at))
    )
