"""A district's folder under TRACKLINE_SERVE.

    <version>.duckdb          the published tables
    <version>/                the same as Parquet and CSV, and manifest.json
    current.json              a copy of the current version's manifest
    held.json                 why newer data waits, if it does
    .new-*                    being written; a killed run's are swept by the next

Everything is written under a `.new-` name, flushed to disk and renamed, the folder
first and the DuckDB file after it: a version whose DuckDB file can be seen is complete.
current.json is renamed into place last.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from trackline.config.cells import DISTRICT_ID
from trackline.settings import RefusedError

__all__ = ["KEEP", "DistrictFolder", "district_folders", "publisher_lock"]

KEEP = 3
"""Versions that stay: a reader has two further publications' time to finish."""

NEW = ".new-"
VERSION = re.compile(r"\d{8}T\d{12}Z")
VERSION_FORMAT = "%Y%m%dT%H%M%S%fZ"

Manifest = dict[str, Any]

NEEDED = {"district_id", "as_of", "fingerprint", "row_counts"}


@contextmanager
def publisher_lock(serve: Path) -> Iterator[None]:
    """Let one publisher at a time into the serve folder; ends with the process.

    Raises
    ------
    RefusedError
        If another one is at work.
    """
    serve.mkdir(parents=True, exist_ok=True)
    with open(serve / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise RefusedError(
                f"another trackline publish is writing {serve}: let it finish"
            ) from None
        yield


def district_folders(serve: Path) -> list[DistrictFolder]:
    """List the folders of all districts ever published, ordered by id."""
    names = sorted(entry.name for entry in serve.iterdir() if entry.is_dir())
    return [DistrictFolder(serve, n) for n in names if DISTRICT_ID.fullmatch(n)]


class DistrictFolder:
    """One district's versions.

    Parameters
    ----------
    serve : Path
        TRACKLINE_SERVE.
    district_id : str
        A valid id: it becomes the folder's name.
    """

    def __init__(self, serve: Path, district_id: str) -> None:
        if not DISTRICT_ID.fullmatch(district_id):
            raise RefusedError(f"{district_id!r} is no district id")
        self.path = serve / district_id

    # what is there -----------------------------------------------------------------

    def current(self) -> Manifest | None:
        """Read current.json; None without one.

        Raises
        ------
        ValueError
            If it is unreadable or names a version that is not complete.
        """
        try:
            manifest = json.loads((self.path / "current.json").read_bytes())
        except FileNotFoundError:
            return None
        except (ValueError, OSError):
            raise ValueError("current.json was unreadable") from None
        version = manifest.get("version") if isinstance(manifest, dict) else None
        if not isinstance(version, str) or not VERSION.fullmatch(version):
            raise ValueError("current.json named no version")
        own = self.manifest(version)
        if own is None:
            raise ValueError(f"version {version} was damaged")
        if manifest | {"as_of": own["as_of"]} != own:
            raise ValueError("current.json was altered")
        return manifest

    def held(self) -> Manifest | None:
        """Read held.json; None when nothing is held (or the file is unreadable)."""
        try:
            held = json.loads((self.path / "held.json").read_bytes())
        except (OSError, ValueError):
            return None
        return held if isinstance(held, dict) else None

    def manifest(self, version: str) -> Manifest | None:
        """Read a version's own manifest; None unless all its files have their size."""
        try:
            manifest = json.loads((self.path / version / "manifest.json").read_bytes())
            sizes = manifest["sizes"].items()
            complete = all((self.path / f).stat().st_size == n for f, n in sizes)
            whole = (
                complete and manifest["version"] == version and set(manifest) >= NEEDED
            )
        except (OSError, ValueError, KeyError, AttributeError, TypeError):
            return None
        return manifest if whole and complete else None

    def versions(self) -> list[str]:
        """List complete versions, oldest first."""
        return [version for version in self._names() if self.manifest(version)]

    def _names(self) -> list[str]:
        if not self.path.is_dir():
            return []
        stems = {entry.name.split(".")[0] for entry in self.path.iterdir()}
        return sorted(stem for stem in stems if VERSION.fullmatch(stem))

    # what changes it ---------------------------------------------------------------

    def recover(self) -> tuple[Manifest | None, str | None]:
        """Undo what a killed run or a damaged file left, and say what was wrong.

        A readable current.json is believed: newer versions were never announced and
        go. Without one the newest complete version is announced again.

        Returns
        -------
        manifest : dict or None
            The current version.
        finding : str or None
            One sentence, when something other than a killed run was repaired.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        finding = None
        try:
            manifest = self.current()
        except ValueError as error:
            manifest, finding = None, str(error)
        complete = self.versions()
        if manifest is None and complete:
            manifest = self.manifest(complete[-1])
            self._write_json("current.json", manifest)
        elif manifest is None and finding:
            (self.path / "current.json").unlink(missing_ok=True)
        if finding:
            instead = f"restored {manifest['version']}" if manifest else "none was left"
            finding = f"{finding}: {instead}"
        for version in self._names():
            if version not in complete or (manifest and version > manifest["version"]):
                self._remove(version)
        self._prune()
        return manifest, finding

    def sweep(self) -> None:
        """Remove what killed runs were writing."""
        for entry in self.path.glob(f"{NEW}*"):
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()

    def next_version(self, now: datetime) -> str:
        """Name a version by the time, yet later than all before it."""
        names = self._names()
        if names:
            newest = datetime.strptime(names[-1], VERSION_FORMAT).replace(tzinfo=UTC)
            now = max(now, newest + timedelta(microseconds=1))
        return now.astimezone(UTC).strftime(VERSION_FORMAT)

    def export(self, version: str, table: str) -> Path:
        """Name a table's Parquet file."""
        return self.path / version / f"{table}.parquet"

    def new_database(self, version: str) -> Path:
        """Name the file in which a version's tables are written."""
        return self.path / f"{NEW}{version}.duckdb"

    def new_folder(self, version: str) -> Path:
        """Make the folder in which a version's exports are written."""
        folder = self.path / f"{NEW}{version}"
        folder.mkdir()
        return folder

    def commit(self, version: str, about: Manifest) -> Manifest:
        """Make a written version the current one, and let the fourth oldest go."""
        database, folder = self.new_database(version), self.path / f"{NEW}{version}"
        files = {f"{version}.duckdb": database}
        files |= {f"{version}/{f.name}": f for f in sorted(folder.iterdir())}
        manifest = {
            "version": version,
            **about,
            "duckdb": f"{version}.duckdb",
            "sizes": {name: file.stat().st_size for name, file in files.items()},
            "checksums": {name: _sha256(file) for name, file in files.items()},
        }
        _write(folder / "manifest.json", manifest)
        for file in files.values():
            _flush(file)
        _flush(folder)
        folder.rename(self.path / version)
        database.rename(self.path / f"{version}.duckdb")
        _flush(self.path)
        self.announce(manifest)
        self._prune()
        return manifest

    def drop_all_but(self, version: str) -> None:
        """Take every other version away: they name someone who must be forgotten."""
        for other in self._names():
            if other != version:
                self._remove(other)

    def announce(self, manifest: Manifest) -> None:
        """Name the current version to readers."""
        self._write_json("current.json", manifest)

    def hold(self, held: Manifest) -> None:
        """Tell why newer data waits."""
        self._write_json("held.json", held)

    def release(self) -> None:
        """Nothing waits any longer."""
        (self.path / "held.json").unlink(missing_ok=True)

    def _write_json(self, name: str, content: Manifest | None) -> None:
        new = self.path / f"{NEW}{name}"
        _write(new, content)
        new.rename(self.path / name)
        _flush(self.path)

    def _prune(self) -> None:
        for old in self.versions()[:-KEEP]:
            self._remove(old)

    def _remove(self, version: str) -> None:
        """Take a version away, its DuckDB file first: half a version is never seen."""
        (self.path / f"{version}.duckdb").unlink(missing_ok=True)
        shutil.rmtree(self.path / version, ignore_errors=True)


def _write(path: Path, content: Manifest | None) -> None:
    with open(path, "w", encoding="utf-8") as file:
        json.dump(content, file, indent=2, ensure_ascii=False)
        file.write("\n")
        file.flush()
        os.fsync(file.fileno())


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _sha256(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
