"""The one reader of landing files: records in, typed rows and rejects out.

It runs on a DuckDB connection and needs nothing else, so the build runs it on the
warehouse's connection, ``trackline check`` on one in memory, and a Spark task on one
of its own.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import replace

import duckdb
import pyarrow as pa

from trackline.landing import malformed
from trackline.landing.columns import Table
from trackline.landing.files import (
    PARQUET,
    LandingFile,
    broken,
    first_line,
    is_as_listed,
    literal,
)
from trackline.landing.live import live_rows
from trackline.landing.record_count import count_records
from trackline.landing.tables import TABLES
from trackline.landing.typing_sql import typed_rows_sql

__all__ = ["read", "set_pseudonym_key"]

_counter = itertools.count()


def set_pseudonym_key(con: duckdb.DuckDBPyConnection, key: str | None) -> bool:
    """Give the connection the pads of HMAC-SHA256; False when there is no key."""
    if not key:
        return False
    block = key.encode()
    if len(block) > 64:
        block = hashlib.sha256(block).digest()
    block = block.ljust(64, b"\0")
    for name, pad in (("inner", 0x36), ("outer", 0x5C)):
        con.execute(
            f"set variable trackline_{name}_pad = $pad",
            {"pad": bytes(byte ^ pad for byte in block)},
        )
    return True


def read(
    con: duckdb.DuckDBPyConnection,
    table: Table,
    files: Iterable[LandingFile],
    pseudonym_key: str | None = None,
) -> duckdb.DuckDBPyRelation:
    """Read landing files of one table.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Temporary tables of the reading are made here.
    table : Table
    files : iterable of LandingFile
        Inspected; those that are not readable yield one ``unreadable_file`` row, those
        that are gone or were changed meanwhile one ``unavailable`` row: no reject, but
        a file to try again.
    pseudonym_key : str or None
        Replaces users' ids, see INTERFACE section 7.

    Returns
    -------
    duckdb.DuckDBPyRelation
        One row per record, lazily: district_id, path, file_modified_at,
        record_number, the table's columns, personal_id, rule, column_name, value.
        ``rule`` is null for a row to load.
    """
    con.execute("set TimeZone = 'UTC'")
    is_pseudonymous = set_pseudonym_key(con, pseudonym_key)
    readable = [file for file in files if file.status == "new"]
    unread = [file for file in files if file.status == "unreadable"]
    parts = []
    for group in _by_layout(readable):
        if group[0].is_attached:
            read_group = _attached_source
        else:
            read_group = _parquet_source if group[0].is_parquet else _csv_source
        sources, failed = read_group(con, group)
        unread.extend(failed)
        for source, columns in sources:
            parts.append(
                typed_rows_sql(table, source, columns, is_pseudonymous=is_pseudonymous)
            )
    for rule, status in (
        ("unreadable_file", "unreadable"),
        ("unavailable", "unavailable"),
    ):
        some = [file for file in unread if file.status == status]
        parts.append(_unread_sql(con, table, some, rule))
    return con.sql(" union all ".join(f"({part})" for part in parts))


def _by_layout(files: Sequence[LandingFile]) -> list[list[LandingFile]]:
    groups: dict[tuple, list[LandingFile]] = {}
    for file in files:
        # two attached sites never are one scan
        alone = file.location if file.is_attached else ""
        kind = (file.is_parquet, file.is_gzip, alone, file.columns)
        groups.setdefault(kind, []).append(file)
    return list(groups.values())


def _file_rows(con: duckdb.DuckDBPyConnection, files: Sequence[LandingFile]) -> str:
    """Make a temporary table of what the rows need to know of their file."""
    name = f"landing_files_{next(_counter)}"
    rows = pa.table(
        {
            "file_index": pa.array(range(len(files)), pa.int64()),
            "district_id": pa.array([f.district_id for f in files], pa.string()),
            "path": pa.array([file.path for file in files], pa.string()),
            "file_modified_at": pa.array(
                [file.modified_at for file in files], pa.timestamp("us")
            ),
            "latest_date": pa.array([file.latest_date for file in files], pa.date32()),
            "latest_time": pa.array(
                [file.latest_time for file in files], pa.timestamp("us")
            ),
            "problem": pa.array([file.problem for file in files], pa.string()),
        }
    )
    con.register(f"{name}_arrow", rows)
    con.execute(f"create temp table {name} as select * from {name}_arrow")
    con.unregister(f"{name}_arrow")
    return name


def _identifier(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _known(
    files: Sequence[LandingFile], raw: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Return raw SQL and type of the known columns of a layout."""
    known = {column.name for column in TABLES[files[0].table_name].columns}
    return {
        name.lower(): (sql, physical)
        for (name, physical), sql in zip(files[0].columns, raw, strict=True)
        if name.lower() in known or name.lower() == "district_id"
    }


