"""Where models live: one file per model, replaced whole, in a folder or on S3.

`<root>/<uniqueid>/<dirhash>/classifier.zip` holds the model and the rows it learned
from (`rows.npz`, which no export contains); `logs/<runid>/` beside it holds each
evaluation's log. A reader sees the old file or the new one, never half of one.

Writers of one model wait for each other: on one machine by a lock on a file, which the
kernel frees when a process is killed; between machines, on S3, by writing only if the
object is still the one that was read (`ChangedError` otherwise: read again, repeat).
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import io
import os
import shutil
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import fsspec
import numpy as np
from fsspec.implementations.local import LocalFileSystem

from .archive import UNREADABLE, pack, unpack
from .limits import LimitError, Limits
from .model import ARRAYS, DESCRIPTION, Classifier, ModelError

__all__ = [
    "ChangedError",
    "ModelFolder",
    "Rows",
    "State",
    "Storage",
    "UploadError",
    "file_lock",
    "replace_file",
    "sweep",
]

CLASSIFIER = "classifier.zip"
DAMAGED = "The stored model is damaged: import or delete it"
ROWS = "rows.npz"
LOCKS = 512
# our own files may be larger than what a stranger may send
OWN = Limits(max_zip_bytes=2**32, max_zip_ratio=10_000)


class ChangedError(Exception):
    """Another machine replaced the model since it was read."""


class UploadError(Exception):
    """S3 did not take the model."""


@dataclass(frozen=True)
class Rows:
    """Rows that a model learned from.

    Attributes
    ----------
    features : ndarray of float32, shape (n, d)
    labels : ndarray of int64, shape (n,)
    """

    features: np.ndarray
    labels: np.ndarray

    def followed_by(self, other: Rows, cells: int) -> Rows:
        """Return these rows and newer ones, without the oldest above so many cells."""
        features = np.vstack([self.features, other.features])
        labels = np.concatenate([self.labels, other.labels])
        count = max(cells // max(features.shape[1], 1), len(other.labels))
        return Rows(features[-count:], labels[-count:])

    def to_bytes(self) -> bytes:
        """Return an npz file."""
        packed = io.BytesIO()
        np.savez_compressed(
            packed, allow_pickle=False, features=self.features, labels=self.labels
        )
        return packed.getvalue()

    @classmethod
    def from_bytes(cls, packed: bytes) -> Rows:
        """Read what `to_bytes` wrote."""
        with np.load(io.BytesIO(packed), allow_pickle=False) as arrays:
            return cls(arrays["features"], arrays["labels"])


@dataclass(frozen=True)
class State:
    """A stored model.

    Attributes
    ----------
    classifier : Classifier
    rows : Rows or None
        None after an import.
    inherited : Classifier or None
        What an import brought; it stays a part of every later model.
    """

    classifier: Classifier
    rows: Rows | None = None
    inherited: Classifier | None = None


class ModelFolder:
    """One model and its logs.

    Parameters
    ----------
    fs : fsspec filesystem
    path : str
        The folder; made when something is written.
    kept_runs : int
        Evaluation logs kept; older ones are removed.
    """

    def __init__(
        self, fs: fsspec.AbstractFileSystem, path: str, kept_runs: int = 20
    ) -> None:
        self.fs, self.path, self._kept_runs = fs, path.rstrip("/"), kept_runs
        self._local = isinstance(fs, LocalFileSystem)

    def read(self) -> tuple[State | None, str | None]:
        """Return the stored model, if there is one, and the version for `write`.

        Raises
        ------
        ModelError
            If it is damaged or not ours.
        """
        # the version first: if the object changes in between, writing is refused
        version = self._version()
        try:
            packed = self.fs.cat_file(f"{self.path}/{CLASSIFIER}")
        except FileNotFoundError:
            return None, None
        with _telling_damage():
            files = unpack(packed, OWN)
            inherited = {
                name.removeprefix("inherited/"): content
                for name, content in files.items()
                if name.startswith("inherited/")
            }
            state = State(
                Classifier.from_files(files),
                Rows.from_bytes(files[ROWS]) if ROWS in files else None,
                Classifier.from_files(inherited) if inherited else None,
            )
            return state, version

    def classifier(self) -> Classifier | None:
        """Return the stored model without its rows; raises as `read`."""
        if not self._local:
            return state.classifier if (state := self.read()[0]) else None
        try:
            with (
                Path(self.path, CLASSIFIER).open("rb") as file,
                _telling_damage(),
                zipfile.ZipFile(file) as archive,
            ):
                return Classifier.from_files(
                    {name: archive.read(name) for name in (DESCRIPTION, ARRAYS)}
                )
        except FileNotFoundError:
            return None

    def write(self, state: State, version: str | None = None) -> None:
        """Replace the model; the caller is its only writer on this machine.

        Raises
        ------
        ChangedError
            If the stored model is no longer of this version (S3 only).
        UploadError
            If S3 does not take it.
        """
        files = state.classifier.to_files()
        if state.rows is not None:
            files[ROWS] = state.rows.to_bytes()
        if state.inherited is not None:
            brought = state.inherited.to_files()
            files |= {f"inherited/{name}": brought[name] for name in brought}
        content = pack(files)
        if self._local:
            sweep(Path(self.path))
            replace_file(Path(self.path, CLASSIFIER), content)
        else:
            condition = {"IfMatch": version} if version else {"IfNoneMatch": "*"}
            self._put(f"{self.path}/{CLASSIFIER}", content, **condition)

    def overwrite(self, state: State) -> None:
        """Replace the model, whatever is there."""
        while True:
            with contextlib.suppress(ChangedError):
                return self.write(state, self._version())

    def reserve_run(self) -> int:
        """Begin a run; its id is the time in milliseconds and above every kept id."""
        after_kept = [int(run) + 1 for run in self._runs()[-1:]]
        runid = max([time.time_ns() // 1_000_000, *after_kept])
        while True:
            try:
                if self._local:
                    Path(self.path, "logs").mkdir(parents=True, exist_ok=True)
                    Path(self.path, "logs", str(runid)).mkdir()
                else:
                    self._put(f"{self.path}/logs/{runid}/.run", b"", IfNoneMatch="*")
                return runid
            except (FileExistsError, ChangedError):
                runid += 1

    def write_run(self, runid: int, files: dict[str, bytes]) -> None:
        """Write a run's log and remove the logs of runs too many."""
        for name, content in files.items():
            path = f"{self.path}/logs/{runid}/{name}"
            if self._local:  # S3 has no folders to make
                Path(path).parent.mkdir(parents=True, exist_ok=True)
            self.fs.pipe_file(path, content)
        for old in self._runs()[: -self._kept_runs]:
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm(f"{self.path}/logs/{old}", recursive=True)

    def run(self, runid: str) -> dict[str, bytes]:
        """Return a run's log, by path; empty for an unknown run."""
        if not runid.isdigit():
            return {}
        folder = f"{self.path}/logs/{runid}/"
        self.fs.invalidate_cache()
        return {
            path.removeprefix(folder): self.fs.cat_file(path)
            for path in self.fs.find(folder)
            if not path.startswith(f"{folder}.")
        }

    def _version(self) -> str | None:
        """Return what S3 compares before it writes; None where there is no model."""
        if self._local:
            return None
        try:
            return self.fs.info(f"{self.path}/{CLASSIFIER}", refresh=True)["ETag"]
        except FileNotFoundError:
            return None

    def _runs(self) -> list[str]:
        """Return the ids of the kept runs, oldest first."""
        return sorted(filter(str.isdigit, self._names("logs")), key=int)

    def _names(self, folder: str) -> list[str]:
        try:
            self.fs.invalidate_cache()
            listed = self.fs.ls(f"{self.path}/{folder}", detail=False)
        except (FileNotFoundError, NotADirectoryError):
            return []
        return [path.rstrip("/").rsplit("/", 1)[-1] for path in listed]

    def _put(self, path: str, content: bytes, **condition: str) -> None:
        try:
            self.fs.pipe_file(path, content, **condition)
        except Exception as error:
            # the names of S3's answers to a condition that does not hold
            if any(
                word in repr(cause)
                for cause in (error, error.__cause__)
                for word in ("PreconditionFailed", "ConditionalRequestConflict", "412")
            ):
                raise ChangedError from None
            raise UploadError from error


