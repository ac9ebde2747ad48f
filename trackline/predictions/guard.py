"""What surrounds every route: who asks, how much, how long; and no traceback, ever.

An ASGI middleware that answers before the routes see anything. The password comes
first; then the size, from the header if there is one and by counting in any case. What
a route fails to expect becomes an answer of the protocol, and a log line without
content.
"""

from __future__ import annotations

import asyncio
import json
import time
import traceback
import uuid
from pathlib import PurePath

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .auth import Users
from .limits import LimitError, Limits
from .metrics import logger, observe, running

__all__ = ["ROUTES", "Guard", "fresh_runid"]

OPEN_ROUTES = frozenset({"/version"})
JSON_ROUTES = frozenset({"/training", "/prediction", "/evaluation"})
ROUTES = (
    OPEN_ROUTES
    | JSON_ROUTES
    | {"/evaluationlog", "/export", "/import", "/deletemodel", "/metrics"}
)
_last_runid = 0


class DisconnectedError(Exception):
    """The client went away before it had sent its request."""


def fresh_runid() -> int:
    """Make a run id for an answer that belongs to no model and has no log."""
    global _last_runid
    _last_runid = max(_last_runid + 1, time.time_ns() // 1_000_000)
    return _last_runid


def refusal(path: str, sentence: str) -> tuple[int, str]:
    """HTTP status and body that make Moodle show a sentence.

    Only the JSON routes have a way to say it with 200; the others answer 400, since
    Moodle takes any other body of /import for success.
    """
    if path == "/evaluation":
        answer = {"runid": fresh_runid(), "status": 1, "info": [sentence]}
        return 200, json.dumps(answer)
    if path in JSON_ROUTES:
        return 200, json.dumps({"status": 1, "info": [], "errors": sentence})
    return 400, sentence


class Guard:
    """The middleware.

    Parameters
    ----------
    app : ASGI application
    users : Users
    limits : Limits
    """

    def __init__(self, app: ASGIApp, users: Users, limits: Limits) -> None:
        self._app, self._users, self._limits = app, users, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send, self._limits)
        started = time.perf_counter()
        path = scope["path"]
        scope.setdefault("state", {})
        running.inc()
        try:
            if not await self._turned_away(scope, exchange):
                await self._serve(scope, exchange)
        finally:
            running.dec()
            observe(
                route=path if path in ROUTES else "other",
                method=scope["method"][:10],
                http_status=exchange.status,
                status=scope["state"].get("status"),
                seconds=time.perf_counter() - started,
                received=exchange.received,
                model=scope["state"].get("model"),
            )

    async def _turned_away(self, scope: Scope, exchange: _Exchange) -> bool:
        headers = dict(scope["headers"])
        path = scope["path"]
        if path not in OPEN_ROUTES:
            given = headers.get(b"authorization")
            problem = self._users.refusal(given.decode("latin-1") if given else None)
            if problem:
                await exchange.answer(401, problem)
                return True
        length = headers.get(b"content-length", b"0")
        if not length.isdigit() or int(length) > self._limits.max_request_bytes:
            await exchange.answer(*refusal(path, exchange.too_large))
            return True
        return False

    async def _serve(self, scope: Scope, exchange: _Exchange) -> None:
        path = scope["path"]
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except LimitError as error:
            await exchange.answer(*refusal(path, str(error)))
        except DisconnectedError:
            exchange.status = 499  # as nginx calls it; nobody reads an answer
        except Exception as error:
            reference = uuid.uuid4().hex[:12]
            fields = {
                "event": "error",
                "reference": reference,
                "error": type(error).__name__,
                # where, but not the message: that may hold content
                "where": [
                    f"{PurePath(frame.filename).name}:{frame.lineno}"
                    for frame in traceback.extract_tb(error.__traceback__)[-8:]
                ],
            }
            logger.error("error", extra={"fields": fields})
            sentence = f"The server failed; its log tells more under {reference}"
            await exchange.answer(*refusal(path, sentence))


class _Exchange:
    """One request's body, counted and timed, and its answer."""

    def __init__(self, receive: Receive, send: Send, limits: Limits) -> None:
        self._receive, self._send, self._limits = receive, send, limits
        self._until = time.monotonic() + limits.body_seconds
        self._complete = False
        self._answered = False
        self.received = 0
        self.status = 0

    @property
    def too_large(self) -> str:
        return f"The request is larger than {self._limits.max_request_bytes} bytes"

    async def receive(self) -> Message:
        if self._complete:
            return await self._receive()
        try:
            left = max(self._until - time.monotonic(), 0)
            message = await asyncio.wait_for(self._receive(), left)
        except TimeoutError:
            raise LimitError("The request took too long to arrive") from None
        if message["type"] == "http.disconnect":
            raise DisconnectedError
        self.received += len(message.get("body", b""))
        if self.received > self._limits.max_request_bytes:
            raise LimitError(self.too_large)
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._answered = True
            self.status = message["status"]
        await self._send(message)

    async def answer(self, status: int, text: str) -> None:
        """Answer without having read the whole request, and hang up."""
        if self._answered:
            return
        body = text.encode()
        headers = [
            (b"content-type", b"text/html; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
            (b"connection", b"close"),
        ]
        await self.send(
            {"type": "http.response.start", "status": status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": body})
