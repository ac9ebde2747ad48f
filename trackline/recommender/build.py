"""The recommender in a build: the warehouse's relations in, one relation out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import singledispatch

import duckdb
import pandas as pd

from trackline.recommender import store
from trackline.recommender.districts import Options, each_district
from trackline.recommender.sql import gram_sql

__all__ = ["STUDENTS", "TYPES", "build", "co_use"]

STUDENTS = "district_id, student_id, performance as band"

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
    """Return the co-use matrix of `gram_sql`; trackline.cluster has Spark's half."""
    histories.create_view("co_use_rows", replace=True)
    return con.sql(gram_sql("co_use_rows", "duckdb"))


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
        tables[name].create_view(view, replace=True)
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
        co_use=tables["co_use"].df(),
        # sums of floats depend on their order
        outcomes=tables["outcomes"].order("all").df(),
        outcome_uses=of("outcome_uses"),
        options=options,
    ):
        store.tell(models, district.district_id, district.note)
        if district.model is None:
            continue
        store.save(models, district.model)
        con.register("recommended_rows", district.recommendations)
        con.execute("insert into recommended by name select * from recommended_rows")
        con.unregister("recommended_rows")
    return con.table("recommended")
