"""Finding landing files and learning their layout before any row is read."""

from __future__ import annotations

import csv
import gzip
import io
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import duckdb

from trackline.landing.moodle import PREFIX
from trackline.landing.tables import TABLES, Table

__all__ = ["LandingFile", "discover", "inspect"]

ATTACHED = "attached:"
"""How the location of a table of an attached site begins."""

HEADER_BYTES = 1 << 20
"""A header line longer than this is no header."""

EXPANSION = 300
"""A gzip file that grows more than so many times is not read on."""

DEEPEST = 16
"""Folders within folders of the landing folder that are looked into."""

MOST_DIGITS = 38
"""A Parquet decimal of more digits cannot be read exactly."""

UNREADABLE = (OSError, EOFError, ValueError, zlib.error, csv.Error, duckdb.Error)
"""What reading a header or footer may come to."""

PARQUET = "read_parquet({}, hive_partitioning = false, binary_as_string = true)"
"""Text of older writers comes without saying that it is text."""


@dataclass(frozen=True)
class LandingFile:
    """One version of one landing file.

    Attributes
    ----------
    district_id, table_name : str
        From the folders.
    path : str
        Relative to the landing folder, with forward slashes.
    location : str
        Where to open it.
    size_bytes : int
    modified_at : datetime
        UTC, naive, in whole microseconds.
    time_zone : str
        The district's.
    status : str
        ``new``, or why it is not read: ``unknown_district``, ``unknown_table``,
        ``unknown_format``, ``unavailable`` (the system would not open it: tried again
        at the next run) or ``unreadable``.
    problem : str
        One sentence for an unreadable file.
    columns : tuple of (str, str)
        Name and physical type of the columns, as they lie in the file.
    """

    district_id: str
    table_name: str
    path: str
    location: str
    size_bytes: int
    modified_at: datetime
    time_zone: str = "UTC"
    status: str = "new"
    problem: str = ""
    columns: tuple[tuple[str, str], ...] = field(default=())

    @property
    def is_parquet(self) -> bool:
        """Whether the name says Parquet."""
        return self.path.lower().endswith(".parquet")

    @property
    def is_attached(self) -> bool:
        """Whether it is a table of an attached site, not a file."""
        return self.location.startswith(ATTACHED)

    @property
    def is_gzip(self) -> bool:
        """Whether the name says gzip."""
        return self.path.lower().endswith(".gz")

    @property
    def latest_date(self) -> date:
        """The last date that a row may carry: a day after the file's own."""
        local = self.modified_at.replace(tzinfo=UTC).astimezone(
            ZoneInfo(self.time_zone)
        )
        return local.date() + timedelta(days=1)

    @property
    def latest_time(self) -> datetime:
        """The last UTC time that a row may carry: a day after the file's own."""
        return self.modified_at + timedelta(days=1)

    @property
    def unknown_columns(self) -> tuple[str, ...]:
        """Columns that Trackline ignores."""
        # where the header is missing a student's row stands in its place
        if self.status == "unreadable":
            return ()
        table = TABLES.get(self.table_name)
        known = {column.name for column in table.columns} if table else set()
        return tuple(
            name
            for name, _ in self.columns
            if name.lower() not in known and name.lower() != "district_id"
        )


def _walk(folder: str, depth: int = 0) -> Iterator[tuple[os.DirEntry[str], str]]:
    """Yield files, and folders that cannot be listed with the reason."""
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda item: item.name)
    except FileNotFoundError:
        # moved away since its parent was listed
        return
    for entry in found:
        if entry.name.startswith(".") or entry.name.endswith((".part", ".tmp")):
            continue
        # a district's folder may be a link that the operator made; below it a link
        # would let a district read what lies elsewhere
        if not entry.is_dir(follow_symlinks=depth == 0):
            if entry.is_file(follow_symlinks=False):
                yield entry, ""
        elif depth == DEEPEST:
            yield entry, f"it lies more than {DEEPEST} folders deep"
        else:
            try:
                yield from _walk(entry.path, depth + 1)
            except OSError as error:
                yield entry, f"the folder cannot be listed: {error.strerror}"


def _only(path: Path) -> Iterator[tuple[os.DirEntry[str], str]]:
    if path.is_dir():
        yield from _walk(str(path), depth=1)
        return
    with os.scandir(path.parent) as entries:
        yield from [(entry, "") for entry in entries if entry.name == path.name]


EARLIEST, LATEST = datetime(1, 1, 3), datetime(9999, 12, 29)
"""File systems know times that ISO does not; a day and a time zone still fit."""


