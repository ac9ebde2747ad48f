"""The recommender in a build: the warehouse's relations in, one relation out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch

import duckdb
import pandas as pd

from trackline.recommender import store
from trackline.recommender.districts import Options, Pool, each_district
from trackline.recommender.frames import encode
from trackline.recommender.gram import co_use_rows

__all__ = ["STUDENTS", "TYPES", "build", "co_use"]

STUDENTS = "district_id, student_id, performance as band"
POOLED = "app_id, next_app_id, " + ", ".join(
    f"sum({name})::bigint as {name}"
    for name in ("pair_count", "directed_count", "weighted_count")
)

CO_USE_TYPES = {
    "district_id": "varchar",
    "band": "varchar",
    "app_id": "varchar",
    "next_app_id": "varchar",
    "pair_count": "bigint",
    "directed_count": "bigint",
    "weighted_count": "bigint",
}

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
    """Return the co-use matrix of `gram_sql`, the folds added up.

    By sparse products, district by district: memory is that of the largest one.
    trackline.cluster has Spark's half, which is the SQL.
    """
    columns = ", ".join(f"{name} {kind}" for name, kind in CO_USE_TYPES.items())
    con.execute(f"create or replace temp table co_use_counts ({columns})")
    con.register("co_use_rows", histories)
    districts = con.execute("select distinct district_id from co_use_rows order by 1")
    for (district_id,) in districts.fetchall():
        rows = con.execute(
            "select student_id, app_id, band, first_used_on as used_at from co_use_rows"
            " where district_id = $district_id",
            {"district_id": district_id},
        ).to_arrow_table()
        # numbered names: a text per row would cost more than the products
        frame = rows.to_pandas(strings_to_categorical=True, date_as_object=False)
        con.register("co_use_of_district", co_use_rows(encode(frame)))
        con.execute(
            "insert into co_use_counts by name"
            " select $district_id as district_id, * from co_use_of_district",
            {"district_id": district_id},
        )
        con.unregister("co_use_of_district")
    return con.table("co_use_counts")


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
        `each_district`, and students as dim_students has them.
    models : str
        The models directory: a path or an fsspec URL.
    options : Options

    Returns
    -------
    duckdb.DuckDBPyRelation
        One row per district, student and rank. Rows go to the engine district by
        district: memory is that of the largest one.
    """

    def of(name: str) -> Callable[[str], pd.DataFrame]:
        view = f"recommender_{name}"
        con.register(view, tables[name])
        # in order: sums of floats depend on it
        return lambda district_id: con.execute(
            f"select * from {view} where district_id = $district_id order by all",
            {"district_id": district_id},
        ).df()

    tables = {**tables, "students": tables["students"].project(STUDENTS)}
    columns = ", ".join(f"{name} {kind}" for name, kind in TYPES.items())
    con.execute(f"create or replace temp table recommended ({columns})")
    for district in each_district(
        apps=tables["apps"].df(),
        students=of("students"),
        histories=of("histories"),
        co_use=of("co_use"),
        outcomes=of("outcomes"),
        outcome_uses=of("outcome_uses"),
        options=options,
        pool=Pool.of(tables["co_use"].aggregate(POOLED).order("all").df()),
    ):
        store.tell(models, district.district_id, district.note)
        if district.model is None:
            continue
        store.save(models, district.model)
        con.register("recommended_rows", district.recommendations)
        con.execute("insert into recommended by name select * from recommended_rows")
        con.unregister("recommended_rows")
    return con.table("recommended")
