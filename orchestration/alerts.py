"""One message for each failed run, by webhook or command."""

from __future__ import annotations

import json
import shlex
import subprocess
import time
import urllib.request
from typing import Any

from dagster import (
    DefaultSensorStatus,
    RunFailureSensorContext,
    SensorDefinition,
    run_failure_sensor,
)

from orchestration.environment import Environment

__all__ = ["alert", "failure_sensor", "message"]

ATTEMPTS = 3
TIMEOUT_SECONDS = 20


def message(
    job_name: str, run_id: str, steps: list[str], ui_url: str, reason: str = ""
) -> dict[str, Any]:
    """Return what is told of a failed run.

    Neither the error's text nor a row is in it: a database's message may quote a
    student's id. The run's page has it.
    """
    where = f" in {', '.join(steps)}" if steps else ""
    url = f"{ui_url}/runs/{run_id}"
    kind = f" ({reason})" if reason else ""
    return {
        "text": f"Trackline: {job_name} failed{where}{kind}. {url}",
        "job": job_name,
        "run_id": run_id,
        "steps": steps,
        "url": url,
    }


def alert(told: dict[str, Any], environment: Environment) -> None:
    """Send a message to the webhook (as JSON) and the command (JSON on its stdin).

    Raises
    ------
    OSError, subprocess.SubprocessError
        If it could not be delivered three times in a row: the tick then fails visibly.
    """
    body = json.dumps(told).encode()
    try:
        if environment.alert_webhook:
            _retried(lambda: _post(environment.alert_webhook, body))
    finally:
        # where the webhook is dead the command still tells
        if environment.alert_command:
            subprocess.run(
                shlex.split(environment.alert_command),
                input=body,
                timeout=TIMEOUT_SECONDS,
                check=True,
            )


def _post(url: str, body: bytes) -> None:
    request = urllib.request.Request(
        url, data=body, headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=TIMEOUT_SECONDS):
        pass


def _retried(send: Any) -> None:
    for attempt in range(ATTEMPTS):
        try:
            return send()
        except OSError:
            if attempt == ATTEMPTS - 1:
                raise
            time.sleep(2**attempt)


def failure_sensor(environment: Environment) -> SensorDefinition:
    """Return the sensor that tells of each failed run once."""

    @run_failure_sensor(
        name="failed_runs",
        default_status=DefaultSensorStatus.RUNNING,
        minimum_interval_seconds=environment.sensor_seconds,
        description="Tells TRACKLINE_ALERT_WEBHOOK or TRACKLINE_ALERT_COMMAND.",
    )
    def failed_runs(context: RunFailureSensorContext) -> None:
        failed = context.get_step_failure_events()
        steps = sorted({event.step_key for event in failed if event.step_key})
        told = message(
            context.dagster_run.job_name,
            context.dagster_run.run_id,
            steps,
            environment.ui_url,
            reason="" if steps else "the run's process ended",
        )
        alert(told, environment)

    return failed_runs
