"""`trackline evaluate`: how good the models are, on the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    recommender: Annotated[
        bool, typer.Option("--recommender", help="Evaluate the recommender.")
    ] = False,
    apply: Annotated[
        bool,
        typer.Option(
            "--apply", help="Write the best interval into prediction_models.csv."
        ),
    ] = False,
    district: Annotated[
        list[str] | None,
        typer.Option("--district", metavar="ID", help="Only this one; repeatable."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option(help="Folder of the page and its tables.")
    ] = None,
) -> None:
    """Evaluate the prediction models, or the recommender, and write a page of graphs.

    Exit code 0: done; 1: a model is below its limits; 2: refused.
    """
    from trackline.settings import RefusedError, Settings

    settings = Settings.from_environment()
    if not recommender:
        raise RefusedError("only --recommender can be evaluated yet")
    from trackline.recommender import own_data

    for path in own_data.evaluate_districts(settings, district or None, output):
        typer.echo(path)
