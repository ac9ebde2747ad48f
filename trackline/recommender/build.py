"""The recommender in a build: the warehouse's relations in, one relation out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial, singledispatch

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from trackline.recommender import store
from trackline.recommender.districts import SCHEMA, each_district
from trackline.recommender.frames import encode
from trackline.recommender.gram import Gram, blocks, gram_of
from trackline.recommender.pool import Pool
from trackline.recommender.settings import Options
from trackline.recommender.sql import students_sql, users_sql
from trackline.recommender.threads import one_thread, worked

__all__ = ["HISTORIES", "STUDENTS", "build", "co_use"]

STUDENTS = "district_id, student_id, performance as band"
HISTORIES = (
    "district_id, student_id, app_id, band, first_used_on, last_used_on, is_used"
)
# SCHEMA, its repeated texts numbered
ROWS = pa.schema(
    field.with_type(pa.dictionary(pa.int64(), pa.string()))
    if field.name in ("district_id", "student_id", "app_id", "model_id")
    else field
    for field in SCHEMA
)
# threads: more would wait for the interpreter, each with a district in memory
MOST_WORKERS = 4


@singledispatch
def co_use(
    con: duckdb.DuckDBPyConnection,
    histories: duckdb.DuckDBPyRelation,
    pool_below: int,
) -> duckdb.DuckDBPyRelation:
    """Return the co-use matrix of all districts together: the rows of `pooled_sql`.

    Pairs are what small districts borrow: where no district has fewer than `pool_below`
    students, users alone are counted (`users_sql`). By sparse products, district by
    district: memory is that of the `_workers` + 1 largest ones and of twice the result.
    trackline.cluster has Spark's half, the SQL.
    """
    con.execute(f"create or replace temp view co_use_rows as {histories.sql_query()}")
    of_districts = con.execute(students_sql("co_use_rows")).fetchall()
    if all(students >= pool_below for _, students in of_districts):
        return con.sql(users_sql("co_use_rows"))
    names = pd.Index(
        row[0] for row in histories.project("app_id").distinct().order("all").fetchall()
    )
    size = len(names)
    total = (np.empty(0, np.int64), np.empty((2, 0), np.int64))
    waiting: list[tuple[np.ndarray, np.ndarray]] = []
    of = _by_district(con, histories.project("district_id, student_id, app_id"), "uses")
    uses = ((of(district_id),) for district_id, _ in of_districts)
    for apps, gram in worked(_co_use_of, uses, _workers()):
        at = names.get_indexer(apps)
        one, other = np.nonzero(gram.pair)
        counts = np.stack([gram.pair[one, other], gram.weighted[one, other]])
        waiting.append((at[one] * size + at[other], counts.astype(np.int64)))
        # a sum costs what it has summed before: only when as much is waiting
        if sum(len(key) for key, _ in waiting) > len(total[0]):
            total = _summed([total, *waiting])
            waiting.clear()
    key, (pair, weighted) = _summed([total, *waiting])
    texts = pa.array(names, pa.string())
    sums = pa.table(
        {
            "app_id": texts.take(pa.array(key // max(size, 1))),
            "next_app_id": texts.take(pa.array(key % max(size, 1))),
            "pair_count": pair,
            "weighted_count": weighted,
        }
    )
    return con.from_arrow(sums)


def _summed(
    parts: list[tuple[np.ndarray, np.ndarray]],
) -> tuple[np.ndarray, np.ndarray]:
    """Add up the counts of equal keys, shapes (n,) and (2, n)."""
    key = np.concatenate([key for key, _ in parts])
    counts = np.concatenate([counts for _, counts in parts], axis=1)
    order = np.argsort(key, kind="stable")
    key, counts = key[order], counts[:, order]
    first = np.flatnonzero(np.append(True, np.diff(key) > 0)) if len(key) else key
    return key[first], np.add.reduceat(counts, first, axis=1) if len(key) else counts


def _co_use_of(uses: pa.Table) -> tuple[np.ndarray, Gram]:
    # numbered names: a text per row would cost more than the products
    rows = encode(uses.to_pandas(strings_to_categorical=True))
    return rows.apps, gram_of(blocks(rows), len(rows.apps))


def _workers() -> int:
    return min(MOST_WORKERS, os.cpu_count() or 1)


def _by_district(
    con: duckdb.DuckDBPyConnection, table: duckdb.DuckDBPyRelation, name: str
) -> Callable[[str], pa.Table]:
    """Return what loads a district's rows, in no order."""
    columns = ", ".join(c for c in table.columns if c != "district_id")
    view = f"recommender_{name}"
    con.execute(f"create or replace temp view {view} as {table.sql_query()}")

    def load(district_id: str) -> pa.Table:
        return con.execute(
            f"select {columns} from {view} where district_id = $district_id",
            {"district_id": district_id},
        ).to_arrow_table()

    return load


def _sizes(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Count the students whom a validation may ask: assessed, with a history."""
    rows = con.execute("""
select students.district_id, count(*)
from recommender_students as students
semi join recommender_histories as histories
    on students.district_id = histories.district_id
    and students.student_id = histories.student_id
group by students.district_id""").fetchall()
    return dict(rows)


@singledispatch
def build(
    con: duckdb.DuckDBPyConnection,
    tables: Mapping[str, duckdb.DuckDBPyRelation],
    models: str,
    options: Options,
) -> pa.RecordBatchReader:
    """Train every district, store its model, and recommend.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's.
    tables : mapping of str to duckdb.DuckDBPyRelation
        apps, histories, outcomes and outcome_uses with the columns of `each_district`,
        co_use with those of `co_use`, and students as dim_students has them. Another
        connection reads them: none may stand on what is temporary.
    models : str
        The models directory: a path or an fsspec URL.
    options : Options

    Returns
    -------
    pyarrow.RecordBatchReader
        One row per district, student and rank; ids are dictionaries. Districts are
        trained while it is read: the engine writes the rows of one beside the others.
    """
    # for good: whoever reads the result does so on threads of its own
    one_thread()
    # `con` will be reading the result while the districts are loaded
    loading = con.cursor()
    projected = {
        "students": tables["students"].project(STUDENTS),
        "histories": tables["histories"].project(HISTORIES),
        "outcomes": tables["outcomes"],
        "outcome_uses": tables["outcome_uses"],
    }
    load = {
        name: _by_district(loading, table, name) for name, table in projected.items()
    }
    apps = tables["apps"].df()
    pool = Pool.of(tables["co_use"].df()) if options.pooling else None
    sizes = _sizes(loading)

    def recommended() -> Iterator[pa.RecordBatch]:
        for district in each_district(
            apps=apps,
            pool=pool,
            sizes=sizes,
            options=options,
            chosen=partial(store.chosen, models),
            workers=_workers(),
            **load,
        ):
            store.tell(models, district.district_id, district.note)
            if district.model is not None:
                store.save(models, district.model)
                yield from district.recommendations.cast(ROWS).to_batches()

    return pa.RecordBatchReader.from_batches(ROWS, recommended())
