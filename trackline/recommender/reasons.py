"""Why an app is recommended, in words; counts under 10 students are not told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

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
    shares = [rows.shares(layer.tau, layer.key) for layer in scorer.layers]
    size = max(_ENTRIES // max(rows.lengths.max(initial=0), 1), 1)
    for low in range(0, len(student), size):
        cut = slice(low, low + size)
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
    keep = (added > 0) & (used != wanted)
    which, used, added = which[keep], used[keep], added[keep]
    order = np.lexsort((used, -added, which))
    which, used = which[order], used[order]
    place = np.arange(len(which)) - np.searchsorted(which, which)
    found = np.full((len(student), most), -1)
    told = place < most
    found[which[told], place[told]] = used[told]
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
) -> np.ndarray:
    """Return one text per recommendation.

    Parameters
    ----------
    names : sequence of str
        Names of the apps by position.
    app : ndarray of int, shape (n,)
    used : ndarray of int, shape (n, most)
        From `contributors`.
    similar : ndarray of int, shape (n,)
        Students of the same band who used it with the first of `used` (without one:
        who used it).
    effects : DataFrame
        effect, effect_low, effect_high, is_associated, indexed by position of the app.
    """
    sure = effects[effects["is_associated"].eq(True)]
    claims = {
        place: " Its use is associated with improvement: "
        f"{row.effect:+.2f} SD in the later score "
        f"({row.effect_low:+.2f} to {row.effect_high:+.2f}); not proof of cause."
        for place, row in zip(sure.index, sure.itertuples(), strict=True)
    }
    texts = [
        _fit([names[i] for i in others if i >= 0], count) + claims.get(one, "")
        for one, others, count in zip(
            app.tolist(), used.tolist(), similar.tolist(), strict=True
        )
    ]
    return np.array(texts, dtype=object)


def _fit(used: list[str], similar: int) -> str:
    told = tell_count(similar)
    if not used:
        return f"Popular: {told} similar students use it."
    return (
        f"Fits with your use of {' and '.join(used)}: "
        f"{told} similar students use it with {used[0]}."
    )
