"""An invented school year: students, their use of the applications, their scores.

Each student belongs to one of four circles of habits, so that applications are used
together and recommendations mean something; scores rise with the time spent on a few of
the applications, so that an effect is there to be found.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pandas as pd

from trackline.config.rows import District

__all__ = ["School", "invent", "year_start"]

HOLIDAYS = (("11-24", "11-28"), ("12-22", "01-02"), ("02-16", "02-20"))
TYPE_SHARES = {1: 0.70, 2: 0.10, 3: 0.08, 4: 0.07, None: 0.05}


@dataclass(frozen=True)
class School:
    """One demo district's invented year.

    Attributes
    ----------
    district : District
        Its configuration.
    students : array of str, shape (n_students,)
        Ids, with leading zeros.
    types : list of int or None, length n_students
        The type that each student's scores lead to.
    usage : DataFrame
        student_id, app_id, usage_date, usage_minutes, session_count; one row per key.
    scores : DataFrame
        The columns of the scores table, percents and raw points mixed.
    """

    district: District
    students: np.ndarray
    types: list[int | None]
    usage: pd.DataFrame
    scores: pd.DataFrame


def invent(
    district: District, apps: list[str], size: int, rng: np.random.Generator
) -> School:
    """Draw a district's year up to its as_of."""
    students = np.array([f"{number:06d}" for number in range(417, 417 + 7 * size, 7)])
    kinds = list(TYPE_SHARES)
    types = [kinds[k] for k in rng.choice(len(kinds), size, p=[*TYPE_SHARES.values()])]
    ability = rng.normal(0, 1, size)
    usage = _usage(students, apps, _term_days(district), rng)
    scores = _scores(district, students, types, ability, usage, apps, rng)
    return School(district, students, types, usage, scores)


def year_start(district: District) -> date:
    """Return the first day of the school year in which the district's as_of lies."""
    month, day = map(int, district.school_year_start.split("-"))
    start = date(district.as_of.year, month, day)
    return start if start <= district.as_of else start.replace(year=start.year - 1)


def _term_days(district: District) -> list[date]:
    start = year_start(district)
    # the last fortnight of the year before: it must not count in this one
    days = [start - timedelta(days=90 - d) for d in range(14)]
    days += [
        start + timedelta(days=d) for d in range((district.as_of - start).days + 1)
    ]

    def holiday(day: date) -> bool:
        at = f"{day:%m-%d}"
        return any(
            first <= at <= last if first <= last else at >= first or at <= last
            for first, last in HOLIDAYS
        )

    return [day for day in days if day.weekday() < 5 and not holiday(day)]


def _usage(
    students: np.ndarray, apps: list[str], days: list[date], rng: np.random.Generator
) -> pd.DataFrame:
    n, k, t = len(students), len(apps), len(days)
    popularity = 0.5 / (1 + np.arange(k)) ** 0.5
    circle = rng.integers(0, 4, n)
    # a circle's favourites are every fourth application; they are used 5 times as often
    favourite = (np.arange(k)[None, :] + circle[:, None]) % 4 == 0
    appetite = popularity * np.where(favourite, 1.0, 0.2)
    appetite *= rng.random((n, k)) < np.where(favourite, 0.9, 0.45)
    diligence = rng.beta(4, 3, n)
    first_day = np.where(rng.random((n, k)) < 0.7, 0, rng.integers(0, t, (n, k)))
    chance = appetite * diligence[:, None]
    used = rng.random((n, t, k)) < chance[:, None, :]
    used &= np.arange(t)[None, :, None] >= first_day[:, None, :]
    who, when, what = np.nonzero(used)
    minutes = np.clip(rng.gamma(2.0, 9.0, len(who)), 0.25, 180).round(2)
    return pd.DataFrame(
        {
            "student_id": students[who],
            "app_id": np.array(apps, dtype=object)[what],
            "usage_date": np.array(days, dtype="datetime64[D]")[when].astype(object),
            "usage_minutes": minutes,
            "session_count": 1 + rng.poisson(0.4, len(who)),
        }
    )


def _scores(
    district: District,
    students: np.ndarray,
    types: list[int | None],
    ability: np.ndarray,
    usage: pd.DataFrame,
    apps: list[str],
    rng: np.random.Generator,
) -> pd.DataFrame:
    start, as_of = year_start(district), district.as_of
    helpful = usage[usage.app_id.isin(apps[0:6:3])]
    minutes = (
        helpful.groupby("student_id").usage_minutes.sum().reindex(students).fillna(0)
    )
    length = (as_of - start).days
    rows = []

    def percent(student: int, progress: float) -> int:
        gain = 5 * np.log1p(minutes.iloc[student] / 60) * progress
        return int(
            np.clip(62 + 13 * ability[student] + gain + rng.normal(0, 4), 0, 100)
        )

    def add(
        student: int, measure: str, share: float, day: date, **more: object
    ) -> None:
        row = {"student_id": students[student], "measure": measure, "max_score": 100}
        row |= {"score": percent(student, share), "measured_on": day}
        row |= {"app_id": "", "assessment_id": "", "subject": "all"} | more
        if row["assessment_id"].startswith("quiz"):  # raw points of 40
            row |= {"score": round(row["score"] * 0.4, 1), "max_score": 40}
        rows.append(row)

    for student, kind in enumerate(types):
        if kind == 1:
            for window, share in (("fall", 0.15), ("winter", 0.5), ("spring", 0.9)):
                if window != "fall" and rng.random() < 0.1:
                    continue
                day = start + timedelta(days=int(length * share + rng.integers(0, 9)))
                for subject, app in (("math", apps[0]), ("reading", apps[3])):
                    taken_on = app if rng.random() < 0.6 else ""
                    name = f"quiz-{window}" if subject == "reading" else window
                    more = {"app_id": taken_on, "assessment_id": name}
                    add(student, "assessment", share, day, subject=subject, **more)
        if kind == 2 or (kind == 1 and rng.random() < 0.3):
            add(student, "forecast", 0.6, start + timedelta(days=int(length * 0.6)))
        if kind == 3 or (kind in (1, 2) and rng.random() < 0.3):
            add(student, "average", 0.8, start + timedelta(days=int(length * 0.8)))
        if kind in (1, 2, 3, 4):
            add(student, "average", 0.0, start - timedelta(days=70))
    return pd.DataFrame(rows)
