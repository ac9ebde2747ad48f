"""What one request may cost; every bound is a setting."""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["Deadline", "LimitError", "Limits"]

PREFIX = "TRACKLINE_SERVER_"


class LimitError(ValueError):
    """A request goes beyond a limit: one sentence for the answer."""


class Limits(BaseModel):
    """Bounds of one request; each is read from TRACKLINE_SERVER_<NAME>.

    The defaults hold a worker below 400 MB on the recorded sites, whose largest
    dataset has 1,904 rows of 365 columns (1.3 MB).
    """

    model_config = ConfigDict(frozen=True)

    max_request_bytes: int = Field(64 * 1024**2, gt=0)
    max_rows: int = Field(200_000, gt=0)
    max_columns: int = Field(5_000, gt=0)
    max_cells: int = Field(10_000_000, gt=0)
    max_classes: int = Field(20, gt=1, description="of a target")
    max_zip_bytes: int = Field(64 * 1024**2, gt=0, description="unpacked")
    max_zip_ratio: int = Field(200, gt=0)
    max_iterations: int = Field(100, gt=0, description="runs of one evaluation")
    kept_cells: int = Field(5_000_000, gt=0, description="training cells remembered")
    kept_runs: int = Field(20, gt=0, description="evaluation logs kept per model")
    body_seconds: float = Field(120, gt=0, description="to receive a request")
    work_seconds: float = Field(600, gt=0, description="to train or evaluate")
    lock_seconds: float = Field(60, gt=0, description="to wait for a model's lock")

    @classmethod
    def from_environment(cls) -> Limits:
        """Read the limits; an unset or empty variable means the default."""
        given = {
            name: os.environ[PREFIX + name.upper()]
            for name in cls.model_fields
            if os.environ.get(PREFIX + name.upper())
        }
        return cls(**given)


class Deadline:
    """A time limit that long work asks about between its steps.

    Parameters
    ----------
    seconds : float
        Wall time from now.
    clock : callable, optional
        Gives seconds; for tests.
    """

    def __init__(
        self, seconds: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._seconds = seconds
        self._end = clock() + seconds

    @property
    def passed(self) -> bool:
        """Whether the time is over."""
        return self._clock() >= self._end

    def check(self) -> None:
        """Raise LimitError once the time is over."""
        if self.passed:
            raise LimitError(
                f"The work was stopped: it takes longer than {self._seconds:g} seconds"
            )
