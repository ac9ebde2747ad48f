"""The Gram matrix in portable SQL, and back from its rows.

List, then unnest: one list of apps per student, opened twice. A plain self-join of the
histories needs six times the memory (3.6 against 0.57 GB at 5M students x 500 apps).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from trackline.recommender.frames import FOLDS
from trackline.recommender.gram import NO_BAND, Gram

__all__ = ["DIALECTS", "fold_sql", "gram_sql", "grams_of"]

DIALECTS = {
    "duckdb": {
        "collect": "list(struct_pack(app_id := app_id, used := first_used_on))",
        "open": "unnest",
        "fold": "cast('0x' || substr(md5(student_id), 1, 8) as bigint) % {folds}",
    },
    "spark": {
        "collect": (
            "collect_list(named_struct('app_id', app_id, 'used', first_used_on))"
        ),
        "open": "explode",
        "fold": "cast(conv(substr(md5(student_id), 1, 8), 16, 10) as bigint) % {folds}",
    },
}


def fold_sql(dialect: str = "duckdb") -> str:
    """Return the fold of a student_id: `frames.student_hashes(..) % FOLDS` in SQL."""
    return DIALECTS[dialect]["fold"].format(folds=FOLDS)


def gram_sql(relation: str, dialect: str = "duckdb", by_fold: bool = True) -> str:
    """Return the SQL of the co-use matrix.

    Parameters
    ----------
    relation : str
        A table or a subquery with one row per district_id, student_id, app_id: band
        (may be null) and first_used_on.
    dialect : {"duckdb", "spark"}
    by_fold : bool, default True
        Without, the folds are added up: five times fewer rows.

    Returns
    -------
    str
        A select with one row per district_id, band, fold, app_id and next_app_id (pairs
        that occur; the diagonal is the app's users): pair_count; directed_count, of
        students who first used app_id strictly before next_app_id; weighted_count, in
        millionths, each student counting 1 / (number of own apps).
    """
    words = DIALECTS[dialect]
    group = f"district_id, band{', fold' if by_fold else ''}"
    fold = f", {fold_sql(dialect)} as fold" if by_fold else ""
    return f"""\
with
    lists as (
        select
            district_id,
            student_id,
            max(band) as band,
            {words["collect"]} as apps,
            cast(round(1000000.0 / count(*)) as bigint) as share
        from {relation}
        group by district_id, student_id
    ),
    folds as (select district_id, band{fold}, apps, share from lists),
    opened as (
        select {group}, share, apps, {words["open"]}(apps) as one
        from folds
    ),
    pairs as (
        select {group}, share, one, {words["open"]}(apps) as other
        from opened
    )

select
    {group},
    one.app_id as app_id,
    other.app_id as next_app_id,
    count(*) as pair_count,
    cast(
        sum(case when one.used < other.used then 1 else 0 end) as bigint
    ) as directed_count,
    cast(sum(share) as bigint) as weighted_count
from pairs
group by {group}, one.app_id, other.app_id
"""


def grams_of(co_use: Any, apps: np.ndarray) -> dict[int, Gram]:
    """Return the Gram of every fold from rows of `gram_sql` of one district.

    Parameters
    ----------
    co_use : DataFrame
        Columns of `gram_sql`; without folds, all is in fold 0. Pairs of all bands are
        added up; `Gram.bands` keeps the users by band.
    apps : ndarray of str
        Order of rows and columns; others are ignored. A student's 1 / n still counts
        all apps.
    """
    frame = co_use
    place = pd.Index(apps)
    row = place.get_indexer(frame["app_id"].astype(object))
    column = place.get_indexer(frame["next_app_id"].astype(object))
    known = (row >= 0) & (column >= 0)
    n = len(apps)
    grams = {}
    fold = frame["fold"].to_numpy(int) if "fold" in frame else np.zeros(len(frame), int)
    millionths = frame["weighted_count"].to_numpy(float)
    diagonal = (frame["app_id"] == frame["next_app_id"]).to_numpy()
    band = np.where(frame["band"].isna(), NO_BAND, frame["band"]).astype(str)
    pairs = frame["pair_count"].to_numpy(float)
    for number in range(fold.max(initial=0) + 1):
        here = known & (fold == number)
        at = row[here] * n + column[here]

        def square(
            name: str, here: np.ndarray = here, at: np.ndarray = at
        ) -> np.ndarray:
            values = frame[name].to_numpy(float)[here]
            return np.bincount(at, values, minlength=n * n).reshape(n, n)

        bands = {}
        for name in np.unique(band[fold == number]):
            own = diagonal & (fold == number) & (band == name)
            users = np.bincount(row[own & known], pairs[own & known], minlength=n)
            # a student's shares add up to one: the diagonal counts the students
            bands[name] = np.append(users, round(millionths[own].sum() / 1e6))
        grams[number] = Gram(
            sum(counts[-1] for counts in bands.values()),
            square("pair_count"),
            square("weighted_count"),
            square("directed_count"),
            bands,
        )
    return grams