@contextlib.contextmanager
def _telling_damage() -> Iterator[None]:
    """Say of whatever a stored model raises that it is the stored one."""
    try:
        yield
    except (KeyError, *UNREADABLE) as error:
        raise ModelError(DAMAGED) from error


def replace_file(path: Path, content: bytes) -> None:
    """Write a file so that a reader or a crash sees the old or the new one, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def sweep(folder: Path) -> None:
    """Remove what killed writers left of files in a folder that has no writer now."""
    for left in folder.glob(f".*.{'[0-9a-f]' * 32}"):
        left.unlink(missing_ok=True)


@contextlib.contextmanager
def file_lock(path: Path, seconds: float) -> Iterator[None]:
    """Hold a lock that other threads and processes respect; LimitError if it lasts."""
    end = time.monotonic() + seconds
    with path.open("wb") as file:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    raise LimitError(
                        "The model is being changed by another request, try again later"
                    ) from None
                time.sleep(0.02)
        yield  # closing the file frees the lock


class Storage:
    """All models of a server.

    Parameters
    ----------
    root : str
        A folder, or an fsspec URL such as s3://bucket.
    limits : Limits, optional
        kept_runs and lock_seconds are used.
    """

    def __init__(self, root: str, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        options = {} if "://" not in root else {"use_listings_cache": False}
        self.fs, path = fsspec.core.url_to_fs(root, **options)
        self.root = path.rstrip("/")
        self._local = isinstance(self.fs, LocalFileSystem)
        mark = hashlib.sha256(self.root.encode()).hexdigest()[:16]
        self._locks = (
            Path(self.root, ".locks")
            if self._local
            else Path(tempfile.gettempdir(), f"trackline-locks-{os.getuid()}-{mark}")
        )

    def folder(self, uniqueid: str, dirhash: str) -> ModelFolder:
        """Return the folder of a model; both ids are cleaned and not empty."""
        path = f"{self.root}/{uniqueid}/{dirhash}"
        return ModelFolder(self.fs, path, self._limits.kept_runs)

    @contextlib.contextmanager
    def lock(self, uniqueid: str) -> Iterator[None]:
        """Keep other writers of the model out, in this and other processes.

        A fixed number of lock files is shared by all models: two models may rarely
        wait for each other, and nothing piles up.

        Raises
        ------
        LimitError
            If it takes too long.
        """
        self._locks.mkdir(parents=True, exist_ok=True)
        number = int(hashlib.sha256(uniqueid.encode()).hexdigest(), 16) % LOCKS
        with file_lock(self._locks / str(number), self._limits.lock_seconds):
            yield

    def delete(self, uniqueid: str) -> None:
        """Remove every folder of a model; nothing happens if there is none."""
        path = f"{self.root}/{uniqueid}"
        if not self._local:
            with contextlib.suppress(FileNotFoundError):
                self.fs.rm(path, recursive=True)
            return
        # out of sight first, in one step
        away = Path(self.root, f".deleted-{uuid.uuid4().hex}")
        with contextlib.suppress(FileNotFoundError):
            Path(path).rename(away)
        # one that was killed has left others
        for gone in Path(self.root).glob(".deleted-*"):
            shutil.rmtree(gone, ignore_errors=True)

    def check(self) -> None:
        """Raise OSError unless the folder exists and can be written."""
        if self._local:
            with tempfile.TemporaryFile(dir=self.root):
                pass
