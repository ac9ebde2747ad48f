"""The recommender in a build: the warehouse's relations in, one relation out."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from functools import partial, singledispatch

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from trackline.recommender import store
from trackline.recommender.districts import Options, each_district
from trackline.recommender.frames import encode
from trackline.recommender.gram import blocks, gram_of

__all__ = ["HISTORIES", "POOL_SIZE", "STUDENTS", "TYPES", "build", "co_use"]

STUDENTS = "district_id, student_id, performance as band"
HISTORIES = (
    "district_id, student_id, app_id, band, first_used_on, last_used_on, is_used"
)
# a student's shares add up to one: the diagonal counts the students
POOL_SIZE = (
    "coalesce(round(sum(case when app_id = next_app_id then weighted_count end) / 1e6),"
    " 0) as pool"
)

# threads: more would wait for the interpreter, each with a district in memory
MOST_WORKERS = 4

TYPES = {
    "district_id": "varchar",
    "student_id": "varchar",
    "rank": "bigint",
    "app_id": "varchar",
    "score": "double",
    "is_new": "boolean",
    "reason": "varchar",
    "similar_students": "bigint",
    "effect": "double",
    "effect_low": "double",
    "effect_high": "double",
    "is_associated": "boolean",
    "model_id": "varchar",
}


@singledispatch
def co_use(
    con: duckdb.DuckDBPyConnection, histories: duckdb.DuckDBPyRelation
) -> duckdb.DuckDBPyRelation:
    """Return the co-use matrix of all districts together: the rows of `pooled_sql`.

    By sparse products, district by district: memory is that of the largest one.
    trackline.cluster has Spark's half, which is the SQL.
    """
    con.execute(
        "create or replace temp table co_use_counts (app_id varchar,"
        " next_app_id varchar, pair_count bigint, weighted_count bigint)"
    )
    uses = histories.project("district_id, student_id, app_id")
    of = _by_district(con, uses, "co_use")
    for (district_id,) in histories.project("district_id").distinct().fetchall():
        rows = encode(of(district_id))
        gram = gram_of(blocks(rows), len(rows.apps))
        one, other = np.nonzero(gram.pair)
        names = pa.array(rows.apps, pa.string())
        counts = pa.table(
            {
                "app_id": pa.DictionaryArray.from_arrays(one, names),
                "next_app_id": pa.DictionaryArray.from_arrays(other, names),
                "pair_count": gram.pair[one, other].astype(np.int64),
                "weighted_count": gram.weighted[one, other].astype(np.int64),
            }
        )
        con.register("co_use_of_district", counts)
        con.execute("insert into co_use_counts select * from co_use_of_district")
        con.unregister("co_use_of_district")
    con.execute(
        "create or replace temp table co_use_sums as select app_id, next_app_id,"
        " sum(pair_count)::bigint as pair_count,"
        " sum(weighted_count)::bigint as weighted_count"
        " from co_use_counts group by app_id, next_app_id"
    )
    # a hundred times as many rows, which would stay in memory for the rest of a build
    con.execute("drop table co_use_counts")
    return con.table("co_use_sums")


def _by_district(
    con: duckdb.DuckDBPyConnection, table: duckdb.DuckDBPyRelation, name: str
) -> Callable[[str], pd.DataFrame]:
    """Return what loads a district's rows, in no order; ids as categories."""
    columns = ", ".join(c for c in table.columns if c != "district_id")
    view = f"recommender_{name}"
    con.register(view, table)

    def load(district_id: str) -> pd.DataFrame:
        rows = con.execute(
            f"select {columns} from {view} where district_id = $district_id",
            {"district_id": district_id},
        ).to_arrow_table()
        # numbered names: a text per row would cost more than the products
        return rows.to_pandas(strings_to_categorical=True, date_as_object=False)

    return load


@singledispatch
def build(
    con: duckdb.DuckDBPyConnection,
    tables: Mapping[str, duckdb.DuckDBPyRelation],
    models: str,
    options: Options,
) -> duckdb.DuckDBPyRelation:
    """Train every district, store its model, and recommend.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's.
    tables : mapping of str to duckdb.DuckDBPyRelation
        apps, histories, co_use, outcomes and outcome_uses, with the columns of
        `each_district` (co_use: those of `co_use`), and students as dim_students has
        them.
    models : str
        The models directory: a path or an fsspec URL.
    options : Options

    Returns
    -------
    duckdb.DuckDBPyRelation
        One row per district, student and rank. Rows go to the engine district by
        district: memory is that of the largest ones.
    """
    projected = {
        "students": tables["students"].project(STUDENTS),
        "histories": tables["histories"].project(HISTORIES),
        "co_use": _among(tables["co_use"], tables["apps"]),
        "outcomes": tables["outcomes"],
        "outcome_uses": tables["outcome_uses"],
    }
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    con.execute(f"create or replace temp table recommended ({columns})")
    for district in each_district(
        apps=tables["apps"].df(),
        pool=tables["co_use"].aggregate(POOL_SIZE).fetchone()[0],
        options=options,
        chosen=partial(store.chosen, models),
        workers=min(MOST_WORKERS, os.cpu_count() or 1),
        **{name: _by_district(con, table, name) for name, table in projected.items()},
    ):
        store.tell(models, district.district_id, district.note)
        if district.model is None:
            continue
        store.save(models, district.model)
        con.register("recommended_rows", district.recommendations)
        con.execute("insert into recommended by name select * from recommended_rows")
        con.unregister("recommended_rows")
    return con.table("recommended")


def _among(
    co_use: duckdb.DuckDBPyRelation, apps: duckdb.DuckDBPyRelation
) -> duckdb.DuckDBPyRelation:
    """Give every district the pairs of its own apps."""
    one = apps.project("district_id, app_id").set_alias("one")
    other = apps.project("district_id, app_id as next_app_id").set_alias("other")
    found = co_use.set_alias("counts").join(one, "app_id").set_alias("found")
    return found.join(other, "district_id, next_app_id")
