"""`trackline evaluate`: how good prediction models are over the analysis intervals."""

from __future__ import annotations

from typing import Annotated

import typer


def evaluate(
    model: Annotated[
        list[str] | None, typer.Option(help="Id of a prediction model; repeatable.")
    ] = None,
    district: Annotated[str, typer.Option(help="One district; all, if empty.")] = "",
    interval: Annotated[
        str,
        typer.Option(help="One analysis interval; those of the settings, if empty."),
    ] = "",
    apply: Annotated[
        bool, typer.Option("--apply", help="Write the best interval back.")
    ] = False,
) -> None:
    """Evaluate prediction models over the enabled analysis intervals, with graphs.

    Exit code 0: every one is good enough; 1: one is not; 2: refused.
    """
    from trackline.insights import evaluate as evaluation
    from trackline.settings import Settings

    settings = Settings.from_environment()
    typer.echo("Evaluating: a build of the models' intervals, about a minute each")
    evaluated = evaluation.evaluate(settings, model or (), district, interval)
    for row in evaluated:
        score = "no score" if row.score is None else f"score {row.score:.3f}"
        auc = "" if row.auc is None else f", AUC {row.auc:.3f}"
        typer.echo(
            f"{row.district_id} {row.model_id} {row.analysis_interval}: {score}{auc},"
            f" status {row.status} {row.info}".rstrip()
        )
        if row.dir:
            typer.echo(f"  {row.dir}/index.html")
    if not evaluated:
        typer.echo("No site has anything to evaluate")
    if apply:
        for row in evaluation.apply(settings, evaluated):
            typer.echo(
                f"{row.district_id} {row.model_id}: analysis_interval is now"
                f" {row.analysis_interval}"
            )
    raise typer.Exit(0 if all(row.status == 0 for row in evaluated) else 1)