def _joined(raw: str, names: str) -> str:
    return (
        f"(select raw.*, files.* exclude (file_index, problem) from ({raw}) as raw"
        f" join {names} as files on raw.file_index = files.file_index)"
    )


Sources = list[tuple[str, dict[str, tuple[str, str]]]]


def _parquet_source(
    con: duckdb.DuckDBPyConnection, files: list[LandingFile]
) -> tuple[Sources, list[LandingFile]]:
    """Return the source of a group of Parquet files; decode them once beforehand.

    A page may be broken where the footer is whole: 0.02 CPU s a million cells is the
    price of a build that goes on without that file.
    """
    raw = [_identifier(name) for name, _ in files[0].columns]
    columns = _known(files, raw)
    cells = ", ".join(sql for sql, _ in columns.values())

    def scan(some: list[LandingFile]) -> None:
        # count(cell) would be answered from the footer
        con.execute(
            f"select bit_xor(hash({cells})) from {PARQUET.format('?')}",
            [[literal(file.location) for file in some]],
        ).fetchall()

    failed = []
    try:
        scan(files)
    except duckdb.Error:
        for file in files:
            try:
                scan([file])
            except duckdb.Error as error:
                failed.append(broken(file, first_line(error)))
    failed.extend(_changed(files, {file.path for file in failed}))
    lost = {file.path for file in failed}
    good = [file for file in files if file.path not in lost]
    if not good:
        return [], failed
    variable = f"landing_paths_{next(_counter)}"
    con.execute(
        f"set variable {variable} = $paths",
        {"paths": [literal(file.location) for file in good]},
    )
    paths = f"getvariable('{variable}')"
    aliases = {
        name: (f"raw_{index}", physical)
        for index, (name, (_, physical)) in enumerate(columns.items())
    }
    selected = "".join(
        f"{sql} as raw_{index}, " for index, (sql, _) in enumerate(columns.values())
    )
    source = (
        f"select {selected} null::varchar as problem, file_index,"
        " file_row_number + 1 as record_number"
        f" from {PARQUET.format(paths)}"
    )
    return [(_joined(source, _file_rows(con, good)), aliases)], failed


def _changed(files: Sequence[LandingFile], failed: set[str]) -> list[LandingFile]:
    """Return those that were written while they were read: to be read again, whole."""
    return [
        replace(
            file, status="unavailable", problem="the file changed while it was read"
        )
        for file in files
        if file.path not in failed and not is_as_listed(file)
    ]


def _attached_source(
    con: duckdb.DuckDBPyConnection, files: list[LandingFile]
) -> tuple[Sources, list[LandingFile]]:
    """Return the source of one table of an attached site, read into memory once."""
    (file,) = files
    columns = _known(files, [_identifier(name) for name, _ in file.columns])
    name = f"landing_attached_{next(_counter)}"
    raw = [f"{sql} as raw_{i}" for i, (sql, _) in enumerate(columns.values())]
    try:
        con.execute(
            f"create temp table {name} as select *, null::varchar as problem, 0 as"
            " file_index, row_number() over () as record_number"
            f" from ({live_rows(file, raw)})"
        )
    except duckdb.Error as error:
        # the site may answer tomorrow: nothing says that its rows are wrong
        return [], [replace(file, status="unavailable", problem=first_line(error))]
    aliases = {
        column: (f"raw_{i}", physical)
        for i, (column, (_, physical)) in enumerate(columns.items())
    }
    return [(_joined(f"select * from {name}", _file_rows(con, files)), aliases)], []


