"""The `trackline` command: which commands there are, and how it ends.

Exit codes: 0 done, 1 done with findings, 2 refused. An error is one plain sentence on
stderr; TRACKLINE_DEBUG=1 shows the traceback of one that nobody foresaw.
"""

from __future__ import annotations

import os
import sys
from importlib import import_module

import typer

from trackline.settings import RefusedError

__all__ = ["COMMANDS", "main"]

COMMANDS = {
    "demo": "trackline.commands.demo:demo",
    "check": "trackline.commands.check:check",
    "onboard": "trackline.commands.onboard:onboard",
    "publish": "trackline.commands.publish:publish",
    "status": "trackline.commands.status:status",
    "forget": "trackline.commands.forget:forget",
    "evaluate": "trackline.commands.evaluate:evaluate",
    "notify": "trackline.commands.notify:notify",
    "predictions-server": "trackline.commands.predictions_server:predictions_server",
}
"""Name of a command -> where its function is.

Only the module of the command that is called is imported. Those modules import what is
heavy inside the function: `trackline --help` imports them all.
"""


def application(arguments: list[str]) -> typer.Typer:
    """Return the application with the command that is called, or with all of them."""
    app = typer.Typer(
        help="Learning-software analytics for school districts.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
    )
    app.callback()(lambda: None)  # without it a lone command would lose its name
    called = [name for name in arguments[:1] if name in COMMANDS]
    for name in called or COMMANDS:
        module, _, function = COMMANDS[name].partition(":")
        try:
            app.command(name)(getattr(import_module(module), function))
        except ImportError:
            if called and _is_debugging():
                raise
            # not installed here, such as the server without its extra
    return app


def main() -> None:
    """Run the command line and exit."""
    arguments = sys.argv[1:]
    try:
        application(arguments)(arguments)
    except RefusedError as refused:
        _end(str(refused))
    except Exception as error:
        if _is_debugging():
            raise
        _end(
            f"trackline {' '.join(arguments[:1])} met an error it does not know: "
            f"{type(error).__name__}: {error}. Please report it with the output of the "
            "same command under TRACKLINE_DEBUG=1."
        )


def _end(sentence: str) -> None:
    print(sentence, file=sys.stderr)
    sys.exit(2)


def _is_debugging() -> bool:
    return os.environ.get("TRACKLINE_DEBUG") == "1"
