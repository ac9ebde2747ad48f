"""`trackline predictions-server`: the prediction server that Moodle sites can use."""

from __future__ import annotations

from typing import Annotated

import typer


def predictions_server(
    host: Annotated[
        str, typer.Option(help="Address to listen on; 0.0.0.0 for every one.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", "-p", help="Port.")] = 5000,
    workers: Annotated[int, typer.Option(help="Processes.")] = 1,
    forwarded_allow_ips: Annotated[
        str | None, typer.Option(help="Proxies whose forwarding headers are believed.")
    ] = None,
) -> None:
    """Serve predictions to Moodle sites, as its own prediction server would.

    MOODLE_MLBACKEND_PYTHON_USERS names who may ask, MOODLE_MLBACKEND_PYTHON_DIR or
    MOODLE_MLBACKEND_PYTHON_S3_BUCKET_NAME where models are kept.
    """
    from trackline.predictions import serve

    serve.run(host, port, workers, forwarded_allow_ips=forwarded_allow_ips)
