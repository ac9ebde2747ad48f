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
    """
    from trackline import forgetting
    from trackline.settings import Settings

    removed = forgetting.forget(Settings.from_environment(), district, student)
    typer.echo(removed)