def _modified_at(stat: os.stat_result) -> datetime:
    microseconds = stat.st_mtime_ns // 1000
    first, last = (
        (end - datetime(1970, 1, 1)) // timedelta(microseconds=1)
        for end in (EARLIEST, LATEST)
    )
    return datetime(1970, 1, 1) + timedelta(
        microseconds=min(max(microseconds, first), last)
    )


def discover(
    landing: Path, time_zones: Mapping[str, str], within: Path | None = None
) -> list[LandingFile]:
    """List the landing files, without opening any.

    Parameters
    ----------
    landing : Path
        The landing folder; one that does not exist holds no files.
    time_zones : mapping of str to str
        IANA time zone of every configured district.
    within : Path, optional
        Only this file, or the files of this folder, of the landing folder.

    Returns
    -------
    list of LandingFile
        In order of path. A folder that is no configured district yields its files
        with status ``unknown_district``.
    """
    if not landing.is_dir():
        return []
    found = []
    for entry, obstacle in _walk(str(landing)) if within is None else _only(within):
        is_folder, size_bytes, modified_at = bool(obstacle), 0, EARLIEST
        try:
            stat = entry.stat(follow_symlinks=False)
            size_bytes, modified_at = stat.st_size, _modified_at(stat)
        except FileNotFoundError:
            continue
        except OSError as error:
            obstacle = obstacle or f"it cannot be looked at: {error.strerror}"
        path, location = (
            name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            for name in (Path(entry.path).relative_to(landing).as_posix(), entry.path)
        )
        district_id, *folders = path.split("/")[: None if is_folder else -1] or [""]
        table_name = _table_name(folders, entry.name)
        problem = ""
        if district_id not in time_zones:
            status = "unknown_district"
        elif obstacle:
            status, problem = "unavailable", obstacle
        elif table_name not in TABLES:
            status = "unknown_table"
        elif not path.lower().endswith((".csv", ".csv.gz", ".parquet")):
            status = "unknown_format"
        elif location != entry.path or (
            "\\" in location and literal(location) != location
        ):
            status, problem = "unreadable", "the file's name cannot be told to DuckDB"
        else:
            status = "new"
        found.append(
            LandingFile(
                district_id=district_id,
                table_name=table_name,
                path=path,
                location=location,
                size_bytes=size_bytes,
                modified_at=modified_at,
                time_zone=time_zones.get(district_id, "UTC"),
                status=status,
                problem=problem,
            )
        )
    return found


def _table_name(folders: list[str], file_name: str) -> str:
    """Return the table of a file: its folder's name; a Moodle table has its own."""
    if not folders:
        return ""
    if folders[0] + "/" != PREFIX:
        return folders[0]
    return PREFIX + (folders[1:] or [file_name.split(".")[0]])[0]


def literal(location: str) -> str:
    """Return a path as DuckDB takes it for that one file: unmasked, ``*`` is many."""
    return re.sub(r"[*?[]", r"[\g<0>]", location)


def inspect(
    files: Iterable[LandingFile], con: duckdb.DuckDBPyConnection
) -> list[LandingFile]:
    """Read the header or footer of each new file: its columns, or why it has none.

    Parameters
    ----------
    files : iterable of LandingFile
    con : duckdb.DuckDBPyConnection
        Reads Parquet footers.

    Returns
    -------
    list of LandingFile
        The same files with ``columns``, or with status ``unreadable`` and a problem.
    """
    return [
        _inspect(file, con) if file.status == "new" and not file.is_attached else file
        for file in files
    ]


def column_names(
    file: LandingFile, con: duckdb.DuckDBPyConnection
) -> tuple[tuple[str, str], ...]:
    """Return name and physical type of a file's columns; raises where it has none."""
    return _parquet_columns(file, con) if file.is_parquet else _csv_columns(file)


def _inspect(file: LandingFile, con: duckdb.DuckDBPyConnection) -> LandingFile:
    try:
        columns = column_names(file, con)
    except (
        OSError,
        EOFError,
        ValueError,
        zlib.error,
        csv.Error,
        duckdb.Error,
    ) as error:
        return broken(file, first_line(error))
    problem = _header_problem(TABLES[file.table_name], [name for name, _ in columns])
    status = "unreadable" if problem else "new"
    return replace(file, status=status, problem=problem, columns=columns)


