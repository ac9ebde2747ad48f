"""One writer per model, across processes and machines."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
from fsspec.implementations.local import LocalFileSystem

__all__ = ["LockedError", "lock"]

WAIT_SECONDS = 10.0
# a machine that died holds a lock on S3 no longer than its model may take
STALE_SECONDS = 6 * 3600
PAUSE_SECONDS = 0.2


class LockedError(Exception):
    """Somebody else works on the model: it is skipped until the next run."""


@contextlib.contextmanager
def lock(
    fs: fsspec.AbstractFileSystem, folder: str, wait: float | None = None
) -> Iterator[None]:
    """Keep other writers out of a model's folder.

    Locally a lock on a file, which the kernel frees when a process is killed; on S3 an
    object that is put only if it is not there.

    Parameters
    ----------
    fs : fsspec filesystem
    folder : str
    wait : float, optional
        Seconds; WAIT_SECONDS, if not given.

    Raises
    ------
    LockedError
        If it takes longer, or the store is of another kind: it would keep nobody out.
    """
    path = f"{folder}/.lock"
    local = isinstance(fs, LocalFileSystem)
    end = time.monotonic() + (WAIT_SECONDS if wait is None else wait)
    if not local and "s3" not in fs.protocol:
        raise LockedError(f"Models lie in a folder or on s3://, not on {fs.protocol}")
    with _local_lock(path, end) if local else _remote_lock(fs, path, end):
        yield


@contextlib.contextmanager
def _local_lock(path: str, end: float) -> Iterator[None]:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with open(path, "wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                _pause(end)
        yield


@contextlib.contextmanager
def _remote_lock(
    fs: fsspec.AbstractFileSystem, path: str, end: float
) -> Iterator[None]:
    owner = uuid.uuid4().hex
    content = json.dumps(
        {"owner": owner, "pid": os.getpid(), "at": time.time()}
    ).encode()
    while not _put(fs, path, content, IfNoneMatch="*"):
        if _take_stale(fs, path, content):
            break
        _pause(end)
    try:
        yield
    finally:
        with contextlib.suppress(FileNotFoundError):
            if json.loads(fs.cat_file(path))["owner"] == owner:
                fs.rm_file(path)


def _put(
    fs: fsspec.AbstractFileSystem, path: str, content: bytes, **condition: str
) -> bool:
    try:
        fs.pipe_file(path, content, **condition)
    except Exception as error:
        # the names of S3's answers to a condition that does not hold
        told = f"{error!r} {error.__cause__!r}"
        refusals = ("PreconditionFailed", "ConditionalRequestConflict", "412")
        if any(word in told for word in refusals):
            return False
        raise
    return True


def _take_stale(fs: fsspec.AbstractFileSystem, path: str, content: bytes) -> bool:
    """Take the place of a machine that died: of all who try only one does."""
    try:
        seen = fs.info(path)["ETag"]
        age = time.time() - json.loads(fs.cat_file(path))["at"]
    except FileNotFoundError:
        return False
    return age > STALE_SECONDS and _put(fs, path, content, IfMatch=seen)


def _pause(end: float) -> None:
    if time.monotonic() >= end:
        raise LockedError("Still being analysed by a previous execution")
    time.sleep(PAUSE_SECONDS)
