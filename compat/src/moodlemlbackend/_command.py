"""What all commands share: arguments in, one line of JSON out, an exit code."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

# before NumPy is loaded: one thread, since Moodle's cron shares the machine
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")

from fsspec.implementations.local import LocalFileSystem  # noqa: E402

from ._engine.limits import Limits  # noqa: E402
from ._engine.storage import ModelFolder, file_lock  # noqa: E402

__all__ = ["folder", "limits", "locked", "main"]

limits = Limits.from_environment()


def main(arguments: str, work: Callable[..., dict[str, object]]) -> None:
    """Run a command and exit.

    Parameters
    ----------
    arguments : str
        Names of the arguments, in order; those in brackets may be left out.
    work : callable
        Gets the arguments, returns the answer to print.
    """
    names = arguments.split()
    needed = [name for name in names if not name.startswith("[")]
    given = sys.argv[1:]
    if len(given) < len(needed):
        sentence = f"Missing arguments, you should set: {arguments}"
        finish({"runid": runid(), "status": 1, "info": [sentence]})
    try:
        answer = work(*given[: len(names)])
    except OSError as error:
        answer = refusal(f"{error.strerror}: {Path(error.filename or '').name}")
    except ValueError as error:
        answer = refusal(str(error))
    finish(answer)


def finish(answer: dict[str, object]) -> None:
    """Print the answer as the last line and exit with its status."""
    print(json.dumps(answer))
    sys.exit(answer["status"])


def refusal(sentence: str) -> dict[str, object]:
    """Make the answer to what cannot be done."""
    return {"runid": runid(), "status": 1, "info": [sentence]}


def runid() -> int:
    """Return the time in milliseconds."""
    return time.time_ns() // 1_000_000


def folder(path: str) -> ModelFolder:
    """Return the model kept in a folder."""
    return ModelFolder(LocalFileSystem(), str(Path(path).absolute()), limits.kept_runs)


@contextmanager
def locked(path: str) -> Iterator[ModelFolder]:
    """Keep other commands from changing the model in a folder."""
    Path(path).mkdir(parents=True, exist_ok=True)
    with file_lock(Path(path, ".lock"), limits.lock_seconds):
        yield folder(path)
