"""`trackline evaluate`: how good the models are, on the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    recommender: Annotated[
        bool, typer.Option("--recommender", help="Evaluate the recommender.")
    ] = False,
    model: Annotated[
        list[str] | None,
        typer.Option("--model", metavar="ID", help="Only this one; repeatable."),
    ] = None,
    interval: Annotated[
        str, typer.Option(help="Only this analysis interval; else the settings'.")
    ] = "",
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
        Path | None, typer.Option(help="Folder of the recommender's page and tables.")
    ] = None,
) -> None:
    """Evaluate the prediction models, or the recommender, and write a page of graphs.

    Exit code 0: done; 1: a model is below its limits; 2: refused.
    """
    from trackline.settings import Settings

    settings = Settings.from_environment()
    if recommender:
        from trackline.recommender import own_data

        typer.echo("Evaluating: every district is learned twice", err=True)
        for path in own_data.evaluate_districts(settings, district or None, output):
            typer.echo(path)
        return
    from trackline.insights import evaluate as evaluation

    typer.echo("Evaluating: a build of the models' intervals, about a minute each")
    evaluated = evaluation.evaluate(settings, model or (), district or (), interval)
    for row in evaluated:
        typer.echo(row)
    if not evaluated:
        typer.echo("No site has anything to evaluate")
    if apply:
        for row in evaluation.apply(settings, evaluated):
            typer.echo(
                f"{row.district_id} {row.model_id}: analysis_interval is now"
                f" {row.analysis_interval}"
            )
    raise typer.Exit(0 if all(row.status == 0 for row in evaluated) else 1)
