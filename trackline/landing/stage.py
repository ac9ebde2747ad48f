"""What a build asks of the landing folder: which files are new, and their rows."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from functools import singledispatch

import duckdb
import pyarrow as pa

from trackline import privacy
from trackline.landing.files import LandingFile, discover, inspect
from trackline.landing.live import attached_tables
from trackline.landing.moodle import PREFIX
from trackline.landing.reader import read
from trackline.landing.source import source_tables
from trackline.landing.tables import TABLES
from trackline.settings import Settings

__all__ = [
    "already_read",
    "files_to_read",
    "new_files",
    "read_files",
    "stage",
    "stage_moodle",
]

FILES = pa.schema(
    [
        ("district_id", pa.string()),
        ("table_name", pa.string()),
        ("path", pa.string()),
        ("size_bytes", pa.int64()),
        ("modified_at", pa.timestamp("us")),
        ("status", pa.string()),
        ("problem", pa.string()),
        ("unknown_columns", pa.string()),
        ("location", pa.string()),
        ("time_zone", pa.string()),
        ("columns", pa.string()),
    ]
)


def files_to_read(
    settings: Settings,
    time_zones: Mapping[str, str],
    already_read: Iterable[tuple],
    attached: Iterable[LandingFile] = (),
) -> pa.Table:
    """List the landing files that no build has read yet, with their layout.

    Parameters
    ----------
    settings : Settings
    time_zones : mapping of str to str
        Time zone of every configured district.
    already_read : iterable of (path, size_bytes, modified_at, status)
        The file versions that earlier builds have listed.
    attached : iterable of LandingFile
        Tables of attached sites.

    Returns
    -------
    pyarrow.Table
        One row per file version: what dq_files shows of it, and what ``stage`` needs.
        Only headers and footers have been read.
    """
    seen = {tuple(version): status for *version, status in already_read}
    new = []
    for file in (*discover(settings.landing, time_zones), *attached):
        status = seen.get((file.path, file.size_bytes, file.modified_at))
        # a file that nobody reads is listed once, and again when that changes
        if status not in ("loaded", "unreadable", file.status):
            new.append(file)
    with duckdb.connect() as con:
        rows = [
            {
                "district_id": file.district_id,
                "table_name": file.table_name,
                "path": file.path,
                "size_bytes": file.size_bytes,
                "modified_at": file.modified_at,
                "status": file.status,
                "problem": file.problem or None,
                "unknown_columns": ", ".join(file.unknown_columns) or None,
                "location": file.location,
                "time_zone": file.time_zone,
                "columns": json.dumps(file.columns),
            }
            for file in inspect(new, con)
        ]
    return pa.Table.from_pylist(rows, schema=FILES)


def landing_files(rows: Iterable[Mapping]) -> list[LandingFile]:
    """Return the files that rows of ``files_to_read`` describe."""
    return [
        LandingFile(
            district_id=row["district_id"],
            table_name=row["table_name"],
            path=row["path"],
            location=row["location"],
            size_bytes=row["size_bytes"],
            modified_at=row["modified_at"],
            time_zone=row["time_zone"],
            status=row["status"],
            problem=row["problem"] or "",
            columns=tuple((name, kind) for name, kind in json.loads(row["columns"])),
        )
        for row in rows
    ]


@singledispatch
def new_files(
    con: duckdb.DuckDBPyConnection, districts: duckdb.DuckDBPyRelation
) -> pa.Table:
    """List what no build has read yet: landing files, and rows of attached databases.

    Like ``stage`` and ``stage_moodle`` it is called by the staging models, and the
    session's type tells the engine: trackline.cluster.staging has Spark's half.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's.
    districts : duckdb.DuckDBPyRelation
        Configured districts: district_id, time_zone.
    """
    zones = dict(districts.project("district_id, time_zone").fetchall())
    read = already_read(con)
    attached = [
        *attached_tables(con, zones, is_full=not read),
        *source_tables(con, zones, read),
    ]
    return files_to_read(Settings.from_environment(), zones, read, attached)


def read_files(
    con: duckdb.DuckDBPyConnection,
    table_name: str,
    files: Iterable[LandingFile],
    settings: Settings,
) -> duckdb.DuckDBPyRelation:
    """Read files of one landing table: the rows of ``stage``."""
    table = TABLES[table_name]
    relation = read(con, table, files, settings.pseudonym_key)
    return privacy.without_forgotten(con, relation, table, settings)


@singledispatch
def stage(
    con: duckdb.DuckDBPyConnection,
    table_name: str,
    files: duckdb.DuckDBPyRelation,
    settings: Settings | None = None,
) -> duckdb.DuckDBPyRelation:
    """Read the new files of one landing table.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's.
    table_name : str
        A name of ``TABLES``.
    files : duckdb.DuckDBPyRelation
        Rows of ``files_to_read``.

    Returns
    -------
    duckdb.DuckDBPyRelation
        One row per record of the new files: district_id, path, file_modified_at,
        record_number, the table's columns, rule, column_name, value, is_loaded. A row
        of a forgotten student is accepted and not loaded. With a pseudonym key the
        vault has learned the ids.
    """
    rows = [
        row
        for row in files.to_arrow_table().to_pylist()
        if row["table_name"] == table_name
    ]
    return read_files(
        con, table_name, landing_files(rows), settings or Settings.from_environment()
    )


@singledispatch
def stage_moodle(
    con: duckdb.DuckDBPyConnection,
    table_names: Iterable[str],
    files: duckdb.DuckDBPyRelation,
    settings: Settings | None = None,
) -> duckdb.DuckDBPyRelation:
    """Read the new files of several Moodle tables into one relation.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's.
    table_names : iterable of str
        Names of ``TABLES`` whose columns of one name are of one type.
    files : duckdb.DuckDBPyRelation
        Rows of ``files_to_read``.

    Returns
    -------
    duckdb.DuckDBPyRelation
        As ``stage``, and table_name; a column that a table does not have is null.
        Tables without new files cost nothing.
    """
    tables = [TABLES[name] for name in table_names]
    types = {c.output: c.sql_type for table in tables for c in table.columns}
    named = set(files.to_arrow_table().column("table_name").to_pylist())
    tail = "rule, column_name, value, is_loaded"
    nulls = ", ".join(f"null::{kind} as {name}" for name, kind in types.items())
    parts = [
        "select district_id, null::varchar as table_name, path, file_modified_at,"
        f" record_number, {nulls}, {tail} from ({_NO_ROWS})"
    ]
    for table in tables:
        if table.name not in named:
            continue
        view = "moodle_rows_" + table.name.removeprefix(PREFIX)
        con.register(view, stage(con, table.name, files, settings))
        own = {column.output for column in table.columns}
        columns = ", ".join(
            name if name in own else f"null::{kind} as {name}"
            for name, kind in types.items()
        )
        parts.append(
            f"select district_id, '{table.name}' as table_name, path,"
            f" file_modified_at, record_number, {columns}, {tail} from {view}"
        )
    return con.sql(" union all ".join(f"({part})" for part in parts))


_NO_ROWS = """
select
    ''::varchar as district_id, ''::varchar as path, null::timestamp as
    file_modified_at, 0::bigint as record_number, ''::varchar as rule, ''::varchar as
    column_name, ''::varchar as value, false as is_loaded
where false"""

LEDGER = "dq_files"
STATES = (
    "int_usage_versions",
    "int_score_versions",
    "int_event_versions",
    "int_moodle_log",
    "int_moodle_records",
    "int_insight_actions",
)
"""Where a loaded file's rows stand: without one of them, no file counts as read."""


def already_read(con: duckdb.DuckDBPyConnection) -> list[tuple]:
    """Return (path, size_bytes, modified_at, status) of the files of earlier builds.

    Nothing when a table that files are merged into is gone: all is read again.
    """
    present = {
        row[0]
        for row in con.execute(
            "select table_name from duckdb_tables()"
            " where database_name = current_database()"
        ).fetchall()
    }
    if not present.issuperset((LEDGER, *STATES)):
        return []
    return con.execute(
        f"select path, size_bytes, modified_at, status from {LEDGER}"
    ).fetchall()
