"""Parquet and CSV files of a candidate: one of each per table."""

from __future__ import annotations

from pathlib import Path

import duckdb

from trackline.publish.warehouse import identifier, literal

__all__ = ["FORMULA_STARTS", "escape_formula", "export_tables"]

FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
"""What makes a spreadsheet run a cell instead of showing it."""

# the same rule in SQL; regexp_matches reads \t and \r as RE2 does
FORMULA_PATTERN = r"^[=+\-@\t\r]"


def escape_formula(cell: str) -> str:
    """Put an apostrophe before a text cell that a spreadsheet would run."""
    return "'" + cell if cell.startswith(FORMULA_STARTS) else cell


def export_tables(database: Path, folder: Path) -> None:
    """Write `<table>.parquet` and `<table>.csv` for every table of a DuckDB file.

    Parquet keeps cells as they are. In CSV, text that begins like a formula gets an
    apostrophe, column names too (a frame's are the district's app ids); numbers stay
    numbers, minus sign and all. Every cell is quoted: a spreadsheet that splits at
    semicolons must not find a second cell, and a formula, inside one. Null is empty
    without quotes.

    Raises
    ------
    duckdb.Error
        If a file cannot be written.
    """
    with duckdb.connect(str(database), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        con.execute("set enable_progress_bar = false")
        for (table,) in con.execute("show tables").fetchall():
            con.execute(
                f"copy {identifier(table)} to {literal(folder / f'{table}.parquet')} "
                "(format parquet, compression zstd)"
            )
            con.execute(
                f"copy ({_escaped(con, table)}) to {literal(folder / f'{table}.csv')} "
                "(format csv, header true, force_quote *)"
            )


def _escaped(con: duckdb.DuckDBPyConnection, table: str) -> str:
    cells = []
    for name, kind, *_ in con.execute(f"describe {identifier(table)}").fetchall():
        cell = identifier(name)
        if kind.startswith(("VARCHAR", "ENUM")):
            text = f"{cell}::varchar"
            cell = (
                f"case when regexp_matches({text}, '{FORMULA_PATTERN}') "
                f"then '''' || {text} else {text} end"
            )
        cells.append(f"{cell} as {identifier(escape_formula(name))}")
    return f"select {', '.join(cells)} from {identifier(table)}"
