"""`trackline check`: what a build would make of files, without loading them."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

FILE_FIELDS = ("path", "status", "rows_read", "rows_accepted", "rows_rejected")
REJECT_FIELDS = ("path", "record_number", "rule", "column_name", "value")
SHOWN = 20


class Format(StrEnum):
    """How the report is written."""

    text = "text"
    json = "json"


def check(
    path: Annotated[Path, typer.Argument(help="A landing file, or a folder of them.")],
    district: Annotated[str, typer.Option(help="Id of the district they are for.")],
    format: Annotated[Format, typer.Option(help="How to report.")] = Format.text,
) -> None:
    """Try files as a build would, writing nothing.

    Exit code 0: clean; 1: accepted with rejects; 2: refused.
    """
    from trackline import config, landing
    from trackline.settings import RefusedError, Settings

    settings = Settings.from_environment()
    configuration = config.load(settings.seeds)
    if not path.exists():
        raise RefusedError(f"{path} is not there")
    if configuration.district(district) is None:
        raise RefusedError(
            f"no row of districts.csv has district_id {district!r}; "
            f"`trackline onboard {district} --name ..` adds one"
        )
    report = landing.check(path, district, settings, configuration)
    typer.echo(as_json(report) if format is Format.json else as_text(report))
    raise typer.Exit(exit_code(report))


def exit_code(report: Any) -> int:
    """Return 0 for clean files, 1 for some rejects, 2 when nothing was accepted."""
    rejected = sum(file.rows_rejected for file in report.files)
    accepted = sum(file.rows_accepted for file in report.files)
    if not rejected:
        return 0
    return 1 if accepted else 2


def as_json(report: Any) -> str:
    """Return the report as one JSON object with `files` and `rejects`."""
    content = {
        "files": [_fields(file, FILE_FIELDS) for file in report.files],
        "rejects": [_fields(reject, REJECT_FIELDS) for reject in report.rejects],
    }
    return json.dumps(content, indent=2, ensure_ascii=False, default=str)


def as_text(report: Any) -> str:
    """Return the report for people: a line per file, then the first rejects."""
    lines = [
        f"{file.path}: {file.status}, {file.rows_read} read = "
        f"{file.rows_accepted} accepted + {file.rows_rejected} rejected"
        for file in report.files
    ]
    rejects = list(report.rejects)
    for reject in rejects[:SHOWN]:
        # repr: a delivered value may hold what a terminal would obey
        lines.append(
            f"  {reject.path}, record {reject.record_number}: {reject.rule}"
            f" ({reject.column_name} = {reject.value!r})"
        )
    if len(rejects) > SHOWN:
        lines.append(f"  ... and {len(rejects) - SHOWN} more; --format json has all")
    return "\n".join(lines) or "no landing file there"


def _fields(item: Any, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(item, name) for name in names}
