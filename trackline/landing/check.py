"""``trackline check``: what a build would say of files, without a build."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import duckdb

from trackline.landing.files import LandingFile, discover, inspect
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
        if not self.files or all(file.status != "loaded" for file in self.files):
            return 2
        clean = not self.rejects and all(f.status == "loaded" for f in self.files)
        return 0 if clean else 1


def _files_at(path: Path, district_id: str, time_zone: str) -> list[LandingFile]:
    """Find the files below a path as if they lay in the district's landing folder.

    The folder of a file names its table: the path may be a file in such a folder, the
    folder, or a district's folder.
    """
    path = path.resolve()
    if not path.exists():
        raise RefusedError(f"{path} does not exist")
    tables = [part for part in path.parts if part in TABLES]
    if tables:
        root = Path(
            *path.parts[: len(path.parts) - path.parts[::-1].index(tables[-1]) - 1]
        )
    else:
        root = path if path.is_dir() else path.parent
    found = discover(root.parent, {root.name: time_zone})
    return [
        replace(file, district_id=district_id)
        for file in found
        if Path(file.location) == path or path in Path(file.location).parents
    ]


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
        If there is no such path.
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
