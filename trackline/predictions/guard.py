"""What surrounds every route: who asks, how much, for how long, and what is logged.

An ASGI middleware that answers before the routes see anything: the password comes
first, then the size, from the header where there is one. The rest of a body is counted
and timed while a route reads it; beyond a limit the route gets a LimitError.
"""

from __future__ import annotations

import asyncio
import json
import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from .auth import Users
from .limits import LimitError, Limits
from .metrics import observe, running

__all__ = ["ROUTES", "Guard", "refusal"]

OPEN_ROUTES = frozenset({"/version"})
JSON_ROUTES = frozenset({"/training", "/prediction", "/evaluation"})
ROUTES = (
    OPEN_ROUTES
    | JSON_ROUTES
    | {"/evaluationlog", "/export", "/import", "/deletemodel", "/metrics"}
)
_last_runid = 0


def _fresh_runid() -> int:
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
        answer = {"runid": _fresh_runid(), "status": 1, "info": [sentence]}
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
                await self._app(scope, exchange.receive, exchange.send)
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


class _Exchange:
    """One request's body, counted and timed, and its answer."""

    def __init__(self, receive: Receive, send: Send, limits: Limits) -> None:
        self._receive, self._send, self._limits = receive, send, limits
        self._until = time.monotonic() + limits.body_seconds
        self._complete = False
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
        self.received += len(message.get("body", b""))
        if self.received > self._limits.max_request_bytes:
            raise LimitError(self.too_large)
        self._complete = not message.get("more_body", False)
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)

    async def answer(self, status: int, text: str) -> None:
        """Answer without having read the request, and hang up."""
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
