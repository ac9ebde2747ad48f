"""The warehouse as publish and status see it: read only, and only for a moment."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path

import duckdb

from trackline.config.cells import DISTRICT_ID
from trackline.settings import RefusedError

__all__ = [
    "District",
    "WarehouseHeldError",
    "connect",
    "identifier",
    "literal",
    "read_districts",
    "relations",
    "require_district_id",
    "usage_rows_per_day",
]

# a build in another process holds the file for minutes: wait for the end of a short
# one, not for a whole first load
PATIENCE_SECONDS = 15.0


class WarehouseHeldError(RefusedError):
    """Another process writes the warehouse at this moment."""


@dataclass(frozen=True)
class District:
    """A district as the last build knew it (one row of int_districts)."""

    district_id: str
    is_enabled: bool
    as_of: date
    hold_rejected_rows: Decimal
    hold_usage_drop: Decimal


def require_district_id(district_id: str) -> str:
    """Return the id, which from here on may be part of a path or a relation's name.

    Raises
    ------
    RefusedError
        If it is not `[a-z0-9][a-z0-9_]{0,31}`.
    """
    if not DISTRICT_ID.fullmatch(district_id):
        raise RefusedError(
            f"{district_id!r} is no district id: it is made of a-z, 0-9 and _, "
            "begins with no _ and has at most 32 characters"
        )
    return district_id


def identifier(name: str) -> str:
    """Quote a name for SQL: app ids are column names of the frame."""
    return '"' + name.replace('"', '""') + '"'


def literal(path: Path) -> str:
    """Quote a path of the settings, where SQL takes no parameter (ATTACH, COPY)."""
    return "'" + str(path).replace("'", "''") + "'"


def connect(
    path: Path,
    patience_seconds: float = PATIENCE_SECONDS,
    waiting: Callable[[str], None] = lambda text: None,
) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for reading; wait a little for a build to let go of it.

    Views inside name the database, so it is opened under its own name rather than
    attached under another.

    Raises
    ------
    WarehouseHeldError
        If a writer still holds it after `patience_seconds`.
    RefusedError
        If there is no warehouse, or it cannot be read.
    """
    if not path.is_file():
        raise RefusedError(f"there is no warehouse at {path}: run a build first")
    deadline = time.monotonic() + patience_seconds
    pause = 0.25
    while True:
        try:
            con = duckdb.connect(str(path), read_only=True)
        except duckdb.Error as error:
            if not _is_held(error):
                raise RefusedError(
                    f"the warehouse {path} cannot be read: {str(error).splitlines()[0]}"
                ) from None
            left = deadline - time.monotonic()
            if left <= 0:
                holder = re.search(r"\(PID \d+\)", str(error))
                who = f"another process {holder[0]}" if holder else "another process"
                raise WarehouseHeldError(
                    f"the warehouse {path} is held by {who}: "
                    "try again when the build has ended"
                ) from None
            waiting("waiting for the warehouse")
            time.sleep(min(pause, left))
            pause *= 2
        else:
            con.execute("set TimeZone = 'UTC'")
            # its bar would land in the output of commands
            con.execute("set enable_progress_bar = false")
            return con


def _is_held(error: duckdb.Error) -> bool:
    text = str(error)
    return "Could not set lock" in text or "different configuration" in text


def relations(con: duckdb.DuckDBPyConnection) -> set[tuple[str, str]]:
    """Name the warehouse's tables and views as (schema, name)."""
    return set(
        con.execute(
            "select table_schema, table_name from information_schema.tables "
            "where table_catalog = current_database()"
        ).fetchall()
    )


def read_districts(con: duckdb.DuckDBPyConnection) -> dict[str, District]:
    """Read every configured district, ordered by id."""
    rows = con.execute(
        "select district_id, is_enabled, as_of, coalesce(hold_rejected_rows, 5), "
        "coalesce(hold_usage_drop, 50) from main.int_districts order by district_id"
    ).fetchall()
    return {
        row[0]: District(
            row[0], bool(row[1]), row[2], Decimal(str(row[3])), Decimal(str(row[4]))
        )
        for row in rows
    }


def usage_rows_per_day(
    con: duckdb.DuckDBPyConnection, districts: list[str]
) -> dict[str, dict[date, int]]:
    """Count live usage rows by district and day.

    One scan for all districts: a scan each would read the facts a hundred times.
    """
    counts: dict[str, dict[date, int]] = {district_id: {} for district_id in districts}
    for district_id, day, rows in con.execute(
        "select district_id, usage_date, count(*) from main.fct_daily_usage "
        "where list_contains($districts, district_id) "
        "group by district_id, usage_date",
        {"districts": districts},
    ).fetchall():
        counts[district_id][day] = rows
    return counts
