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


@pytest.fixture
def bucket(monkeypatch):
    moto = pytest.importorskip("moto.server")
    pytest.importorskip("s3fs")
    server = moto.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "testing")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "testing")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    fs = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    fs.mkdir("trackline-locks")
    yield fs
    server.stop()


def test_a_conditional_put_on_s3(bucket, monkeypatch):
    folder = "trackline-locks/insights/north/model"
    with lock(bucket, folder):
        with pytest.raises(LockedError), lock(bucket, folder, wait=0.3):
            pass
        assert bucket.exists(f"{folder}/.lock")
    assert not bucket.exists(f"{folder}/.lock")
    # a machine that died: its lock grows stale
    old = {"owner": "gone", "pid": 1, "at": time.time() - locks.STALE_SECONDS - 1}
    bucket.pipe_file(f"{folder}/.lock", json.dumps(old).encode())
    with lock(bucket, folder, wait=2):
        pass