def _csv_source(
    con: duckdb.DuckDBPyConnection, files: list[LandingFile]
) -> tuple[Sources, list[LandingFile]]:
    """Return the source of a group of CSV files with one header.

    DuckDB's reader takes all at once. A file in which it finds a malformed row is
    read again by the patient reader, which knows the number of every row.
    """
    cells = [f"c{index}" for index in range(len(files[0].columns))]
    name = f"landing_csv_{next(_counter)}"
    con.execute(
        f"create temp table {name} (file_index bigint, row_number bigint,"
        f" problem varchar, {', '.join(f'{cell} varchar' for cell in cells)})"
    )
    odd = _read_fast(con, name, files)
    failed: dict[int, LandingFile] = {}
    for index in odd:
        con.execute(f"delete from {name} where file_index = $index", {"index": index})
        try:
            _read_patiently(con, name, files[index], index)
        except (OSError, EOFError, ValueError, zlib.error, csv.Error) as error:
            failed[index] = broken(files[index], first_line(error))
    places = {file.path: index for index, file in enumerate(files)}
    for file in _changed(files, {file.path for file in failed.values()}):
        failed[places[file.path]] = file
    if failed:
        con.execute(
            f"delete from {name} where list_contains(?, file_index)", [[*failed]]
        )
    # a file's rows are numbered from wherever the reader stood when it came to them
    source = f"""
select {name}.*, row_number - first_row + 1 as record_number
from {name}
join (
    select file_index, min(row_number) as first_row from {name} group by file_index
) as firsts using (file_index)"""
    return [(_joined(source, _file_rows(con, files)), _known(files, cells))], [
        *failed.values()
    ]


def _read_fast(
    con: duckdb.DuckDBPyConnection, name: str, files: list[LandingFile]
) -> list[int]:
    """Read CSV files with DuckDB's reader; return the places of those it cannot."""
    counts = [count_records(file) for file in files]
    # DuckDB takes the empty lines of a single column for no lines at all
    is_single = len(files[0].columns) == 1
    known = [i for i, count in enumerate(counts) if count is not None and not is_single]
    try:
        malformed_files = _insert_csv(con, name, files, known)
    except duckdb.Error:
        con.execute(f"delete from {name}")
        malformed_files = set()
        for index in known:
            try:
                malformed_files |= _insert_csv(con, name, files, [index])
            except duckdb.Error:
                malformed_files.add(files[index].location)
    read = dict(
        con.execute(
            f"select file_index, count(*) from {name} group by file_index"
        ).fetchall()
    )
    return [
        index
        for index, (file, count) in enumerate(zip(files, counts, strict=True))
        if file.location in malformed_files or read.get(index, 0) != count
    ]


def _insert_csv(
    con: duckdb.DuckDBPyConnection,
    name: str,
    files: list[LandingFile],
    places: list[int],
) -> set[str]:
    """Insert the rows of some CSV files; return the locations of malformed ones."""
    if not places:
        return set()
    width = len(files[0].columns)
    cells = ", ".join(f"c{index}" for index in range(width))
    layout = ", ".join(f"c{index}: 'VARCHAR'" for index in range(width))
    con.execute(
        f"""
insert into {name}
select $places[file_index::bigint + 1], row_number() over (), null, {cells},
from read_csv(
    $paths, header = true, auto_detect = false, columns = {{{layout}}},
    delim = ',', quote = '"', escape = '"', nullstr = '', hive_partitioning = false,
    compression = '{"gzip" if files[0].is_gzip else "none"}',
    store_rejects = true, rejects_table = '{name}_errors', rejects_scan = '{name}_scans'
)""",
        {
            "paths": [literal(files[place].location) for place in places],
            "places": places,
        },
    )
    found = con.execute(
        f"select distinct scans.file_path from {name}_errors as errors"
        f" join {name}_scans as scans using (scan_id, file_id)"
    ).fetchall()
    con.execute(f"drop table {name}_errors")
    con.execute(f"drop table {name}_scans")
    return {location for (location,) in found}


def _read_patiently(
    con: duckdb.DuckDBPyConnection, name: str, file: LandingFile, index: int
) -> None:
    cells = ", ".join(f"c{number}" for number in range(len(file.columns)))
    for batch in malformed.read_batches(file):
        con.register(f"{name}_batch", pa.table(batch))
        con.execute(
            f"insert into {name} select {index}, record_number, problem, {cells}"
            f" from {name}_batch"
        )
        con.unregister(f"{name}_batch")


def _unread_sql(
    con: duckdb.DuckDBPyConnection, table: Table, files: list[LandingFile], rule: str
) -> str:
    nulls = ", ".join(
        f"null::{column.sql_type} as {column.output}" for column in table.columns
    )
    return f"""
select
    district_id, path, file_modified_at, 0::bigint as record_number, {nulls},
    null::varchar as personal_id, '{rule}' as rule,
    null::varchar as column_name, problem as value
from {_file_rows(con, files)}"""
