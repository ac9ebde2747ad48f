"""What the server tells its operator: Prometheus metrics and one log line a request.

Neither holds content: no names, no samples, no values, and of a model only the first
characters of its id, which is a hash already.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import time
import traceback
import uuid
from pathlib import PurePath

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
    multiprocess,
)

__all__ = [
    "METRICS_TYPE",
    "log_failure",
    "log_to_stderr",
    "metrics_text",
    "observe",
    "running",
]

METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SHOWN = 8

_REQUESTS = Counter(
    "trackline_requests", "Requests answered", ["route", "http_status", "status"]
)
_SECONDS = Histogram(
    "trackline_request_seconds",
    "Wall time of requests",
    ["route"],
    buckets=(0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300),
)
_BYTES = Counter("trackline_request_bytes", "Bytes received in requests", ["route"])
running = Gauge(
    "trackline_running_requests", "Requests at work", multiprocess_mode="livesum"
)

logger = logging.getLogger("trackline.predictions")


class _Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(record.created))
        about = {"at": at, "level": record.levelname, "worker": os.getpid()}
        return json.dumps(about | getattr(record, "fields", {"event": record.msg}))


def log_to_stderr() -> None:
    """Send the server's log lines to stderr as JSON."""
    if not logger.handlers:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(_Line())
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        logger.propagate = False


def observe(
    *,
    route: str,
    method: str,
    http_status: int,
    status: int | None,
    seconds: float,
    received: int,
    model: str | None,
) -> None:
    """Count one answered request and log it."""
    shown = "" if status is None else str(status)
    _REQUESTS.labels(route, str(http_status), shown).inc()
    _SECONDS.labels(route).observe(seconds)
    _BYTES.labels(route).inc(received)
    fields = {
        "event": "request",
        "route": route,
        "method": method,
        "http_status": http_status,
        "status": status,
        "seconds": round(seconds, 4),
        "bytes": received,
        "model": model[:SHOWN] if model else None,
    }
    logger.info("request", extra={"fields": fields})


def log_failure(error: Exception) -> str:
    """Log an error that nothing expected; the reference under which it is found.

    Where it happened is told, but not its message, which may hold content.
    """
    reference = uuid.uuid4().hex[:12]
    frames = traceback.extract_tb(error.__traceback__)[-8:]
    fields = {
        "event": "failure",
        "reference": reference,
        "error": type(error).__name__,
        "where": [f"{PurePath(f.filename).name}:{f.lineno}" for f in frames],
    }
    logger.error("failure", extra={"fields": fields})
    return reference


def metrics_text() -> bytes:
    """Return the metrics of all workers in Prometheus' text form."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return generate_latest()
    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    return generate_latest(registry)
