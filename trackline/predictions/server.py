"""The HTTP face of the predictions: PROTOCOL section 1, route by route."""

from __future__ import annotations

import json
import os
import re
import tempfile
from collections.abc import Awaitable, Callable
from functools import partial
from typing import IO, NamedTuple

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp

# evaluation and learner: loaded with the server, not by its first request
from . import evaluation, learner, service  # noqa: F401
from .archive import ArchiveError, pack
from .auth import Users, UsersError
from .guard import Guard, refusal
from .limits import LimitError, Limits
from .metrics import METRICS_TYPE, log_failure, log_to_stderr, metrics_text
from .model import ModelError
from .storage import ModelFolder, Storage, UploadError

__all__ = ["PROTOCOL_VERSION", "ServerSettings", "build", "create_app"]

PROTOCOL_VERSION = "3.0.5"
"""Moodle 4.5 and 5.1 ask for at least 3.0.5 and less than 4."""

MAX_ID = 128
_NOT_ID = re.compile(r"[^A-Za-z0-9_$-]")
_NOT_NUMBER = re.compile(r"[^0-9.]")
_NOT_DIGIT = re.compile(r"[^0-9]")
# what waits for a worker thread: one long work at a time holds the memory bound,
# and predictions do not wait behind it
WORKING, QUICK = 1, 4


class ServerSettings(NamedTuple):
    """What a server needs to know.

    Attributes
    ----------
    users : Users
    root : str
        Folder or fsspec URL of the models.
    limits : Limits
    """

    users: Users
    root: str
    limits: Limits

    @classmethod
    def from_environment(cls) -> ServerSettings:
        """Read the reference's variables and our limits.

        Raises
        ------
        ValueError
            With one sentence, if something is missing or wrong.
        """
        users = Users(os.environ.get("MOODLE_MLBACKEND_PYTHON_USERS", ""))
        bucket = os.environ.get("MOODLE_MLBACKEND_PYTHON_S3_BUCKET_NAME")
        folder = os.environ.get("MOODLE_MLBACKEND_PYTHON_DIR")
        if not bucket and not folder:
            raise UsersError(
                "MOODLE_MLBACKEND_PYTHON_DIR or MOODLE_MLBACKEND_PYTHON_S3_BUCKET_NAME "
                "is needed: where models are kept"
            )
        if temporary := os.environ.get("MOODLE_MLBACKEND_TEMPDIR"):
            tempfile.tempdir = temporary
        root = f"s3://{bucket}" if bucket else os.path.abspath(folder)
        return cls(users, root, Limits.from_environment())


Endpoint = Callable[[Request], Awaitable[Response]]


class FieldError(ValueError):
    """A field of the request is missing or empty: one sentence."""


class Fields:
    """The parameters of one request: query and form alike, cleaned, and its files."""

    def __init__(self, request: Request, form: dict[str, object]) -> None:
        values = {**request.query_params, **form}
        self._texts = {k: v for k, v in values.items() if isinstance(v, str)}
        self._files = {k: v for k, v in form.items() if not isinstance(v, str)}
        self._state = request.state

    @classmethod
    async def of(cls, request: Request) -> Fields:
        """Receive the request."""
        if request.method == "GET":
            return cls(request, {})
        try:
            form = await request.form(max_files=4, max_fields=32)
        except HTTPException:
            raise FieldError("The request is no readable form") from None
        return cls(request, dict(form))

    def id(self, name: str) -> str:
        """Return an id that can be the name of a folder."""
        text = _NOT_ID.sub("", self._text(name))
        if not 0 < len(text) <= MAX_ID:
            raise FieldError(f"The parameter {name} is empty or too long")
        if name == "uniqueid":
            self._state.model = text
        return text

    def optional_id(self, name: str) -> str | None:
        """Return what `id` does; None if the field is missing or empty."""
        return self.id(name) if self._texts.get(name) else None

    def number(self, name: str) -> float:
        """Return a number that is not negative."""
        try:
            return float(_NOT_NUMBER.sub("", self._text(name)))
        except ValueError:
            raise FieldError(f"The parameter {name} must be a number") from None

    def whole(self, name: str) -> int:
        """Return a whole number that is not negative."""
        digits = _NOT_DIGIT.sub("", self._text(name))
        if not 0 < len(digits) <= 18:
            raise FieldError(f"The parameter {name} must be a whole number")
        return int(digits)

    def file(self, name: str) -> IO[bytes]:
        """Return a file part, at its beginning."""
        if name not in self._files:
            raise FieldError(f"The file {name} is missing")
        return self._files[name].file

    def _text(self, name: str) -> str:
        if name not in self._texts:
            raise FieldError(f"The parameter {name} is missing")
        return self._texts[name]


