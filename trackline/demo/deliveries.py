"""Three ways to deliver a school year, each with its own troubles."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from trackline.demo.files import Delivery
from trackline.demo.year import School, year_start

__all__ = ["as_csv", "as_events", "as_parquet"]


def _by_period(
    frame: pd.DataFrame, day_column: str
) -> Iterator[tuple[str, pd.DataFrame]]:
    """Split rows by month, the last month's last five days one by one."""
    days = sorted(frame[day_column].unique())
    daily = set(days[-5:])
    label = frame[day_column].map(lambda d: f"{d}" if d in daily else f"{d:%Y-%m}")
    yield from frame.groupby(label, sort=True)


def _night(day: date) -> datetime:
    """When the files of a day arrive: 04:10 UTC of the next."""
    return datetime(day.year, day.month, day.day, 4, 10, tzinfo=UTC) + timedelta(days=1)


def as_csv(school: School) -> Iterator[Delivery]:
    """Daily totals and scores as CSV, a roster, corrections, and a bad night."""
    as_of = school.district.as_of
    rng = np.random.default_rng(7)
    for label, rows in _by_period(school.usage, "usage_date"):
        # one day is one plain file; the closed months are compressed
        suffix = "csv" if len(label) == 10 else "csv.gz"
        at = _night(rows.usage_date.max())
        yield Delivery(f"app_usage/{label[:4]}/usage-{label}.{suffix}", rows, at)
    # an application that nobody selected is data all the same
    stray = school.usage.drop_duplicates("student_id").head(12)
    stray = stray.assign(app_id="chess, club", usage_date=as_of - timedelta(days=6))
    yield Delivery("app_usage/chess.csv", stray, _night(as_of))
    corrections = _corrections(school, rng)
    yield Delivery("app_usage/corrections.csv", corrections, _night(as_of))
    yield Delivery("app_usage/broken.csv", _broken_rows(as_of), _night(as_of))
    yield Delivery(
        "app_usage/unreadable.csv.gz", school.usage.head(400), _night(as_of), cut=0.5
    )
    yield Delivery(
        "app_usage/upload-in-progress.csv.part", school.usage.head(3), _night(as_of)
    )
    for label, rows in school.scores.groupby(
        school.scores.measured_on.map(lambda d: f"{d:%Y-%m}"), sort=True
    ):
        at = _night(min(rows.measured_on.max(), as_of))
        yield Delivery(f"scores/scores-{label}.csv", rows, at)
    roster = pd.DataFrame({"student_id": school.students})
    roster["school_id"] = [f"{1 + n % 4:03d}" for n in range(len(roster))]
    roster["grade_level"] = [str(6 + n % 7) for n in range(len(roster))]
    opening = year_start(school.district)
    yield Delivery("students/roster-august.csv", roster.head(200), _night(opening))
    # some of the roster never use anything: they appear in dim_students all the same
    idle = roster.tail(3).assign(student_id=["900001", "900002", "Ω-00003"])
    spring = pd.concat([roster, idle])
    yield Delivery("students/roster-spring.csv", spring, _night(as_of - timedelta(40)))


def _corrections(school: School, rng: np.random.Generator) -> pd.DataFrame:
    """Change, withdraw and repeat rows of the last weeks."""
    usage, as_of = school.usage, school.district.as_of
    recent = usage[usage.usage_date > as_of - timedelta(days=35)]
    picked = recent.iloc[rng.permutation(len(recent))[:150]].copy()
    picked["is_deleted"] = "false"
    # the moment of the correction, not of the file, decides which version is newest
    picked["updated_at"] = f"{as_of}T21:00:00Z"
    picked["usage_minutes"] = (picked.usage_minutes * 1.5).clip(upper=600).round(2)
    withdrawn, late = picked.index[100:120], picked.index[120:]
    picked.loc[withdrawn, "is_deleted"] = "true"
    # older than the version that is there: it arrives late and must not win
    picked.loc[late, "updated_at"] = "2025-08-20 06:00:00-05:00"
    picked.loc[late, "usage_minutes"] = 1440
    return picked


