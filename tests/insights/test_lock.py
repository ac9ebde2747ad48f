"""One writer per model: between processes here, between machines on S3."""

from __future__ import annotations

import json
import multiprocessing
import time

import fsspec
import pytest

from trackline.insights import lock as locks
from trackline.insights.lock import LockedError, lock


def hold(folder: str, ready, done) -> None:
    with lock(fsspec.filesystem("file"), folder):
        ready.set()
        done.wait(30)


def test_another_process_waits_and_is_skipped(tmp_path):
    spawn = multiprocessing.get_context("spawn")
    ready, done = spawn.Event(), spawn.Event()
    other = spawn.Process(target=hold, args=(str(tmp_path), ready, done))
    other.start()
    assert ready.wait(60)
    fs = fsspec.filesystem("file")
    started = time.monotonic()
    with (
        pytest.raises(LockedError, match="previous execution"),
        lock(fs, str(tmp_path), wait=0.5),
    ):
        pass
    assert time.monotonic() - started >= 0.5
    # a process that is killed leaves no lock behind
    other.kill()
    other.join()
    with lock(fs, str(tmp_path), wait=5):
        pass


def test_a_conditional_put_on_s3(bucket):
    fs, root = fsspec.core.url_to_fs(bucket, use_listings_cache=False)
    folder = f"{root}/insights/north/model"
    with lock(fs, folder):
        with pytest.raises(LockedError), lock(fs, folder, wait=0.3):
            pass
        assert fs.exists(f"{folder}/.lock")
    assert not fs.exists(f"{folder}/.lock")
    # a machine that died: its lock grows stale
    old = {"owner": "gone", "pid": 1, "at": time.time() - locks.STALE_SECONDS - 1}
    fs.pipe_file(f"{folder}/.lock", json.dumps(old).encode())
    with lock(fs, folder, wait=2):
        pass

    # two find it stale: one takes it, the other must not take it from that one
    fs.pipe_file(f"{folder}/.lock", json.dumps(old).encode())
    newer = json.dumps({"owner": "first", "pid": 2, "at": time.time()}).encode()

    class Slow:
        protocol = fs.protocol

        def __getattr__(self, name):
            return getattr(fs, name)

        def cat_file(self, path):
            stale = fs.cat_file(path)
            fs.pipe_file(path, newer)
            return stale

    with pytest.raises(LockedError), lock(Slow(), folder, wait=0.3):
        pass
    assert fs.cat_file(f"{folder}/.lock") == newer


def test_a_store_that_keeps_nobody_out_is_refused():
    fs = fsspec.filesystem("memory")
    with pytest.raises(LockedError, match="s3://"), lock(fs, "/model"):
        pass
