"""What runs in processes of its own: publishers that die, readers that look on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import multiprocessing
import os
import resource
import shutil
import signal
import time
from pathlib import Path

import duckdb
from publish_warehouse import Warehouse

from trackline.publish import publish, versions
from trackline.settings import Settings

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["trackline.publish"])


def set_generation(warehouse: Warehouse, number: int) -> None:
    """Write a number into every published table: a mix of two shows."""
    warehouse.execute(
        f"""
        begin;
        update dim_students set score = {number};
        update rpt_most_used_by_student set session_count = {number};
        update rpt_most_used_by_district set session_count = {number};
        update rpt_recommendations set score = {number};
        update rpt_app_value set seats = {number};
        update dq_files set size_bytes = {number};
        commit;
        """
    )


GENERATION = {
    "dim_students": "score",
    "frame": "score",
    "rpt_most_used_by_student": "session_count",
    "rpt_most_used_by_district": "session_count",
    "rpt_recommendations": "score",
    "rpt_app_value": "seats",
    "dq_files": "size_bytes",
}


def read_publication(folder: Path) -> int | None:
    """Read the current version as a reader would, each file, and check all of it."""
    try:
        current = json.loads((folder / "current.json").read_text())
    except FileNotFoundError:
        return None
    for name, checksum in current["checksums"].items():
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == checksum
    found = set()
    with duckdb.connect(str(folder / current["duckdb"]), read_only=True) as con:
        for table, column in GENERATION.items():
            parquet = str(folder / current["version"] / f"{table}.parquet")
            for source in (table, f"read_parquet('{parquet}')"):
                [(low, high, rows)] = con.execute(
                    f"select min({column}), max({column}), count(*) from {source}"
                ).fetchall()
                assert rows == current["row_counts"][table]
                found |= {int(low), int(high)}
    assert len(found) == 1, f"a mixed version: {found}"
    return found.pop()


def read_until(folder: Path, last: int, results) -> None:
    """Read over and over until generation `last`; tell what was seen."""
    seen: list[int | None] = []
    try:
        while not seen or seen[-1] != last:
            seen.append(read_publication(folder))
    except BaseException as error:
        results.put((seen, f"{type(error).__name__}: {error}"))
        raise
    results.put((seen, None))


def publish_and_die_after(settings: Settings, seconds: float) -> None:
    """Publish; kill -9 from outside is the same as from inside, and better timed."""
    signal.signal(signal.SIGALRM, lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    signal.setitimer(signal.ITIMER_REAL, seconds)
    publish(settings)


def publish_and_die_at(settings: Settings, step: int) -> None:
    """Publish and die just before the n-th flush, rename or removal."""
    left = [step]

    def dying(call):
        def wrapper(*arguments, **options):
            left[0] -= 1
            if left[0] < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*arguments, **options)

        return wrapper

    os.fsync = dying(os.fsync)
    Path.rename = dying(Path.rename)
    Path.unlink = dying(Path.unlink)
    versions.shutil.rmtree = dying(shutil.rmtree)
    publish(settings)


def publish_within(settings: Settings, file_bytes: int, results) -> None:
    """Publish where no file may grow past a size: what a full disk looks like."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_bytes, file_bytes))
    report = publish(settings)
    results.put([(o.district_id, o.state, o.findings) for o in report.outcomes])


def in_process(target, *arguments) -> int:
    """Run in a fresh process; return its exit code, -9 when it was killed."""
    process = PROCESSES.Process(target=target, args=arguments)
    process.start()
    process.join(60)
    assert not process.is_alive()
    code = process.exitcode
    with contextlib.suppress(ValueError):
        process.close()
    return code


def time_of(call) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started