def _broken_rows(as_of: date) -> pd.DataFrame:
    """Return one row for each rule of INTERFACE section 2 that a row can break."""
    good = {
        "student_id": "000417",
        "app_id": "alpha_math",
        "usage_date": str(as_of - timedelta(days=3)),
        "usage_minutes": "12.5",
        "session_count": "1",
        "district_id": "lakeview",
        "is_deleted": "",
        "comment": "",
    }
    wrong = [
        {"district_id": "harborside", "comment": "wrong district"},
        {"student_id": "", "comment": "no student"},
        {"app_id": "x" * 65, "comment": "an id that is too long"},
        {"usage_minutes": "twelve", "comment": "no number"},
        {"usage_date": "03/28/2026", "comment": "no ISO date"},
        {"usage_date": "2026-02-30", "comment": "no day"},
        {"is_deleted": "perhaps", "comment": "no boolean"},
        {"usage_minutes": "-9", "comment": "a code for missing"},
        {"usage_minutes": "1441", "comment": 'more than a day, "really"'},
        {"usage_date": str(as_of + timedelta(days=30)), "comment": "not yet"},
        {"app_id": "proofs", "comment": "nothing is wrong with this row"},
    ]
    return pd.DataFrame([good | change for change in wrong])


def as_parquet(school: School) -> Iterator[Delivery]:
    """Typed columns, no roster, a delivery that came twice and one cut short."""
    as_of = school.district.as_of
    for label, rows in _by_period(school.usage, "usage_date"):
        at = _night(rows.usage_date.max())
        typed = rows.assign(updated_at=pd.Timestamp(at) - pd.Timedelta(hours=2))
        yield Delivery(f"app_usage/{label}.parquet", typed, at)
    again = school.usage[school.usage.usage_date > as_of - timedelta(days=3)]
    yield Delivery("app_usage/resent/last-days.parquet", again, _night(as_of))
    yield Delivery("app_usage/cut-short.parquet", again, _night(as_of), cut=0.7)
    typed = school.scores.astype({"score": float, "max_score": float})
    yield Delivery("scores/scores.parquet", typed, _night(as_of))


def as_events(school: School) -> Iterator[Delivery]:
    """Raw events in UTC from islands ten hours behind it, with classes and teachers."""
    as_of, rng = school.district.as_of, np.random.default_rng(11)
    events = _events(school, rng)
    for label, rows in _by_period(events, "day"):
        # an afternoon on the islands is the next day in UTC
        at = _night(rows.day.max() + timedelta(days=1))
        yield Delivery(f"events/events-{label}.csv.gz", rows.drop(columns="day"), at)
    # a daily total wins over the events of its key
    totals = school.usage.tail(5).assign(usage_minutes=45.0)
    yield Delivery("app_usage/from-the-vendor.csv", totals, _night(as_of))
    half = len(school.scores) // 2
    first, rest = school.scores.head(half), school.scores.iloc[half:]
    yield Delivery("scores/part-1.csv", first, _night(as_of))
    typed = rest.astype({"score": float, "max_score": float})
    yield Delivery("scores/part-2.parquet", typed, _night(as_of))
    yield Delivery("enrollments/enrollments.csv", _enrollments(school), _night(as_of))


def _events(school: School, rng: np.random.Generator) -> pd.DataFrame:
    usage, zone = school.usage, ZoneInfo(school.district.time_zone)
    start = rng.integers(8 * 3600, 15 * 3600, len(usage))
    offset = datetime(2026, 1, 1, tzinfo=zone).utcoffset()  # no daylight saving there
    midnight = pd.to_datetime(usage.usage_date) - offset
    at = midnight + pd.to_timedelta(start, unit="s")
    seconds = (usage.usage_minutes * 60).round().astype(int).astype(str)
    events = pd.DataFrame(
        {
            "event_id": [f"e{number:07d}" for number in range(len(usage))],
            "student_id": usage.student_id,
            "app_id": usage.app_id,
            "occurred_at": at.dt.strftime("%Y-%m-%dT%H:%M:%SZ"),
            # one source in four does not measure how long an event lasts
            "duration_seconds": seconds.where(rng.random(len(usage)) < 0.75, ""),
            "day": usage.usage_date,
        }
    )
    repeated = events.iloc[rng.permutation(len(events))[:200]]
    return pd.concat([events, repeated], ignore_index=True)


def _enrollments(school: School) -> pd.DataFrame:
    opening = year_start(school.district)
    rows = [
        (student, "student", f"class-{n % 9}", f"{1 + n % 3:03d}")
        for n, student in enumerate(school.students)
    ]
    rows += [
        (f"t{n:03d}", "teacher", f"class-{n}", f"{1 + n % 3:03d}") for n in range(9)
    ]
    rows += [("m001", "manager", "", "")]
    frame = pd.DataFrame(rows, columns=["user_id", "role", "class_id", "school_id"])
    return frame.assign(begin_date=opening, end_date=opening.replace(opening.year + 1))
