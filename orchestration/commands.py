"""Assets and steps that are a `trackline` command."""

import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetsDefinition,
    Failure,
    MaterializeResult,
    RetryRequested,
    asset,
)

from orchestration import processes
from trackline.settings import ROOT

__all__ = ["command_asset", "is_installed", "run_command"]

DONE, DONE_WITH_FINDINGS = 0, 1
LINES_SHOWN = 40


def is_installed(command: str) -> bool:
    """Tell whether this Trackline has the command."""
    return find_spec(f"trackline.commands.{command.replace('-', '_')}") is not None


def run_command(arguments: Sequence[str], attempt: int = 0) -> tuple[int, str]:
    """Run `trackline ...` in a process of its own; its output goes to the run's log.

    Returns
    -------
    (int, str)
        The exit code (0 done, 1 done with findings) and the last lines of the output.

    Raises
    ------
    RetryRequested
        If another process holds the warehouse.
    Failure
        If the command refused, with its own sentence.
    """
    lines = []
    with subprocess.Popen(
        [sys.executable, "-m", "trackline", *arguments],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        for line in process.stdout or ():
            print(line, end="", flush=True)
            lines.append(line.rstrip())
    text = "\n".join(lines[-LINES_SHOWN:])
    if process.returncode in (DONE, DONE_WITH_FINDINGS):
        return process.returncode, text
    if processes.is_lock_held(text):
        raise RetryRequested(processes.MAX_RETRIES, processes.retry_seconds(attempt))
    said = lines[-1] if lines else f"exit code {process.returncode}"
    raise Failure(f"trackline {' '.join(arguments)}: {said}", allow_retries=False)


def command_asset(
    name: str,
    arguments: Sequence[str],
    group_name: str,
    description: str,
    deps: Sequence[AssetKey] = (),
    owners: Sequence[str] = (),
    pool: str | None = None,
) -> AssetsDefinition:
    """Return an asset that is made by `trackline <arguments>`."""

    @asset(
        name=name,
        group_name=group_name,
        description=description,
        deps=list(deps),
        owners=list(owners),
        pool=pool,
    )
    def run(context: AssetExecutionContext) -> MaterializeResult:
        code, text = run_command(arguments, context.retry_number)
        return MaterializeResult(
            metadata={
                "command": f"trackline {' '.join(arguments)}",
                "findings": code == DONE_WITH_FINDINGS,
                "output": text,
            }
        )

    return run
