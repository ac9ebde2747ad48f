"""`trackline check`: what a build would make of files, without loading them."""

from __future__ import annotations

import json
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from trackline.landing import Report

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
    from trackline.commands.progress import telling
    from trackline.settings import RefusedError, Settings

    settings = Settings.from_environment()
    configuration = config.load(settings.seeds)
    configured = configuration.district(district)
    if configured is None:
        raise RefusedError(
            f"no row of districts.csv has district_id {district!r}; "
            f"`trackline onboard {district} --name ..` adds one"
        )
    with telling("reading the files"):
        report = landing.check(path, district, configured.time_zone)
    typer.echo(as_json(report) if format is Format.json else as_text(report))
    raise typer.Exit(report.exit_code)


def as_json(report: Report) -> str:
    """Return the report as one JSON object with `files` and `rejects`."""
    return json.dumps(asdict(report), indent=2, ensure_ascii=False, default=str)


def as_text(report: Report) -> str:
    """Return the report for people: a line per file, then the first rejects."""
    lines = [
        f"{file.path}: {file.status}, {file.rows_read} read = "
        f"{file.rows_accepted} accepted + {file.rows_rejected} rejected"
        for file in report.files
    ]
    for file in report.files:
        if file.unknown_columns:
            ignored = ", ".join(map(repr, file.unknown_columns))
            lines.append(f"  {file.path}: nobody reads the column {ignored}")
    for reject in report.rejects[:SHOWN]:
        # repr: a delivered value may hold what a terminal would obey
        column = f"{reject.column_name} = " if reject.column_name else ""
        lines.append(
            f"  {reject.path}, record {reject.record_number}: {reject.rule}"
            f" ({column}{reject.value!r})"
        )
    more = len(report.rejects) - SHOWN
    if more > 0:
        lines.append(f"  ... and {more} more; --format json has all")
    return "\n".join(lines) or "no landing file there"
