"""From a seed's bytes to its rows: one reader for every seed."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import ValidationError

from trackline.config.problem import Problem
from trackline.config.rows import Row

__all__ = ["Seed", "read_seed"]


@dataclass
class Seed:
    """What was read of one seed.

    Attributes
    ----------
    row_type : type of Row
        The class of its rows.
    cells : list of (int, dict)
        Line and cells of every record with the right number of them, as text.
    rows : list of Row
        Those of them that break no rule by themselves.
    problems : list of Problem
        What is wrong with the file or with a single row.
    """

    row_type: type[Row]
    cells: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)

    def problem(self, row: int, rule: str, message: str) -> None:
        """Add a problem of this file."""
        self.problems.append(Problem(self.row_type.FILE, row, rule, message))


def read_seed(seeds: Path, row_type: type[Row]) -> Seed:
    """Read one seed of the folder; whatever is wrong stands in its problems."""
    seed = Seed(row_type)
    text = _text(seed, seeds / row_type.FILE)
    if text is None:
        return seed
    records = _records(seed, text)
    header = next(records, (1, []))[1]
    if not _header_is_right(seed, header):
        return seed
    for line, record in records:
        if len(record) != len(header):
            seed.problem(
                line,
                "ragged_row",
                f"the row has {len(record)} cells, the header {len(header)}",
            )
            continue
        cells = {
            column: _clean(seed, line, column, cell)
            for column, cell in zip(header, record, strict=True)
        }
        seed.cells.append((line, cells))
        try:
            # an empty cell is a missing value: the column's default, if it has one
            given = {column: cell for column, cell in cells.items() if cell}
            seed.rows.append(row_type(line=line, **given))
        except ValidationError as error:
            _tell(seed, line, error)
    return seed


def _text(seed: Seed, path: Path) -> str | None:
    try:
        content = path.read_bytes()
    except OSError as error:
        message = f"the file cannot be read from {path.parent}: {error.strerror}"
        seed.problem(0, "missing_file", message)
        return None
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        seed.problem(line, "wrong_encoding", "the file is not UTF-8")
        return None


def _records(seed: Seed, text: str) -> Iterator[tuple[int, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        line = reader.line_num + 1
        try:
            record = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            seed.problem(line, "bad_quotes", f"the rest cannot be read: {error}")
            return
        if record:  # the warehouse skips blank lines too
            yield line, record


def _header_is_right(seed: Seed, header: list[str]) -> bool:
    before = len(seed.problems)
    wanted = seed.row_type.columns()
    for column in wanted:
        if column not in header:
            seed.problem(1, "missing_column", f"there is no column {column}")
    for column, times in Counter(header).items():
        if column not in wanted:
            seed.problem(1, "unknown_column", f"nobody reads a column {column!r}")
        elif times > 1:
            seed.problem(1, "duplicate_column", f"column {column} stands {times} times")
    return len(seed.problems) == before


def _clean(seed: Seed, line: int, column: str, cell: str) -> str:
    """Return the cell without what no cell may hold, which is told."""
    if any(unicodedata.category(character) == "Cc" for character in cell):
        seed.problem(line, "bad_text", f"{column} holds a control character")
    elif cell != cell.strip():
        seed.problem(line, "bad_text", f"{column} has blanks around its text")
    return cell.strip()


def _tell(seed: Seed, line: int, error: ValidationError) -> None:
    for detail in error.errors(include_url=False, include_input=False):
        column = f"{detail['loc'][0]}: " if detail["loc"] else ""
        if detail["type"] == "missing":
            seed.problem(line, "missing_value", f"{column}a value is needed")
        elif detail["type"] == "string_too_long":
            seed.problem(
                line,
                "bad_text",
                f"{column}at most {detail['ctx']['max_length']} characters",
            )
        else:
            seed.problem(line, detail["type"], f"{column}{detail['msg']}")