class Server:
    """The routes' work: read the fields, call the service, answer."""

    def __init__(self, storage: Storage, limits: Limits) -> None:
        self._storage, self._limits = storage, limits
        self._working = CapacityLimiter(WORKING)
        self._quick = CapacityLimiter(QUICK)
        # what waits for one model's training holds up no other model
        self._keeping = CapacityLimiter(QUICK)

    async def training(self, request: Request) -> Response:
        fields = await Fields.of(request)
        folder, uniqueid = self._folder(fields), fields.id("uniqueid")
        work = partial(service.train, folder, fields.file("dataset"), self._limits)
        return _json(request, await self._locked(uniqueid, work, self._working))

    async def prediction(self, request: Request) -> Response:
        fields = await Fields.of(request)
        folder, file = self._folder(fields), fields.file("dataset")
        work = partial(service.predict, folder, file, self._limits)
        return _json(request, await to_thread.run_sync(work, limiter=self._quick))

    async def evaluation(self, request: Request) -> Response:
        fields = await Fields.of(request)
        trained = fields.optional_id("trainedmodeldirhash")
        work = partial(
            service.evaluate,
            self._folder(fields),
            fields.file("dataset"),
            self._limits,
            min_score=fields.number("minscore"),
            accepted_deviation=fields.number("maxdeviation"),
            iterations=fields.whole("niterations"),
            trained=self._folder(fields, trained) if trained else None,
        )
        return _json(request, await to_thread.run_sync(work, limiter=self._working))

    async def evaluationlog(self, request: Request) -> Response:
        fields = await Fields.of(request)
        work = partial(self._folder(fields).run, str(fields.whole("runid")))
        files = await to_thread.run_sync(work, limiter=self._quick)
        return _zip(pack(files), "log.zip")

    async def export(self, request: Request) -> Response:
        fields = await Fields.of(request)
        work = partial(service.export_zip, self._folder(fields))
        packed = await to_thread.run_sync(work, limiter=self._quick)
        if packed is None:
            return _text("There is nothing to export.", 503)
        return _zip(packed, "model.zip")

    async def import_(self, request: Request) -> Response:
        fields = await Fields.of(request)
        folder, uniqueid = self._folder(fields), fields.id("uniqueid")
        packed = fields.file("importzip").read()
        work = partial(service.import_zip, folder, packed, self._limits)
        try:
            await self._locked(uniqueid, work, self._keeping)
        except UploadError:
            return _text(service.NOT_UPLOADED, 400)
        return _text("Ok")

    async def deletemodel(self, request: Request) -> Response:
        fields = await Fields.of(request)
        uniqueid = fields.id("uniqueid")
        work = partial(self._storage.delete, uniqueid)
        await self._locked(uniqueid, work, self._keeping)
        return _text("Ok")

    def _folder(self, fields: Fields, dirhash: str | None = None) -> ModelFolder:
        return self._storage.folder(
            fields.id("uniqueid"), dirhash or fields.id("dirhash")
        )

    async def _locked(
        self, uniqueid: str, work: Callable[[], object], limiter: CapacityLimiter
    ) -> object:
        def locked() -> object:
            with self._storage.lock(uniqueid):
                return work()

        return await to_thread.run_sync(locked, limiter=limiter)


def _text(text: str, status: int = 200) -> Response:
    return Response(text, status, media_type="text/html")


def _json(request: Request, answer: dict[str, object]) -> Response:
    request.state.status = answer["status"]
    return _text(json.dumps(answer))


def _zip(packed: bytes, name: str) -> Response:
    headers = {"Content-Disposition": f"attachment; filename={name}"}
    return Response(packed, media_type="application/zip", headers=headers)


def _answering(endpoint: Endpoint) -> Endpoint:
    """Turn whatever an endpoint raises into an answer of the protocol."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except ClientDisconnect:
            return _text("", 499)  # as nginx calls it; nobody reads it
        except (FieldError, LimitError, ArchiveError, ModelError) as error:
            sentence = str(error)
        except Exception as error:
            reference = log_failure(error)
            sentence = f"The server failed; its log tells more under {reference}"
        status, body = refusal(request.url.path, sentence)
        request.state.status = service.GENERAL_ERROR
        response = _text(body, status)
        # a part of the request may still be on its way
        response.headers["Connection"] = "close"
        return response

    return answer


def build(settings: ServerSettings) -> ASGIApp:
    """Build the application; it is complete without a lifespan."""
    storage = Storage(settings.root, settings.limits)
    storage.check()
    server = Server(storage, settings.limits)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    app.router.redirect_slashes = False
    for path, method, endpoint in (
        ("/training", "POST", server.training),
        ("/prediction", "POST", server.prediction),
        ("/evaluation", "POST", server.evaluation),
        ("/evaluationlog", "GET", server.evaluationlog),
        ("/export", "GET", server.export),
        ("/import", "POST", server.import_),
        ("/deletemodel", "POST", server.deletemodel),
    ):
        app.add_api_route(path, _answering(endpoint), methods=[method])

    # health checks ask by HEAD
    @app.api_route("/version", methods=["GET", "HEAD"])
    async def version() -> Response:
        return Response(PROTOCOL_VERSION, media_type="text/plain")

    @app.api_route("/metrics", methods=["GET", "HEAD"])
    async def metrics() -> Response:
        return Response(metrics_text(), headers={"Content-Type": METRICS_TYPE})

    @app.exception_handler(HTTPException)
    async def refuse(request: Request, error: HTTPException) -> Response:
        return Response(error.detail, error.status_code, error.headers, "text/html")

    return Guard(app, settings.users, settings.limits)


def create_app() -> ASGIApp:
    """Build the application of this environment, for any ASGI server."""
    log_to_stderr()
    return build(ServerSettings.from_environment())
