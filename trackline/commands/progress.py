"""A sign of life on stderr from commands that may take longer than two seconds."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["telling"]

FIRST_SECONDS = 2.0
"""What is done by then needs no progress."""

NEXT_SECONDS = 15.0


@contextmanager
def telling(text: str) -> Iterator[None]:
    """Say what goes on while it lasts: after two seconds, then every fifteen.

    Parameters
    ----------
    text : str
        What is being done; it follows how long that has taken.
    """
    done = threading.Event()

    def tell() -> None:
        begun = time.monotonic()
        seconds = FIRST_SECONDS
        while not done.wait(seconds):
            passed = time.monotonic() - begun
            print(f"{text} ({passed:.0f} s so far)", file=sys.stderr, flush=True)
            seconds = NEXT_SECONDS

    teller = threading.Thread(target=tell, daemon=True)
    teller.start()
    try:
        yield
    finally:
        done.set()
        teller.join()
