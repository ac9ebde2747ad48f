"""Recommendations on a cluster: one task a district, and the driver sees sums alone.

The driver adds up effects, which hold no student; a task gets one district's rows,
trains on them and recommends. One task more gets the rows of the few small districts by
which the settings of all small ones are chosen, no more than a large district's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa
from pyspark.sql.connect.column import Column
from pyspark.sql.connect.dataframe import DataFrame
from pyspark.sql.connect.functions import lit
from pyspark.sql.connect.session import SparkSession

from trackline.cluster.dialect import for_spark
from trackline.cluster.types import spark_schema
from trackline.recommender import store
from trackline.recommender.build import HISTORIES, STUDENTS
from trackline.recommender.districts import SCHEMA, effects_of, one_district
from trackline.recommender.outcome import Outcome, fit_district
from trackline.recommender.pool import Pool
from trackline.recommender.selection import Choice
from trackline.recommender.settings import Options, Shared, Small, share_settings
from trackline.recommender.sql import pooled_sql, students_sql, users_sql

__all__ = ["build", "co_use"]

FIT = pa.schema([("district_id", pa.string()), ("fit", pa.string())])
SHARED = pa.schema([("shared", pa.string())])
# `Pool.n_students`: a task has the pairs of its own district's apps only
STUDENTS_OF_POOL = (
    "coalesce(round(sum(case when app_id = next_app_id then weighted_count end) / 1e6),"
    " 0) as pool"
)


def co_use(session: SparkSession, histories: DataFrame, pool_below: int) -> DataFrame:
    """Return co-use of all districts together: `recommender.build.co_use`."""
    histories.createOrReplaceTempView("co_use_rows")
    of_districts = session.sql(students_sql("co_use_rows"))
    if of_districts.where(f"students < {pool_below}").isEmpty():
        return session.sql(users_sql("co_use_rows"))
    return session.sql(for_spark(pooled_sql("co_use_rows", "spark")))


def build(
    session: SparkSession,
    tables: Mapping[str, DataFrame],
    models: str,
    options: Options,
) -> DataFrame:
    """Train every district, store its model, and recommend: `recommender.build.build`.

    The models directory has to be one that every machine sees: a shared folder or an
    fsspec URL.
    """
    for name, columns in (("students", STUDENTS), ("histories", HISTORIES)):
        tables = {**tables, name: tables[name].selectExpr(*columns.split(", "))}
    fits = _by_district(
        {"outcomes": tables["outcomes"], "uses": tables["outcome_uses"]}, _fit, FIT
    ).collect()
    outcomes = {row["district_id"]: _outcome(row["fit"]) for row in fits}
    effects = effects_of(dict(sorted(outcomes.items())), options)
    pool = tables["co_use"].selectExpr(STUDENTS_OF_POOL).collect()[0]["pool"]
    tables = {**tables, "co_use": _among(tables["co_use"], tables["apps"])}
    small, shared = _shared(tables, options)
    recommend = _Recommend(pool, effects, options, models, small, shared)
    wanted = ["apps", "students", "histories"] + ["co_use"] * options.pooling
    return _by_district({name: tables[name] for name in wanted}, recommend, SCHEMA)


def _shared(
    tables: Mapping[str, DataFrame], options: Options
) -> tuple[set[str], Shared | None]:
    """Return the small districts, and what their one search chose."""
    student = ["district_id", "student_id"]
    asked = tables["students"].join(tables["histories"], student, "left_semi")
    sizes, apps = (
        {row[0]: row[1] for row in rows.groupBy("district_id").count().collect()}
        for rows in (asked, tables["apps"])
    )
    small = Small.of(sizes, apps, options)
    if not small.searched:
        return small.districts, None
    # one group of all of them; the task that gets it tells them apart
    together = {
        name: tables[name]
        .where(tables[name]["district_id"].isin(small.searched))
        .withColumn("of_district", tables[name]["district_id"])
        .withColumn("district_id", lit("*"))
        for name in ("apps", "students", "histories")
    }
    found = _by_district(together, _Search(small.searched), SHARED).collect()
    return small.districts, _shared_of(found[0]["shared"]) if found else None


class _Search:
    """What the task does with the rows of the districts that are searched."""

    def __init__(self, searched: list[str]) -> None:
        self.searched = searched

    def __call__(self, _: str, here: dict[str, pd.DataFrame]) -> pa.Table | None:
        def rows_of(district: str) -> dict[str, pd.DataFrame]:
            return {
                name: rows[rows["of_district"] == district].reset_index(drop=True)
                for name, rows in here.items()
            }

        split = ((district, rows_of(district)) for district in self.searched)
        shared = share_settings((name, rows["apps"], rows) for name, rows in split)
        if shared is None:
            return None
        choice = shared.choice
        told = {**choice.describe(), "table": choice.table, "asked": shared.asked}
        return pa.table({"shared": [json.dumps(told)]})


def _shared_of(told: str) -> Shared:
    content = json.loads(told)
    return Shared(Choice.of(content, content["table"]), tuple(content["asked"]))


def _among(co_use: DataFrame, apps: DataFrame) -> DataFrame:
    """Give every district the pairs of its own apps."""
    one = apps.select("district_id", "app_id")
    other = apps.selectExpr("district_id", "app_id as next_app_id")
    return co_use.join(one, "app_id").join(other, ["district_id", "next_app_id"])


class _Recommend:
    """What a task does with one district's rows."""

    def __init__(
        self,
        pool: float,
        effects: pd.DataFrame,
        options: Options,
        models: str,
        small: set[str],
        shared: Shared | None,
    ) -> None:
        self.pool, self.effects, self.options = pool, effects, options
        self.models, self.small, self.shared = models, small, shared

    def __call__(
        self, district_id: str, here: dict[str, pd.DataFrame]
    ) -> pa.Table | None:
        own = here.pop("apps")
        if not len(own):
            return None
        is_small = district_id in self.small
        district = one_district(
            district_id,
            own,
            here,
            Pool.of(here["co_use"], self.pool) if "co_use" in here else None,
            self.effects,
            self.options,
            self.shared if is_small else store.chosen(self.models, district_id),
        )
        store.tell(self.models, district_id, district.note)
        if district.model is not None:
            store.save(self.models, district.model)
        return district.recommendations


