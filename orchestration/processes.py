"""What is run and with which words: pure functions, no Dagster and no dbt."""

from __future__ import annotations

import csv
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from pathlib import Path

from trackline.config.cells import DISTRICT_ID
from trackline.settings import RefusedError

__all__ = [
    "MAX_RETRIES",
    "Process",
    "build_arguments",
    "configured_districts",
    "cron",
    "dates_between",
    "is_lock_held",
    "pool",
    "processes",
    "retry_seconds",
    "time_of_day",
]

PULL = "daily_pull"
AFTER_THE_PULL = ("most_used", "recommendations", "insights")

# 5, 10, 20, 40, 80 and 160 seconds: five minutes, longer than any nightly build that
# was measured on the reference machine
MAX_RETRIES = 6


@dataclass(frozen=True)
class Process:
    """One dbt process of the nightly cycle: a run of dbt over a part of the project."""

    name: str
    select: str
    exclude: str = ""


def processes(tags: Collection[str]) -> list[Process]:
    """Return the processes that have models, in their order.

    What no other process claims belongs to the pull, so that no model is forgotten.

    Parameters
    ----------
    tags : collection of str
        Every tag in the dbt project.
    """
    others = [name for name in AFTER_THE_PULL if name in tags]
    return [
        Process(PULL, "fqn:*", " ".join(f"tag:{name}" for name in others)),
        *(Process(name, f"tag:{name}") for name in others),
    ]


def pool(name: str, target: str) -> str | None:
    """Name the pool of one that a step waits in.

    A DuckDB file has one writer or many readers, in one process each: whatever opens
    it, publishing too, shares a pool. Spark needs none, but recommendations are never
    computed twice at a time.
    """
    if target != "spark":
        return "warehouse"
    return "recommendations" if name == "recommendations" else None


def build_arguments(full_refresh: bool = False) -> list[str]:
    """Return the words after ``dbt``; unit tests are not for the night."""
    arguments = ["build", "--exclude-resource-type", "unit_test"]
    return [*arguments, "--full-refresh"] if full_refresh else arguments


def time_of_day(at: str) -> time:
    """Read TRACKLINE_NIGHTLY_AT, which is HH:MM.

    Raises
    ------
    RefusedError
        If it is no time of day.
    """
    try:
        return datetime.strptime(at, "%H:%M").time()
    except ValueError:
        raise RefusedError(
            f"TRACKLINE_NIGHTLY_AT is {at!r}: a time of day such as 02:00 is needed"
        ) from None


def cron(at: str, hours_later: int = 0) -> str:
    """Return the cron line of every day at HH:MM, or so many hours later."""
    when = time_of_day(at)
    return f"{when.minute} {(when.hour + hours_later) % 24} * * *"


def is_lock_held(text: str) -> bool:
    """Tell whether an error says that another process has the warehouse open."""
    return "Could not set lock on file" in text or "is held by another process" in text


def retry_seconds(attempt: int) -> int:
    """Return how long the given attempt (0 is the first) waits for the next."""
    return 5 * 2**attempt


def configured_districts(seeds: Path) -> list[str]:
    """List the enabled districts of districts.csv, leniently.

    A wrong seed must not keep the UI from loading: the build says what is wrong.
    """
    try:
        with open(seeds / "districts.csv", newline="", encoding="utf-8-sig") as stream:
            rows = list(csv.DictReader(stream))
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    return sorted({row["district_id"] for row in rows if _is_enabled(row)})


def _is_enabled(row: Mapping[str, str | None]) -> bool:
    is_id = DISTRICT_ID.fullmatch(row.get("district_id") or "")
    # a short row leaves enabled out; the seed's default is true
    return bool(is_id) and (row.get("enabled") or "true").strip().lower() in (
        *("true", "t"),
        *("yes", "y", "1"),
    )


def dates_between(first: str, last: str) -> Iterable[date | None]:
    """Return the days of a backfill, both ends included; one None where none is given.

    Raises
    ------
    RefusedError
        If a date is no ISO date, only one is given, or they stand in the wrong order.
    """
    if not first and not last:
        return [None]
    try:
        begin, end = date.fromisoformat(first), date.fromisoformat(last)
    except ValueError:
        raise RefusedError(
            f"a backfill needs both dates as YYYY-MM-DD, not {first!r} and {last!r}"
        ) from None
    if end < begin:
        raise RefusedError(f"a backfill cannot go from {begin} back to {end}")
    return [begin + timedelta(days=n) for n in range((end - begin).days + 1)]
