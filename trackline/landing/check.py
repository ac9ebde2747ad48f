"""``trackline check``: what a build would say of files, without a build."""

from __future__ import annotations

import contextlib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from trackline.landing.files import (
    UNREADABLE,
    LandingFile,
    column_names,
    discover,
    inspect,
)
from trackline.landing.reader import read
from trackline.landing.tables import TABLES
from trackline.settings import RefusedError

__all__ = ["CheckedFile", "Reject", "Report", "check"]


@dataclass(frozen=True)
class CheckedFile:
    """One file and its counts."""

    path: str
    table_name: str
    status: str
    rows_read: int
    rows_accepted: int
    rows_rejected: int
    unknown_columns: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reject:
    """One rejected record: where it stands and the rule that it breaks."""

    path: str
    record_number: int
    rule: str
    column_name: str | None
    value: str | None


@dataclass(frozen=True)
class Report:
    """What a build would load and reject."""

    files: list[CheckedFile] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0 clean, 1 accepted with rejects, 2 nothing that could be loaded."""
        if not any(file.status == "loaded" for file in self.files):
            return 2
        if not self.rejects and all(file.status == "loaded" for file in self.files):
            return 0
        return 1 if any(file.rows_accepted for file in self.files) else 2


def _files_at(path: Path, district_id: str, time_zone: str) -> list[LandingFile]:
    """Find the files below a path as if they lay in the district's landing folder.

    The folder of a file names its table: the path may be a file in such a folder, the
    folder, or a district's folder. A file elsewhere is taken for the table that its
    columns fit.
    """
    path = path.resolve()
    if not path.exists():
        raise RefusedError(f"{path} does not exist")
    folders = {name.split("/")[0] for name in TABLES}
    parts = path.parts
    tables = [index for index, part in enumerate(parts) if part in folders]
    # below the district's own folder the first names the table, as in a build
    tables = [
        index
        for index, above in enumerate(parts[:-1] if path.is_file() else parts, 1)
        if above == district_id and (index == len(parts) or parts[index] in folders)
    ][:1] or tables
    if tables:
        root = Path(*parts[: tables[-1]])
    else:
        root = path if path.is_dir() else path.parent
    found = [
        replace(file, district_id=district_id)
        for file in discover(root.parent, {root.name: time_zone}, path)
    ]
    if path.is_file() and not tables:
        return [_with_table(file) for file in found]
    return found


def _with_table(file: LandingFile) -> LandingFile:
    """Give a file that lies in no table's folder the table that its columns fit."""
    names: set[str] = set()
    # what is wrong with the file is told once it is known which table it is for
    with duckdb.connect() as con, contextlib.suppress(*UNREADABLE):
        names = {name.lower() for name, _ in column_names(file, con)}
    fits = {
        table.name: len(names & {column.name for column in table.columns})
        for table in TABLES.values()
        if names.issuperset(table.needed)
    }
    best = [name for name, count in fits.items() if count == max(fits.values())]
    if len(best) != 1:
        raise RefusedError(
            f"{file.location} lies in no folder named after a table and its columns fit"
            f" {' and '.join(best) or 'none'}: put it into one of {', '.join(TABLES)}"
        )
    is_known = file.path.lower().endswith((".csv", ".csv.gz", ".parquet"))
    status = "new" if is_known else "unknown_format"
    return replace(file, table_name=best[0], status=status)


def check(path: Path, district_id: str, time_zone: str) -> Report:
    """Hold files against the landing rules; nothing is written.

    Parameters
    ----------
    path : Path
        A file or folder; the folder that a file lies in names its table.
    district_id : str
        The district whose delivery it would be.
    time_zone : str
        That district's.

    Returns
    -------
    Report

    Raises
    ------
    RefusedError
        If there is no such path, or nothing says which table a file is for.
    """
    report = Report()
    with duckdb.connect() as con:
        files = inspect(_files_at(path, district_id, time_zone), con)
        for table_name in sorted({file.table_name for file in files}):
            some = [file for file in files if file.table_name == table_name]
            counts: Counter[tuple[str, bool]] = Counter()
            refused = set()
            if table_name in TABLES:
                read(con, TABLES[table_name], some).create_view("records")
                rows = con.execute(
                    "select path, rule is null, count(*) from records group by all"
                ).fetchall()
                counts.update({(row[0], row[1]): row[2] for row in rows})
                rejects = con.execute(
                    "select path, record_number, rule, column_name, value"
                    " from records where rule is not null"
                    " order by path, record_number"
                ).fetchall()
                con.execute("drop view records")
                report.rejects.extend(Reject(*row) for row in rejects)
                refused = {row[0] for row in rejects if row[2] == "unreadable_file"}
            for file in some:
                status = "loaded" if file.status == "new" else file.status
                accepted = counts[(file.path, True)]
                rejected = counts[(file.path, False)]
                report.files.append(
                    CheckedFile(
                        file.path,
                        file.table_name,
                        "unreadable" if file.path in refused else status,
                        accepted + rejected,
                        accepted,
                        rejected,
                        file.unknown_columns,
                    )
                )
    return report
