"""`trackline notify`: send what insights are due."""

from __future__ import annotations

from typing import Annotated

import typer


def notify(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is due; send nothing.")
    ] = False,
) -> None:
    """Send what insights are due: one message per user and context, once.

    By SMTP (TRACKLINE_SMTP_URL, TRACKLINE_SMTP_FROM) or to TRACKLINE_WEBHOOK_URL. Exit
    code 0: all sent; 1: some could not be; 2: refused.
    """
    from trackline.insights import notify as notifications
    from trackline.settings import Settings

    settings = Settings.from_environment()
    send = None if dry_run else notifications.delivery(settings)

    def tell(message: notifications.Message) -> None:
        typer.echo(
            f"{message.district_id}: user {message.user_id}, context"
            f" {message.context_id}: {len(message.insights)} insights"
        )

    outcome = notifications.notify(settings, send, tell)
    if dry_run:
        raise typer.Exit(0)
    typer.echo(
        f"{outcome.sent} sent, {outcome.failed} refused by the server,"
        f" {outcome.unreachable} without an address"
    )
    if outcome.interrupted:
        typer.echo(
            f"{outcome.interrupted} were being sent when an earlier run was killed:"
            f" they"
            " count as told"
        )
    raise typer.Exit(1 if outcome.failed or outcome.unreachable else 0)
