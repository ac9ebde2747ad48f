"""Real server processes on loopback, for what one process cannot show."""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from trackline.predictions.client import PredictionClient, ServerError
from trackline.settings import ROOT

START_SECONDS = 120
# compiled modules are shared by all processes of all test runs: without it a start
# takes ten seconds where PYTHONDONTWRITEBYTECODE is set
_CACHE = ROOT / ".pytest_cache" / "compiled"


def environment(**more: str) -> dict[str, str]:
    told = {**os.environ, "PYTHONPYCACHEPREFIX": str(_CACHE), "NO_PROXY": "*", **more}
    told.pop("PYTHONDONTWRITEBYTECODE", None)
    return told


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@contextlib.contextmanager
def server(
    root: Path, workers: int = 1, log: Path | None = None, **more: str
) -> Iterator[tuple[str, int]]:
    """Run a prediction server; its URL and process id."""
    port = free_port()
    settings = {
        "MOODLE_MLBACKEND_PYTHON_USERS": "default:secret",
        "MOODLE_MLBACKEND_PYTHON_DIR": str(root),
        **more,
    }
    command = [sys.executable, "-m", "trackline.predictions.serve"]
    command += ["--port", str(port), "--workers", str(workers)]
    with open(log or os.devnull, "wb") as stderr:
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment(**settings),
            stdout=subprocess.DEVNULL,
            stderr=stderr,
        )
        try:
            url = f"http://127.0.0.1:{port}"
            wait_for(url, running)
            yield url, running.pid
        finally:
            running.terminate()
            try:
                running.wait(30)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


def wait_for(url: str, running: subprocess.Popen) -> None:
    client = PredictionClient(url, "default", "secret", timeout=5)
    end = time.monotonic() + START_SECONDS
    while time.monotonic() < end and running.poll() is None:
        with contextlib.suppress(ServerError):
            client.version()
            return
        time.sleep(0.1)
    raise RuntimeError("the server did not start")