def _fit(district_id: str, here: dict[str, pd.DataFrame]) -> pa.Table | None:
    fit = (
        fit_district(here["outcomes"], here["uses"]) if len(here["outcomes"]) else None
    )
    if fit is None:
        return None
    # JSON keeps every digit of a float
    content = {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in vars(fit).items()
    }
    return pa.table({"district_id": [district_id], "fit": [json.dumps(content)]})


def _outcome(fit: str) -> Outcome:
    content = json.loads(fit)
    return Outcome(
        content.pop("apps"),
        **{
            name: None if value is None else np.array(value)
            for name, value in content.items()
        },
    )


def _by_district(
    tables: Mapping[str, DataFrame],
    work: Callable[[str, dict[str, pd.DataFrame]], pa.Table | None],
    result: pa.Schema,
) -> DataFrame:
    """Give each district's rows of several tables to one call.

    Parameters
    ----------
    tables : mapping of str to DataFrame
        Each with a column district_id.
    work : callable
        Takes the district and its rows by table, in the types and the total order in
        which DuckDB gives them to the same code; returns rows of `result`, or None.
    result : pyarrow.Schema
    """
    columns_of = {name: table.columns for name, table in tables.items()}
    parts = [
        table.select(
            "district_id",
            *(_renamed(table, name, c) for c in table.columns if c != "district_id"),
        ).selectExpr("*", f"'{name}' as table_of_row")
        for name, table in tables.items()
    ]
    together = parts[0]
    for part in parts[1:]:
        together = together.unionByName(part, allowMissingColumns=True)
    task = _task(columns_of, work, result)
    return together.groupBy("district_id").applyInArrow(task, spark_schema(result))


def _renamed(table: DataFrame, name: str, column: str) -> Column:
    return table[column].alias(f"{name}__{column}")


def _task(
    columns_of: dict[str, list[str]],
    work: Callable[[str, dict[str, pd.DataFrame]], pa.Table | None],
    result: pa.Schema,
) -> Callable[[pa.Table], pa.Table]:
    # Spark tells what it has to give a function by its type hints
    def task(rows: pa.Table) -> pa.Table:
        import duckdb

        here = {}
        with duckdb.connect() as con:
            con.execute("set threads = 1")
            con.execute("set TimeZone = 'UTC'")
            con.register("rows_of_district", rows)
            for name, columns in columns_of.items():
                selected = ", ".join(
                    "district_id" if c == "district_id" else f'"{name}__{c}" as "{c}"'
                    for c in columns
                )
                here[name] = con.sql(
                    f"select {selected} from rows_of_district"
                    f" where table_of_row = '{name}' order by all"
                ).df()
        found = work(rows.column("district_id")[0].as_py(), here)
        if found is None:
            return result.empty_table()
        return found.select(result.names).cast(result)

    return task
