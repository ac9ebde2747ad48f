"""Landing tables that live in a database attached as `source`, read by updated_at.

Its tables app_usage and scores have the columns of INTERFACE section 2, district_id and
updated_at. A district's new rows stand in the ledger like a file whose modification
time is their newest updated_at: that is the district's own watermark, so a district
that is late never loses rows to one that is not. It moves over what was loaded, never
past the moment of the build: rows of a time to come are rejected until it has come.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

import duckdb

from trackline.landing.files import ATTACHED, LandingFile
from trackline.landing.live import place_sql
from trackline.landing.tables import TABLES

__all__ = ["source_tables"]

ALIAS = "source"
OVERLAP = timedelta(hours=1)
"""How much earlier than the watermark a transaction may have begun that ended late."""


def source_tables(
    con: duckdb.DuckDBPyConnection,
    time_zones: Mapping[str, str],
    already_read: Iterable[tuple],
) -> list[LandingFile]:
    """List each district's new rows of the tables of the attached database.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        The build's; without such a database there is nothing to list.
    time_zones : mapping of str to str
        Time zone of every configured district.
    already_read : iterable of (path, size_bytes, modified_at, status)
        The ledger; empty for a full refresh.

    Returns
    -------
    list of LandingFile
        Their rows begin an hour before the watermark, for one that was written earlier
        may have been committed later; the merge takes each version once.
    """
    now = datetime.now(UTC).replace(tzinfo=None)
    seen = {tuple(version) for *version, status in already_read if status == "loaded"}
    watermarks: dict[str, datetime] = {}
    for path, _, modified_at in seen:
        watermarks[path] = max(modified_at, watermarks.get(path, modified_at))
    found = []
    for name, schema, columns in _tables(con):
        for district_id, time_zone in sorted(time_zones.items()):
            path = f"{district_id}/{name} (source)"
            since = min(watermarks[path], now) - OVERLAP if path in watermarks else None
            place = {
                "database": ALIAS,
                "schema": schema,
                "table": name,
                "district_id": district_id,
                "since_us": since and _microseconds(since),
            }
            # of its last hour, how many rows: one that comes later makes it new
            newest, count = con.execute(
                "select newest, count(*) from (select updated_at::timestamp as moment,"
                " coalesce(max(moment) filter (moment <= $now) over (), 'epoch') as"
                f" newest from {place_sql(place)}) where moment >= newest - $overlap"
                " group by newest",
                {"now": now, "overlap": OVERLAP},
            ).fetchone() or (None, 0)
            if newest is None or (path, count, newest) in seen:
                continue
            file = LandingFile(
                district_id=district_id,
                table_name=name,
                path=path,
                location=ATTACHED + json.dumps(place),
                size_bytes=count,
                modified_at=newest,
                time_zone=time_zone,
                columns=tuple(columns),
            )
            found.append(file)
    return found


def _microseconds(at: datetime) -> int:
    return int((at - datetime(1970, 1, 1)).total_seconds() * 1_000_000)


def _tables(
    con: duckdb.DuckDBPyConnection,
) -> list[tuple[str, str, list[tuple[str, str]]]]:
    rows = con.execute(
        "select table_name, schema_name, column_name, data_type from duckdb_columns()"
        " where database_name = ? order by table_name, schema_name, column_index",
        [ALIAS],
    ).fetchall()
    tables: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for table, schema, column, kind in rows:
        tables.setdefault((table, schema), []).append((column, kind))
    return [
        (table, schema, columns)
        for (table, schema), columns in tables.items()
        if table in TABLES
        and TABLES[table].is_versioned
        and {"district_id", "updated_at"} <= {name for name, _ in columns}
    ]
