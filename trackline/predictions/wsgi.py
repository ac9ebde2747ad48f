"""The server as a WSGI application, `trackline.predictions.wsgi:application`."""

from __future__ import annotations

from a2wsgi import ASGIMiddleware

from .server import create_app

__all__ = ["application"]

application = ASGIMiddleware(create_app())
