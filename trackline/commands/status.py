"""`trackline status` on the command line."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from trackline.status import Status


class Format(StrEnum):
    """How status is told."""

    text = "text"
    json = "json"


def status(
    format_: Annotated[
        Format, typer.Option("--format", help="A table, or JSON for programs.")
    ] = Format.text,
) -> None:
    """Show per district: last delivery, rejects, lateness, holds, version, model.

    Exit codes: 0 all well, 1 a district is held or its files are damaged, 2 refused.
    """
    from rich.console import Console

    from trackline.settings import Settings
    from trackline.status import read_status

    errors = Console(stderr=True, soft_wrap=True)
    found = read_status(Settings.from_environment())
    if format_ is Format.json:
        typer.echo(json.dumps(asdict(found), indent=2, default=_iso))
    else:
        # a script is to find whole names
        _show(found, Console(width=None if sys.stdout.isatty() else 1000), errors)
    raise typer.Exit(1 if found.has_findings else 0)


def _iso(value: date | datetime) -> str:
    return value.isoformat()


def _show(status: Status, out: Console, errors: Console) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table("district", "last delivery", "rejected", "late", "version", "model")
    for d in status.districts:
        note = "" if d.configuration == "enabled" else f" ({d.configuration})"
        version = d.current_version or "-"
        if d.held_reasons:
            version += " (held)"
        rejected = f"{d.rows_rejected} of {d.rows_read}"
        table.add_row(
            f"{d.district_id}{note}",
            f"{d.last_delivery_at:%Y-%m-%d %H:%M}" if d.last_delivery_at else "-",
            rejected if d.rows_read is not None else "-",
            f"{d.days_late} days" if d.days_late is not None else "-",
            version,
            escape(d.last_model or "-"),
        )
    out.print(table)
    for d in status.districts:
        if d.recommender:
            said = f"{d.district_id}, recommender: {d.recommender}"
            out.print(said, markup=False, highlight=False, soft_wrap=True)
        for reason in d.held_reasons:
            text = f"{d.district_id} is held since {d.held_since}: {reason}"
            errors.print(text, markup=False, highlight=False)
        if d.problem:
            errors.print(f"{d.district_id}: {d.problem}", markup=False, highlight=False)
    if status.warehouse:
        errors.print(
            f"{status.warehouse}; shown is what was published",
            markup=False,
            highlight=False,
        )