def is_as_listed(file: LandingFile) -> bool:
    """Return whether the file opens, and nobody has changed it since it was listed."""
    try:
        with open(file.location, "rb") as stream:
            stream.read(1)
            stat = os.fstat(stream.fileno())
    except OSError:
        return False
    return (stat.st_size, _modified_at(stat)) == (file.size_bytes, file.modified_at)


def broken(file: LandingFile, problem: str) -> LandingFile:
    """Return a file whose content could not be read, with what is to become of it.

    Only the content of a file that lies still says that it is ``unreadable``; one that
    is gone, or that somebody is just writing, is tried again at the next run.
    """
    if is_as_listed(file):
        return replace(file, status="unreadable", problem=problem)
    return replace(file, status="unavailable", problem=problem)


def first_line(error: BaseException) -> str:
    """Return what went wrong, on one line and without what it quotes.

    That may be where the file lies, or a cell.
    """
    text = (str(error).strip() or type(error).__name__).splitlines()[0]
    return re.sub(r""" *("(.*"|.*)|(?<!\w)'(.*'(?!\w)|[^']*$))""", "", text)[:200]


def _header_problem(table: Table, names: list[str]) -> str:
    lowered = [name.lower() for name in names]
    known = {column.name for column in table.columns} | {"district_id"}
    repeated = sorted({n for n in lowered if n in known and lowered.count(n) > 1})
    if repeated:
        return f"the header names {', '.join(repeated)} more than once"
    missing = [name for name in table.needed if name not in lowered]
    if missing:
        hint = ""
        if len(names) == 1 and any(mark in names[0] for mark in ";\t|"):
            hint = "; the delimiter must be a comma"
        return f"the header lacks {', '.join(missing)}{hint}"
    return ""


def _parquet_columns(
    file: LandingFile, con: duckdb.DuckDBPyConnection
) -> tuple[tuple[str, str], ...]:
    rows = con.execute(
        f"describe select * from {PARQUET.format('?')}", [[literal(file.location)]]
    ).fetchall()
    schema = con.execute(
        "select name, precision from parquet_schema(?)", [literal(file.location)]
    ).fetchall()
    # DuckDB calls the second student_id student_id_1
    names = {name for name, _ in schema}
    table = TABLES.get(file.table_name)
    known = {column.name for column in table.columns} if table else set()
    for name, kind, *_ in rows:
        original = re.sub(r"_[0-9]+$", "", name).lower()
        if original in known and name not in names:
            raise ValueError(f"the header names {original} more than once")
        is_nested = kind.endswith("]") or kind.startswith(("STRUCT", "MAP", "UNION"))
        if name.lower() in known and is_nested:
            raise ValueError(f"{name.lower()} holds lists: one value a cell is needed")
    for name, digits in schema:
        # DuckDB 1.5.5 takes them for floats: 3 in a decimal(50, 0) comes as 50331648
        if name.lower() in known and (digits or 0) > MOST_DIGITS:
            raise ValueError(
                f"{name.lower()} is a decimal of {digits} digits: at most {MOST_DIGITS}"
                " can be read"
            )
    return tuple((row[0], row[1]) for row in rows)


def open_csv(file: LandingFile) -> io.BufferedIOBase:
    """Open a CSV file for reading bytes, unpacked.

    Reading raises ValueError where a gzip file expands beyond measure.
    """
    if not file.is_gzip:
        return open(file.location, "rb")
    limit = max(64 << 20, EXPANSION * file.size_bytes)
    return io.BufferedReader(_Unpacked(file.location, limit), HEADER_BYTES)


class _Unpacked(io.RawIOBase):
    """The bytes of a gzip file, of any number of members, up to a limit."""

    def __init__(self, location: str, limit: int) -> None:
        self.stream, self.left = gzip.GzipFile(location), limit

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:
        size = self.stream.readinto(buffer)
        self.left -= size
        if self.left < 0:
            raise ValueError(
                f"the gzip file expands more than {EXPANSION} times: taken for a bomb"
            )
        return size

    def close(self) -> None:
        self.stream.close()
        super().close()


def _csv_columns(file: LandingFile) -> tuple[tuple[str, str], ...]:
    with open_csv(file) as stream:
        head = stream.read(HEADER_BYTES)
    if not head:
        raise ValueError("the file is empty: not even a header")
    text = head.decode("utf-8-sig", errors="replace")
    rows = csv.reader(io.StringIO(text, newline=""))
    header = next((row for row in rows if row), [])
    if len(head) == HEADER_BYTES and next(rows, None) is None:
        raise ValueError("the first line is too long for a header")
    return tuple((name.strip(), "VARCHAR") for name in header)
