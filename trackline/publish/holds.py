"""The hold rule: figures that look wrong do not go out unseen (INTERFACE section 7)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from statistics import median
from typing import Any

__all__ = ["rejected_rows", "usage_drop"]

Reason = dict[str, Any]


def rejected_rows(read: int, rejected: int, limit: Decimal) -> Reason | None:
    """Hold when more than `limit` percent of the rows read were rejected.

    Exactly the limit passes. A limit of 0 holds on one rejected row, 100 never holds.

    Parameters
    ----------
    read, rejected : int
        Rows of the files that the current version has not seen; of all files where
        there is no version yet.
    limit : Decimal
        hold_rejected_rows, in percent.

    Returns
    -------
    dict or None
        The reason with its counts; None when the rows may go out.
    """
    if Decimal(rejected) * 100 <= limit * read:
        return None
    return {
        "rule": "hold_rejected_rows",
        "limit_percent": float(limit),
        "rows_read": read,
        "rows_rejected": rejected,
        "text": f"{rejected} of {read} rows read since the last publication were "
        f"rejected, more than {limit.normalize():f} %",
    }


def usage_drop(
    rows_per_day: Mapping[date, int], as_of: date, limit: Decimal
) -> Reason | None:
    """Hold when the newest usage day has `limit` percent fewer rows than usual.

    Usual is the median of that weekday in the four weeks before, where at least
    three of those days have rows. Exactly the limit holds. A limit of 0 holds on one
    row fewer, 100 never holds: a day without rows is no newest usage day.

    Parameters
    ----------
    rows_per_day : mapping of date to int
        Live rows of the district's usage.
    as_of : date
        Later days are not published yet, so they are not judged yet.
    limit : Decimal
        hold_usage_drop, in percent.

    Returns
    -------
    dict or None
        The reason with its counts; None when the rows may go out.
    """
    newest = max((day for day in rows_per_day if day <= as_of), default=None)
    if newest is None:
        return None
    # a source's empty date, 0001-01-01, has no weeks before it
    weeks = [timedelta(weeks=week) for week in (1, 2, 3, 4)]
    weeks_before = [newest - week for week in weeks if newest - date.min >= week]
    before = {day: rows_per_day[day] for day in weeks_before if rows_per_day.get(day)}
    if len(before) < 3:
        return None
    rows = rows_per_day[newest]
    usual = Decimal(str(median(before.values())))
    fewer = usual - rows
    if fewer <= 0 or fewer * 100 < limit * usual:
        return None
    return {
        "rule": "hold_usage_drop",
        "limit_percent": float(limit),
        "usage_date": newest.isoformat(),
        "rows": rows,
        "median_rows": float(usual),
        "rows_before": {day.isoformat(): n for day, n in sorted(before.items())},
        "text": f"{newest} has {rows} usage rows, {limit.normalize():f} % or more below"
        f" the {usual.normalize():f} that are usual on that weekday",
    }
