"""`trackline publish` on the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from trackline.publish.run import PublishReport

__all__ = ["publish"]


def publish(
    district: Annotated[
        list[str] | None,
        typer.Option("--district", metavar="ID", help="Only this one; repeatable."),
    ] = None,
    approve: Annotated[
        list[str] | None,
        typer.Option(
            "--approve",
            metavar="ID",
            help="Release what is held now, nothing later; repeatable.",
        ),
    ] = None,
) -> None:
    """Write each district's own rows as read-only files.

    Exit codes: 0 done, 1 a district is held or failed, 2 refused.
    """
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    from trackline.publish import run
    from trackline.settings import Settings

    errors = Console(stderr=True, soft_wrap=True)
    with Progress(
        TextColumn("publishing"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.description}", markup=False),
        console=errors,
        transient=True,
        # it would leave an empty line in the mail that cron sends
        disable=not errors.is_terminal,
    ) as bar:
        task = bar.add_task("", total=None)
        report = run.publish(
            Settings.from_environment(),
            districts=district or None,
            approve=approve or None,
            progress=lambda done, total, text: bar.update(
                task, completed=done, total=total, description=text
            ),
        )
    _tell(report, Console(soft_wrap=True), errors)
    raise typer.Exit(1 if report.has_findings else 0)


def _tell(report: PublishReport, out: Console, errors: Console) -> None:
    from rich.markup import escape

    for outcome in report.outcomes:
        version = f" {outcome.version}" if outcome.version else ""
        kept = " stays" if outcome.state == "held" and outcome.version else ""
        out.print(
            f"{escape(outcome.district_id)}: {outcome.state}{version}{kept}",
            highlight=False,
        )
        for finding in outcome.findings:
            errors.print(
                f"{outcome.district_id}: {finding}", markup=False, highlight=False
            )
        if outcome.state == "held":
            errors.print(
                f"{outcome.district_id}: trackline publish --approve "
                f"{outcome.district_id} publishes it all the same",
                markup=False,
                highlight=False,
            )
    if report.not_built:
        out.print(
            f"not built yet, so not published: {', '.join(report.not_built)}",
            highlight=False,
        )
