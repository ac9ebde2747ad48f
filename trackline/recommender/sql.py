"""The Gram matrix in portable SQL.

List, then unnest: one list of apps per student, opened twice. A plain self-join of the
histories needs six times the memory (3.6 against 0.57 GB at 5M students x 500 apps).
"""

from __future__ import annotations

from trackline.recommender.frames import FOLDS

__all__ = [
    "DIALECTS", "fold_sql", "gram_sql", "pooled_sql", "students_sql", "users_sql",
]  # fmt: skip

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


def gram_sql(relation: str, dialect: str = "duckdb") -> str:
    """Return the SQL of the co-use matrix.

    Parameters
    ----------
    relation : str
        A table or a subquery with one row per district_id, student_id, app_id: band
        (may be null) and first_used_on.
    dialect : {"duckdb", "spark"}

    Returns
    -------
    str
        A select with one row per district_id, band, fold, app_id and next_app_id (pairs
        that occur; the diagonal is the app's users): pair_count; directed_count, of
        students who first used app_id strictly before next_app_id; weighted_count, in
        millionths, each student counting 1 / (number of own apps).
    """
    return f"""\
{_pairs_sql(relation, dialect)}
select
    district_id,
    band,
    fold,
    one.app_id as app_id,
    other.app_id as next_app_id,
    count(*) as pair_count,
    cast(
        sum(case when one.used < other.used then 1 else 0 end) as bigint
    ) as directed_count,
    cast(sum(share) as bigint) as weighted_count
from pairs
group by district_id, band, fold, one.app_id, other.app_id
"""


def pooled_sql(relation: str, dialect: str = "duckdb") -> str:
    """Return the SQL of `gram_sql`, added up over districts, bands and folds."""
    return f"""\
{_pairs_sql(relation, dialect)}
select
    one.app_id as app_id,
    other.app_id as next_app_id,
    count(*) as pair_count,
    cast(sum(share) as bigint) as weighted_count
from pairs
group by one.app_id, other.app_id
"""


def users_sql(relation: str) -> str:
    """Return the SQL of the diagonal alone of `pooled_sql`."""
    return f"""\
with
    shares as (
        select
            district_id,
            student_id,
            cast(round(1000000.0 / count(*)) as bigint) as share
        from {relation}
        group by district_id, student_id
    )
select
    uses.app_id,
    uses.app_id as next_app_id,
    count(*) as pair_count,
    cast(sum(shares.share) as bigint) as weighted_count
from {relation} as uses
inner join shares
    on uses.district_id = shares.district_id and uses.student_id = shares.student_id
group by uses.app_id
"""


def students_sql(relation: str) -> str:
    """Return the SQL of how many students used an app, of every district."""
    return f"""\
select district_id, count(distinct student_id) as students
from {relation}
group by district_id
"""


def _pairs_sql(relation: str, dialect: str) -> str:
    words = DIALECTS[dialect]
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
    folds as (
        select district_id, band, {fold_sql(dialect)} as fold, apps, share
        from lists
    ),
    opened as (
        select district_id, band, fold, share, apps, {words["open"]}(apps) as one
        from folds
    ),
    pairs as (
        select district_id, band, fold, share, one, {words["open"]}(apps) as other
        from opened
    )
"""
