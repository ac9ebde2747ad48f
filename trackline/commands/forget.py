"""`trackline forget`: a student leaves every table, file and model input, for good."""

from __future__ import annotations

from typing import Annotated

import typer


def forget(
    district: Annotated[str, typer.Argument(metavar="ID", help="The district.")],
    student: Annotated[
        str, typer.Argument(metavar="STUDENT", help="The id as the district knows it.")
    ],
) -> None:
    """Remove a student everywhere; a full refresh does not bring the student back.

    Landing files are never changed: their rows of this student are not loaded again.
    Exit code 0: done; 1: done, but nothing of this student was there; 2: refused.
    """
    from trackline import config, forgetting
    from trackline.commands.progress import telling
    from trackline.settings import Settings

    settings = Settings.from_environment()
    with telling("forgetting the student, building what knew the student anew"):
        found = forgetting.forget(settings, district, student)
        seeds = config.load(settings.seeds)
    for row in seeds.assignments:
        if row.user_id != student.strip() or row.district_id not in ("*", district):
            continue
        rest = "take it out"
        if row.district_id == "*":
            # in another district the id may be of somebody else
            rest = "put rows of the other districts in its place that have such a user"
        typer.echo(
            f"{row.FILE}, row {row.line}, names the user; it is not loaded for"
            f" {district} any more: {rest}.",
            err=True,
        )
    if found:
        typer.echo(f"The student is forgotten in {district}: tables, files, models.")
        return
    typer.echo(
        f"Nothing in {district} was of a student of this id; should such rows arrive,"
        " they will not be loaded. Were they forgotten before? If not: is the id as the"
        " district delivers it?"
    )
    raise typer.Exit(1)
