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
"""A gzip member that says it grows more than so many times is not read on."""

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


def _walk(folder: str, *, is_top: bool = True) -> Iterator[os.DirEntry[str]]:
    # a district's folder may be a link that the operator made; below it a link would
    # let a district read what lies elsewhere
    try:
        with os.scandir(folder) as entries:
            found = sorted(entries, key=lambda item: item.name)
    except FileNotFoundError:
        # moved away since its parent was listed
        return
    for entry in found:
        if entry.name.startswith(".") or entry.name.endswith((".part", ".tmp")):
            continue
        if entry.is_dir(follow_symlinks=is_top):
            yield from _walk(entry.path, is_top=False)
        elif entry.is_file(follow_symlinks=False):
            yield entry


def _only(path: Path) -> Iterator[os.DirEntry[str]]:
    if path.is_dir():
        yield from _walk(str(path))
        return
    with os.scandir(path.parent) as entries:
        yield from [entry for entry in entries if entry.name == path.name]


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
    for entry in _walk(str(landing)) if within is None else _only(within):
        try:
            stat = entry.stat(follow_symlinks=False)
        except FileNotFoundError:
            continue
        path, location = (
            name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
            for name in (Path(entry.path).relative_to(landing).as_posix(), entry.path)
        )
        district_id, *folders = path.split("/")[:-1] or [""]
        table_name = _table_name(folders, entry.name)
        problem = ""
        if district_id not in time_zones:
            status = "unknown_district"
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
                size_bytes=stat.st_size,
                modified_at=_modified_at(stat),
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
    """Return what went wrong, on one line and without the location of the file."""
    text = str(error).strip() or type(error).__name__
    return re.sub(r" *'/[^']*'| *\"/[^\"]*\"", "", text.splitlines()[0])[:200]


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

    Raises
    ------
    ValueError
        If a gzip file says that it expands beyond measure.
    """
    if not file.is_gzip:
        return open(file.location, "rb")
    with open(file.location, "rb") as packed:
        packed.seek(max(0, file.size_bytes - 4))
        unpacked = int.from_bytes(packed.read(4), "little")
    limit = max(64 << 20, EXPANSION * file.size_bytes)
    if unpacked > limit:
        # of a file that was cut off these bytes say anything: reading it tells
        _refuse_bomb(file, limit)
    return gzip.open(file.location, "rb")


def _refuse_bomb(file: LandingFile, limit: int) -> None:
    with gzip.open(file.location, "rb") as stream:
        while chunk := stream.read(min(HEADER_BYTES, limit + 1)):
            limit -= len(chunk)
            if limit < 0:
                raise ValueError(
                    f"the gzip file expands more than {EXPANSION} times: taken for a"
                    " bomb"
                )


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
