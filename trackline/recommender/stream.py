"""The fast path: rows ordered by student, in record batches, through sparse products.

Nothing is ever whole in memory but one batch and apps x apps matrices, so cost and
memory do not depend on how many students there are. The matrices are those of
`gram_sql`, to the last bit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse

from trackline.recommender.cold import BandPopularity
from trackline.recommender.frames import encode
from trackline.recommender.gram import gram_of
from trackline.recommender.metrics import top_k
from trackline.recommender.model import _SAMPLE, Recommender
from trackline.recommender.threads import one_thread

__all__ = ["fit_batches", "recommend_batches", "relation_batches"]

BATCH_ROWS = 1 << 18


def relation_batches(relation: Any, rows: int = BATCH_ROWS) -> Iterator[pa.RecordBatch]:
    """Give a DuckDB relation (ordered by student_id) as record batches."""
    reader = getattr(relation, "to_arrow_reader", None) or relation.fetch_arrow_reader
    yield from reader(rows)


def _plain(column: pa.Array) -> pa.Array:
    if pa.types.is_dictionary(column.type):
        return column.dictionary_decode()
    return column


def _students(
    batches: Iterator[pa.RecordBatch],
) -> Iterator[tuple[pa.Table, np.ndarray]]:
    """Cut batches between students: a table and where each student's rows start.

    Raises
    ------
    ValueError
        If a student's rows are not together (the first batch that shows it).
    """
    rest: pa.Table | None = None
    for batch in batches:
        table = pa.Table.from_batches([batch])
        if rest is not None and rest.num_rows:
            table = pa.concat_tables([rest, table])
        if not table.num_rows:
            continue
        starts = _starts(table)
        rest = table.slice(starts[-1])
        if len(starts) > 1:
            yield table.slice(0, starts[-1]), starts[:-1]
    if rest is not None and rest.num_rows:
        yield rest, np.zeros(1, int)


def _starts(table: pa.Table) -> np.ndarray:
    ids = _plain(table["student_id"].combine_chunks())
    changed = pc.not_equal(ids.slice(1), ids.slice(0, len(ids) - 1))
    if pc.any(pc.less(ids.slice(1), ids.slice(0, len(ids) - 1))).as_py():
        raise ValueError("the rows are not ordered by student_id")
    return np.append(0, 1 + np.flatnonzero(changed.to_numpy(zero_copy_only=False)))


def _block(table: pa.Table, starts: np.ndarray, apps: pa.Array) -> sparse.csr_matrix:
    names = _plain(table["app_id"].combine_chunks())
    column = pc.index_in(names, apps).fill_null(-1).to_numpy(zero_copy_only=False)
    bounds = np.append(starts, len(column))
    known = column >= 0
    if not known.all():
        bounds = np.append(0, np.cumsum(known))[bounds]
        column = column[known]
    return sparse.csr_matrix(
        (np.ones(len(column), np.float32), column.astype(np.int32), bounds),
        shape=(len(starts), len(apps)),
    )


def _bands(table: pa.Table, starts: np.ndarray) -> np.ndarray | None:
    """Return each student's band, the last in order of its rows', or None."""
    if "band" not in table.column_names:
        return None
    column = _plain(table["band"].combine_chunks())
    names = pc.unique(column).drop_null().sort()
    place = pc.index_in(column, names).fill_null(-1).to_numpy(zero_copy_only=False)
    last = np.maximum.reduceat(place, starts)
    return np.append(names.cast(pa.string()).to_pylist(), [None]).astype(object)[last]


def fit_batches(
    batches: Iterator[pa.RecordBatch], apps: Any, random_state: int = 0
) -> Recommender:
    """Fit on batches of rows ordered by student_id, one per student and app.

    Parameters
    ----------
    batches : iterator of RecordBatch
        student_id, app_id; optionally used_at, weight, band.
    apps : sequence of str
        The eligible apps.

    Returns
    -------
    Recommender
        Validated on every 2^j-th student in the order of ids, at most 20,000.
    """
    names = np.sort(np.asarray(list(apps), dtype=str)).astype(object)
    known = pa.array(names, pa.string())
    sampled: list[pa.Table] = []
    state = {"seen": 0, "step": 1}

    def parts() -> Iterator[tuple[sparse.csr_matrix, np.ndarray | None]]:
        for table, starts in _students(batches):
            _keep(sampled, state, table, starts)
            yield _block(table, starts, known), _bands(table, starts)

    with one_thread():
        total = gram_of(parts(), len(names))
    if not sampled or not total.n_students:
        raise ValueError("there is no use in these interactions: nothing to learn")
    sample = encode(_drop_order(sampled, state["step"]), names)
    model = Recommender(random_state=random_state)
    model.fit_gram(total, sample, BandPopularity.of(sample))
    model.students_ = None
    return model


def _keep(sampled: list, state: dict, table: pa.Table, starts: np.ndarray) -> None:
    """Add every step-th student; double the step when there are too many."""
    position = state["seen"] + np.arange(len(starts))
    state["seen"] += len(starts)
    while state["seen"] / state["step"] > _SAMPLE:
        state["step"] *= 2
    chosen = np.flatnonzero(position % state["step"] == 0)
    lengths = np.diff(np.append(starts, table.num_rows))
    rows = np.flatnonzero(np.isin(np.repeat(np.arange(len(starts)), lengths), chosen))
    order = np.repeat(position, lengths)[rows]
    sampled.append(table.take(pa.array(rows)).append_column("order", pa.array(order)))


def _drop_order(sampled: list[pa.Table], step: int) -> pd.DataFrame:
    table = pa.concat_tables(sampled)
    kept = table.filter(pa.array(table["order"].to_numpy() % step == 0))
    return kept.drop_columns(["order"]).to_pandas()


def recommend_batches(
    model: Recommender, batches: Iterator[pa.RecordBatch], k: int = 10
) -> Iterator[pa.RecordBatch]:
    """Recommend to the students of batches ordered by student_id, batch by batch.

    The `complete` scorer of a model that `fit_batches` made: order within a history is
    not read. Scores are float32 here (half the time and memory); equal scores may
    differ in order from `recommend`.

    Yields
    ------
    RecordBatch
        student_id and app_id (dictionaries), rank (int16), score (float32).
    """
    layer = model.scorers_["complete"].layers[0]
    weights = layer.weights.astype(np.float32)
    apps = pa.array(model.apps_, pa.string())
    with one_thread():
        for table, starts in _students(batches):
            block = _block(table, starts, apps)
            lengths = np.maximum(np.diff(block.indptr), 1)
            ids = _plain(table["student_id"].combine_chunks()).take(pa.array(starts))
            for low in range(0, len(starts), 8192):
                some = block[low : low + 8192]
                scores = some @ weights
                scores /= lengths[low : low + 8192, None]
                at = np.repeat(np.arange(some.shape[0]), np.diff(some.indptr))
                scores[at, some.indices] = -np.inf
                scores[:, ~model.usable_] = -np.inf
                top = top_k(scores, k)
                value = np.take_along_axis(scores, top, axis=1)
                keep = np.isfinite(value)
                student, place = np.nonzero(keep)
                yield pa.record_batch(
                    {
                        "student_id": pa.DictionaryArray.from_arrays(
                            pa.array((student + low).astype(np.int32)), ids
                        ),
                        "rank": pa.array((place + 1).astype(np.int16)),
                        "app_id": pa.DictionaryArray.from_arrays(
                            pa.array(top[keep].astype(np.int32)), apps
                        ),
                        "score": pa.array(value[keep].astype(np.float32)),
                    }
                )
