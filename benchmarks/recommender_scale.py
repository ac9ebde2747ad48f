"""A million students: CPU seconds and peak memory of each, in a process of its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

TASTES = 20


def make(path: Path, n_students: int, n_apps: int, seed: int = 0) -> int:
    """Write about 15 apps a student, ordered by student; return the pairs."""
    rng = np.random.default_rng(seed)
    liking = 0.8 * rng.gumbel(size=(TASTES, n_apps)) - 0.4 * np.log(
        np.arange(1, n_apps + 1)
    )
    share = np.exp(liking)
    bounds = np.cumsum(share / share.sum(axis=1, keepdims=True), axis=1)
    names = pa.array([f"app{i:04d}" for i in range(n_apps)])
    writer, pairs = None, 0
    for low in range(0, n_students, 100_000):
        m = min(100_000, n_students - low)
        taste = rng.integers(0, TASTES, m)
        student = np.repeat(np.arange(m), rng.poisson(18, m) + 1)
        app = np.empty(len(student), np.int64)
        draw = rng.random(len(student))
        for number in range(TASTES):
            own = taste[student] == number
            app[own] = np.searchsorted(bounds[number], draw[own])
        key = np.unique(student * n_apps + np.minimum(app, n_apps - 1))
        student, app = np.divmod(key, n_apps)
        ids = pa.array([f"{i:08d}" for i in range(low, low + m)])
        table = pa.table(
            {
                "student_id": ids.take(pa.array(student)),
                "app_id": names.take(pa.array(app)),
            }
        )
        writer = writer or pq.ParquetWriter(path, table.schema, compression="zstd")
        writer.write_table(table)
        pairs += len(app)
    writer.close()
    return pairs


def ours(source: str, target: str) -> float:
    """Fit and recommend; return the CPU seconds that the imports had taken."""
    from trackline.recommender.stream import (
        fit_batches,
        recommend_batches,
        relation_batches,
    )

    began = time.process_time()
    con = duckdb.connect()
    con.execute("set threads = 1; set memory_limit = '256MB'")
    rows = f"select student_id, app_id from '{source}'"
    apps = [a for (a,) in con.sql(f"select distinct app_id from ({rows})").fetchall()]
    model = fit_batches(relation_batches(con.sql(rows)), apps)
    writer = None
    for batch in recommend_batches(model, relation_batches(con.sql(rows)), k=10):
        writer = writer or pq.ParquetWriter(
            target,
            batch.schema,
            use_dictionary=["student_id", "app_id"],
            write_statistics=False,
        )
        writer.write_batch(batch)
    writer.close()
    return began


def implicit_peer(source: str, target: str, name: str) -> float:
    """Do the same with implicit: read, matrix, fit, top 10 for everyone, write."""
    from implicit.als import AlternatingLeastSquares
    from implicit.nearest_neighbours import BM25Recommender
    from scipy import sparse

    began = time.process_time()
    table = pq.read_table(source, read_dictionary=["student_id", "app_id"])
    student, app = (
        table[c].unify_dictionaries().combine_chunks() for c in table.column_names
    )
    matrix = sparse.csr_matrix(
        (
            np.ones(len(app), np.float32),
            (student.indices.to_numpy(), app.indices.to_numpy()),
        ),
        shape=(len(student.dictionary), len(app.dictionary)),
    )
    if name == "bm25":
        model = BM25Recommender(K=100, num_threads=1)
    else:
        model = AlternatingLeastSquares(
            factors=64, iterations=15, num_threads=1, random_state=0
        )
    model.fit(matrix, show_progress=False)
    ids, scores = model.recommend(
        np.arange(matrix.shape[0]), matrix, N=10, filter_already_liked_items=True
    )
    n = len(ids)
    students = np.repeat(np.arange(n), 10)
    pq.write_table(
        pa.table(
            {
                "student_id": student.dictionary.take(pa.array(students)),
                "rank": pa.array(np.tile(np.arange(1, 11, dtype=np.int8), n)),
                "app_id": pa.DictionaryArray.from_arrays(
                    pa.array(np.maximum(ids, 0).ravel()), app.dictionary
                ),
                "score": pa.array(scores.ravel()),
            }
        ),
        target,
    )
    return began


def measured(job: str, source: str) -> dict:
    """Run a job in its own process, one thread; return CPU s, wall s and peak MB."""
    threads = {f"{n}_NUM_THREADS": "1" for n in ("OMP", "OPENBLAS", "MKL", "NUMEXPR")}
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            [
                sys.executable,
                "-m",
                "benchmarks.recommender_scale",
                job,
                source,
                f"{folder}/top.parquet",
            ],
            env=os.environ | threads,
            cwd=Path(__file__).resolve().parent.parent,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(done.stderr[-2000:])
    return json.loads(done.stdout.splitlines()[-1])


def compare(n_students: int, n_apps: int, with_peers: bool = True) -> str:
    with tempfile.TemporaryDirectory() as folder:
        source = f"{folder}/pairs.parquet"
        pairs = make(Path(source), n_students, n_apps)
        jobs = ["trackline", "bm25", "als"] if with_peers else ["trackline"]
        found = {job: measured(job, source) for job in jobs}
    lines = [
        f"{n_students:,} students x {n_apps} apps, {pairs:,} pairs; "
        "Parquet to Parquet, one thread; the imports are told apart.",
        "",
        "| | CPU s | imports, CPU s | wall s | peak RSS MB | Trackline's CPU share |",
        "|-|-|-|-|-|-|",
    ]
    base = found["trackline"]["cpu"]
    for job, r in found.items():
        lines.append(
            f"| {job} | {r['cpu']:.1f} | {r['imports']:.1f} | {r['wall']:.1f} "
            f"| {r['rss']:.0f} | {base / r['cpu']:.2f} |"
        )
    return "\n".join(lines)


def main() -> None:
    job, source, target = sys.argv[1:]
    began = time.perf_counter()
    if job == "trackline":
        imports = ours(source, target)
    else:
        imports = implicit_peer(source, target, job)
    usage = resource.getrusage(resource.RUSAGE_SELF)
    result = {
        "imports": imports,
        "cpu": usage.ru_utime + usage.ru_stime - imports,
        "wall": time.perf_counter() - began,
        "rss": usage.ru_maxrss / 1024,
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
