"""Onboarding: a district's rows in the seeds, and its landing folder."""

from __future__ import annotations

import csv
import io
import os
import shutil
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path

from trackline.alone import alone
from trackline.config import check
from trackline.config.rows import App, District, Row
from trackline.settings import RefusedError

__all__ = ["onboard"]


def onboard(
    seeds: Path,
    landing: Path,
    district: Mapping[str, str],
    apps: Iterable[Mapping[str, str]],
) -> Path:
    """Add a district to the seeds and make its landing folder.

    The seeds as they would be are checked as a whole before the first byte is written;
    rows that are there stay as they are, byte for byte.

    Parameters
    ----------
    seeds, landing : Path
        The folders of the configuration and of the districts' files.
    district : mapping of str to str
        Cells of the districts.csv row; a column left out gets its default.
    apps : iterable of mappings of str to str
        Cells of the rows of district_apps.csv, without district_id.

    Returns
    -------
    Path
        The district's landing folder.

    Raises
    ------
    RefusedError
        If a row would break a rule, or the seeds or folders cannot be written; then
        nothing has changed.
    """
    district_id = district["district_id"]
    added = {
        # applications first: were the second rename never to happen, builds would be
        # refused instead of serving a district without its applications, and running
        # this again would add what is missing
        App: [{"district_id": district_id, **app} for app in apps],
        District: [district],
    }
    place = landing / district_id
    try:
        with alone(seeds), ExitStack() as cleanup:
            proposed = _propose(seeds, added)
            staged = []
            for name, content in proposed.items():
                staged.append(seeds / f".{name}.tmp")  # dbt reads *.csv only
                cleanup.callback(staged[-1].unlink, missing_ok=True)
                _write_through(staged[-1], content, like=seeds / name)
            place.mkdir(parents=True, exist_ok=True)
            for unfinished, name in zip(staged, proposed, strict=True):
                unfinished.replace(seeds / name)
    except OSError as error:
        raise RefusedError(
            f"{district_id} was not added: {error.filename or seeds}: {error.strerror}"
        ) from None
    return place


def _propose(
    seeds: Path, added: Mapping[type[Row], list[Mapping[str, str]]]
) -> dict[str, bytes]:
    """Return the new content of the seeds that change; refuse what would be wrong."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for path in seeds.glob("*.csv"):
            shutil.copyfile(path, folder / path.name)
        proposed = {}
        for row_type, rows in added.items():
            path = folder / row_type.FILE
            if path.exists():
                proposed[path.name] = _with_rows(path.read_bytes(), row_type, rows)
                path.write_bytes(proposed[path.name])
        problems = check(folder)
    if problems:
        raise RefusedError("\n".join(str(problem) for problem in problems))
    return proposed


def _write_through(path: Path, content: bytes, like: Path) -> None:
    """Write and wait for the disk: a full disk is told before anything is renamed."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    shutil.copymode(like, path)


def _with_rows(
    content: bytes, row_type: type[Row], rows: list[Mapping[str, str]]
) -> bytes:
    """Append rows, in the seed's own column order and line ends, defaults written out.

    Applications that stand there already word for word are left from an onboarding that
    was killed; they are not repeated. A district's row always is, so that onboarding a
    district twice is refused.
    """
    ending = "\r\n" if b"\r\n" in content else "\n"
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content  # the check of the proposed seeds tells what is wrong with it
    there = list(csv.reader(io.StringIO(text, newline="")))
    header = there[0] if there else []
    added = io.StringIO(newline="")
    writer = csv.writer(added, lineterminator=ending)
    for row in rows:
        cells = [row.get(column, _default(row_type, column)) for column in header]
        if "app_id" not in header or cells not in there:
            writer.writerow(cells)
    if content and not content.endswith(b"\n"):
        content += ending.encode()
    return content + added.getvalue().encode()


def _default(row_type: type[Row], column: str) -> str:
    field = row_type.model_fields.get(column)
    if field is None or field.is_required() or field.default is None:
        return ""
    if isinstance(field.default, tuple):
        return " ".join(field.default)
    return str(field.default).lower()
