"""The patient way to read a CSV file that DuckDB's reader reports as malformed.

A row with too few or too many cells, or with bytes that are no UTF-8, becomes a row
that says so in ``problem``; the rows around it keep their numbers. A file whose
quoting is broken has no rows that could be trusted and raises.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pyarrow as pa

from trackline.landing.files import LandingFile, open_csv

__all__ = ["read_batches"]

LINE_CHARACTERS = 1 << 20
"""A longer line ends the reading: the file is no CSV."""

# a long cell breaks its row, not its file
csv.field_size_limit(LINE_CHARACTERS)

BATCH_ROWS = 50_000


def _lines(stream: io.TextIOBase) -> Iterator[str]:
    while line := stream.readline(LINE_CHARACTERS):
        if len(line) == LINE_CHARACTERS:
            raise ValueError(f"a line is longer than {LINE_CHARACTERS} characters")
        yield line


def schema(file: LandingFile) -> pa.Schema:
    """Return the schema of the batches: record number, problem, then c0, c1, ..."""
    return pa.schema(
        [("record_number", pa.int64()), ("problem", pa.string())]
        + [(f"c{index}", pa.string()) for index in range(len(file.columns))]
    )


def read_batches(file: LandingFile) -> Iterator[pa.RecordBatch]:
    """Read a CSV file row by row.

    Parameters
    ----------
    file : LandingFile
        Inspected: its columns are known.

    Yields
    ------
    pyarrow.RecordBatch
        At most 50,000 rows of text cells, with record number (from 1) and problem
        (null, ``short``, ``long`` or ``encoding``).

    Raises
    ------
    ValueError, OSError
        If the file cannot be split into rows; the row is named.
    """
    width = len(file.columns)
    with (
        open_csv(file) as stream,
        io.TextIOWrapper(
            stream, encoding="utf-8-sig", errors="surrogateescape", newline=""
        ) as text,
    ):
        batch: list[list] = []
        for number, row in _numbered(text):
            batch.append([number, *_cells(row, width)])
            if len(batch) == BATCH_ROWS:
                yield _record_batch(batch, file)
                batch = []
        yield _record_batch(batch, file)


def _numbered(text: io.TextIOBase) -> Iterator[tuple[int, list[str]]]:
    """Yield the records under the header, from 1; an error names its record."""
    # what the reader says besides is that a limit was passed
    problems = {
        "unexpected end of data": "a quote that opens in it is never closed",
        "',' expected after '\"'": "text follows a closing quote",
    }
    records = (row for row in csv.reader(_lines(text), strict=True) if row)
    number = -1
    try:
        next(records, None)
        number = 0
        for number, row in enumerate(records, start=1):
            yield number, row
    except (csv.Error, ValueError) as error:
        problem = problems.get(str(error), str(error))
        place = "the header" if number < 0 else f"row {number + 1}"
        raise ValueError(f"{place}: {problem}") from error


def _cells(row: list[str], width: int) -> list[str | None]:
    problem = None
    if any("\udc80" <= mark <= "\udcff" for cell in row for mark in cell):
        problem = "encoding"
        row = [
            cell.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
            for cell in row
        ]
    elif len(row) != width:
        problem = "short" if len(row) < width else "long"
    return [problem, *row[:width], *([None] * (width - len(row)))]


def _record_batch(rows: list[list], file: LandingFile) -> pa.RecordBatch:
    layout = schema(file)
    columns = zip(*rows, strict=True) if rows else [[] for _ in layout]
    return pa.record_batch(
        [
            pa.array(column, type=kind.type)
            for column, kind in zip(columns, layout, strict=True)
        ],
        schema=layout,
    )
