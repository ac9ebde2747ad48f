"""Moodle sites that are attached to the build as databases, read like landing files.

A database attached as `moodle_<district_id>`, PostgreSQL or MySQL, is that district's
site: its tables count as files that are new in every build. Of a log only what is newer
than the newest row is asked for, with an hour's overlap for transactions that ended
late; rows are told apart by their ids.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import duckdb

from trackline.landing.files import ATTACHED, LandingFile
from trackline.landing.moodle import LOGS, PREFIX
from trackline.landing.tables import TABLES

__all__ = ["attached_tables", "live_rows", "place_sql"]

ALIAS = "moodle_"
OVERLAP_SECONDS = 3600
# Moodle's default; a site may have another prefix, its tables end the same
DEFAULT_PREFIX = "mdl_"


def attached_tables(
    con: duckdb.DuckDBPyConnection, time_zones: Mapping[str, str], *, is_full: bool
) -> list[LandingFile]:
    """List the tables of attached sites.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's.
    time_zones : mapping of str to str
        Time zone of every configured district.
    is_full : bool
        Read whole logs: nothing that was read before counts.

    Returns
    -------
    list of LandingFile
        New ones, with their columns.
    """
    sites = con.execute(
        "select database_name from duckdb_databases()"
        " where starts_with(database_name, ?) and type in ('postgres', 'mysql')",
        [ALIAS],
    ).fetchall()
    now = datetime.now(UTC).replace(tzinfo=None)
    found = []
    for (alias,) in sorted(sites):
        district_id = alias.removeprefix(ALIAS)
        if district_id not in time_zones:
            continue
        newest = {} if is_full else _newest(con, district_id, now)
        for name, (schema, table, columns) in _tables(con, alias).items():
            place = {
                "database": alias,
                "schema": schema,
                "table": table,
                "since": newest.get(name),
            }
            found.append(
                LandingFile(
                    district_id=district_id,
                    table_name=name,
                    path=f"{district_id}/{name} (attached)",
                    location=ATTACHED + json.dumps(place),
                    size_bytes=0,
                    modified_at=now,
                    time_zone=time_zones[district_id],
                    columns=tuple(columns),
                )
            )
    return found


def _tables(
    con: duckdb.DuckDBPyConnection, alias: str
) -> dict[str, tuple[str, str, list[tuple[str, str]]]]:
    rows = con.execute(
        "select schema_name, table_name, column_name, data_type from duckdb_columns()"
        " where database_name = ? order by schema_name, table_name, column_index",
        [alias],
    ).fetchall()
    tables: dict[str, tuple[str, str, list[tuple[str, str]]]] = {}
    for schema, table, column, kind in rows:
        name = PREFIX + table.removeprefix(DEFAULT_PREFIX)
        if table.startswith(DEFAULT_PREFIX) and name in TABLES:
            tables.setdefault(name, (schema, table, []))[2].append((column, kind))
    return tables


def _newest(
    con: duckdb.DuckDBPyConnection, district_id: str, now: datetime
) -> dict[str, int]:
    """Return the time of each log's newest row; nothing before the first build.

    A row of a time to come would silence its log until then.
    """
    rows = con.execute(
        "select logstore, max(happened_at) from int_moodle_log where district_id = ?"
        " and happened_at <= epoch(?) group by logstore",
        [district_id, now],
    ).fetchall()
    newest = dict(rows)
    stores = dict(zip(LOGS, ("standard", "legacy"), strict=True))
    return {name: newest[store] for name, store in stores.items() if store in newest}


def live_rows(file: LandingFile, raw: list[str]) -> str:
    """Return SQL that reads an attached table.

    Parameters
    ----------
    file : LandingFile
    raw : list of str
        SQL of the cells to read, with their aliases.
    """
    place = json.loads(file.location.removeprefix(ATTACHED))
    if place.get("since") is not None:
        time = next(
            c.name for c in TABLES[file.table_name].columns if c.output == "timecreated"
        )
        place["newer"] = f"{time} >= {int(place['since']) - OVERLAP_SECONDS}"
    return f"select {', '.join(raw)} from {place_sql(place)}"


def place_sql(place: Mapping[str, Any]) -> str:
    """Return SQL for the rows of an attached table that a build asks for."""
    names = (place["database"], place["schema"], place["table"])
    source = ".".join('"' + name.replace('"', '""') + '"' for name in names)
    conditions = []
    if "district_id" in place:
        # [a-z0-9_] by the configuration check
        conditions.append(f"district_id = '{place['district_id']}'")
    if place.get("since_us") is not None:
        conditions.append(f"updated_at >= make_timestamp({int(place['since_us'])})")
    if "newer" in place:
        conditions.append(place["newer"])
    where = f" where {' and '.join(conditions)}" if conditions else ""
    return f"{source}{where}"
