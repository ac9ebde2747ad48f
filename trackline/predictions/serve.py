"""Run the prediction server: `python -m trackline.predictions.serve`."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile

from pydantic import ValidationError

from trackline.settings import RefusedError

__all__ = ["main", "run"]

APP = "trackline.predictions.server:create_app"
# uvicorn would answer 503 above this; Moodle sends one request at a time
MAX_CONNECTIONS = 1000


def run(
    host: str = "127.0.0.1",
    port: int = 5000,
    workers: int = 1,
    *,
    forwarded_allow_ips: str | None = None,
) -> None:
    """Serve until stopped.

    Parameters
    ----------
    host : str
        Address to listen on; loopback unless told otherwise.
    port : int
    workers : int
        Processes; each needs up to 400 MB.
    forwarded_allow_ips : str, optional
        Addresses of proxies that are trusted, as uvicorn's option.

    Raises
    ------
    RefusedError
        If a setting is missing or wrong, or the storage cannot be written.
    """
    # before NumPy and its friends are loaded, here and in the workers
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    counters = None
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        counters = tempfile.mkdtemp(prefix="trackline-metrics-")
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = counters
    try:
        _check()
        import uvicorn

        uvicorn.run(
            APP,
            factory=True,
            host=host,
            port=port,
            workers=workers,
            access_log=False,
            log_level="warning",
            server_header=False,
            timeout_keep_alive=15,
            timeout_graceful_shutdown=30,
            limit_concurrency=MAX_CONNECTIONS,
            forwarded_allow_ips=forwarded_allow_ips,
            ws="none",
            lifespan="off",
        )
    finally:
        if counters:
            del os.environ["PROMETHEUS_MULTIPROC_DIR"]
            shutil.rmtree(counters, ignore_errors=True)


def _check() -> None:
    from .server import ServerSettings
    from .storage import Storage

    try:
        settings = ServerSettings.from_environment()
        Storage(settings.root, settings.limits).check()
    except ValidationError as error:
        first = error.errors()[0]
        name = f"TRACKLINE_SERVER_{first['loc'][0]}".upper()
        raise RefusedError(f"{name}: {first['msg']}") from None
    except OSError as error:
        raise RefusedError(
            f"The models folder cannot be written: {error.strerror or error}"
        ) from None
    except ValueError as error:
        raise RefusedError(str(error)) from None


def main(arguments: list[str] | None = None) -> int:
    """Run the server from the command line; the exit code."""
    parser = argparse.ArgumentParser(prog="trackline.predictions.serve")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=5000)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--forwarded-allow-ips")
    options = parser.parse_args(arguments)
    try:
        run(
            options.host,
            options.port,
            options.workers,
            forwarded_allow_ips=options.forwarded_allow_ips,
        )
    except RefusedError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
