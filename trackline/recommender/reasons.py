"""Why an app is recommended, in words; counts under 10 students are not told."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from trackline.recommender.frames import Rows
from trackline.recommender.model import Scorer

__all__ = ["FEWEST_TOLD", "contributors", "reason_texts", "tell_count"]

FEWEST_TOLD = 10


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
    n_apps = len(rows.apps)
    found = np.full((len(student), most), -1)
    parts = scorer.contributions(rows)
    size = max(2_000_000 // max(n_apps, 1), 1)
    for low in range(0, len(student), size):
        who, what = student[low : low + size], app[low : low + size]
        added = np.zeros((len(who), n_apps))
        for history, weights in parts:
            added += history[who].toarray() * weights[:, what].T
        np.put_along_axis(added, what[:, None], 0.0, axis=1)
        order = np.argsort(-added, axis=1, kind="stable")[:, :most]
        positive = np.take_along_axis(added, order, axis=1) > 0
        width = order.shape[1]
        found[low : low + size, :width] = np.where(positive, order, -1)
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
    keys = np.column_stack([app, used, np.maximum(similar, FEWEST_TOLD - 1)])
    unique, place = np.unique(keys, axis=0, return_inverse=True)
    sure = effects[effects["is_associated"].eq(True)]
    texts = np.array(
        [_text(names, row[0], row[1:-1], row[-1], sure) for row in unique.tolist()],
        dtype=object,
    )
    return texts[place.ravel()] if len(texts) else texts


def _text(
    names: Sequence[str], app: int, used: list[int], similar: int, sure: pd.DataFrame
) -> str:
    told = tell_count(similar)
    known = [names[i] for i in used if i >= 0]
    if known:
        text = (
            f"Fits with your use of {' and '.join(known)}: "
            f"{told} similar students use it with {known[0]}."
        )
    else:
        text = f"Popular: {told} similar students use it."
    if app in sure.index:
        row = sure.loc[app]
        text += (
            " Its use is associated with improvement: "
            f"{row.effect:+.2f} SD in the later score "
            f"({row.effect_low:+.2f} to {row.effect_high:+.2f}); not proof of cause."
        )
    return text
