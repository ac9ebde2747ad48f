"""INTERFACE sections 2 and 4 in plain Python: what the daily pull must come to.

Written from that page alone, with exact decimals and no SQL, so that a mistake would
have to be made twice. It takes every row delivered, in whatever order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from zoneinfo import ZoneInfo

MICRO = Decimal("0.000001")


@dataclass(frozen=True)
class Delivered:
    """A file as it arrived: rows are dicts of text, None where empty."""

    path: str
    modified_at: datetime
    rows: tuple[dict, ...]

    @property
    def district_id(self) -> str:
        return self.path.split("/")[0]

    @property
    def table(self) -> str:
        return self.path.split("/")[1]


@dataclass
class Result:
    """The tables, each a sorted list of tuples as the warehouse would return them."""

    usage: list[tuple] = field(default_factory=list)
    scores: list[tuple] = field(default_factory=list)
    totals: list[tuple] = field(default_factory=list)
    students: list[tuple] = field(default_factory=list)


def half_up(number: Decimal) -> Decimal:
    return number.quantize(MICRO, ROUND_HALF_UP)


def utc(text: str) -> datetime:
    at = datetime.fromisoformat(text)
    return at.astimezone(UTC).replace(tzinfo=None) if at.tzinfo else at


def newest(rows: Iterable[tuple[tuple, tuple, dict]]) -> dict[tuple, dict]:
    """Return the newest row of each key, from (key, version, row)."""
    best: dict[tuple, tuple] = {}
    for key, version, row in rows:
        if key not in best or version > best[key][0]:
            best[key] = (version, row)
    return {key: row for key, (_, row) in best.items()}


def records(files: Iterable[Delivered], table: str) -> Iterable[tuple]:
    for file in files:
        if file.table == table:
            for number, row in enumerate(file.rows, start=1):
                at = (
                    utc(row["updated_at"])
                    if row.get("updated_at")
                    else file.modified_at
                )
                place = (file.modified_at, file.path.encode(), number)
                yield file.district_id, row, at, place


def is_deleted(row: dict) -> bool:
    return row.get("is_deleted") == "true"


def event_days(files: list[Delivered], zones: dict[str, str]) -> dict[tuple, tuple]:
    """Return {key of app_usage: (minutes, sessions, file time)} of all events."""
    events = newest(
        ((district, row["event_id"]), place, {**row, "file": place[0]})
        for district, row, _, place in records(files, "events")
    )
    by_student = defaultdict(list)
    for (district, event_id), row in events.items():
        by_student[district, row["student_id"]].append(
            (utc(row["occurred_at"]), event_id.encode(), row)
        )
    days: dict[tuple, list] = defaultdict(lambda: [Decimal(0), 0, datetime.min])
    for (district, student), some in by_student.items():
        some.sort(key=lambda event: event[:2])
        for index, (at, _, row) in enumerate(some):
            if row.get("duration_seconds"):
                seconds = Decimal(row["duration_seconds"])
            elif index + 1 == len(some):
                seconds = Decimal(60)
            else:
                pause = some[index + 1][0] - at
                seconds = min(
                    Decimal(pause / timedelta(microseconds=1)) * MICRO, Decimal(600)
                )
            day = at.replace(tzinfo=UTC).astimezone(ZoneInfo(zones[district])).date()
            total = days[district, student, row["app_id"], day]
            total[0] += seconds
            total[1] += 1
            total[2] = max(total[2], row["file"])
    return {
        key: (min(half_up(seconds / 60), Decimal(1440)), count, at)
        for key, (seconds, count, at) in days.items()
    }


def school_year_start(day: date, month_day: tuple[int, int]) -> date:
    start = day.replace(month=month_day[0], day=month_day[1])
    return start if start <= day else start.replace(year=day.year - 1)


def expected(
    files: list[Delivered],
    zones: dict[str, str],
    as_of: date,
    month_day: tuple[int, int] = (8, 1),
    bands: tuple[tuple[str, int], ...] = (
        ("excellent", 88), ("satisfactory", 69), ("needs improvement", 55),
        ("unsatisfactory", 0),
    ),
) -> Result:  # fmt: skip
    """Return the tables after all files have been delivered."""
    usage = newest(
        (
            (
                district,
                row["student_id"],
                row["app_id"],
                date.fromisoformat(row["usage_date"]),
            ),
            (at, *place),
            {**row, "at": at},
        )
        for district, row, at, place in records(files, "app_usage")
    )
    days = {
        key: value
        for key, value in event_days(files, zones).items()
        if key not in usage
    }
    for key, row in usage.items():
        if not is_deleted(row):
            minutes = half_up(Decimal(row["usage_minutes"]))
            days[key] = (minutes, int(row.get("session_count") or 0), row["at"])
    result = Result(usage=sorted((*key, *value) for key, value in days.items()))

    totals = defaultdict(list)
    for (district, student, app, day), (minutes, sessions, _) in days.items():
        if day <= as_of:
            key = (district, student, app, school_year_start(day, month_day))
            totals[key].append((day, minutes, sessions))
    for key, some in totals.items():
        used = [day for day, minutes, sessions in some if minutes or sessions]
        result.totals.append(
            (*key, sum(m for _, m, _ in some), sum(s for _, _, s in some), len(used),
             min(used, default=None), max(used, default=None))
        )  # fmt: skip
    result.totals.sort(key=lambda row: row[:4])

    scores = newest(
        (
            (district, row["student_id"], row["measure"], row.get("subject") or "all",
             row.get("app_id") or "", row.get("assessment_id") or "",
             date.fromisoformat(row["measured_on"])),
            (at, *place),
            {**row, "at": at},
        )
        for district, row, at, place in records(files, "scores")
    )  # fmt: skip
    by_student = defaultdict(list)
    for key, row in scores.items():
        if is_deleted(row):
            continue
        percent = half_up(
            100 * Decimal(row["score"]) / Decimal(row.get("max_score") or 100)
        )
        year = school_year_start(key[-1], month_day).year + 1
        result.scores.append((*key, year, percent, row["at"]))
        if key[-1] <= as_of:
            by_student[key[:2]].append((key[2], key[-1], year, percent))
    result.scores.sort()

    rosters: dict[str, Delivered] = {}
    for file in files:
        kept = rosters.get(file.district_id)
        if file.table == "students" and (
            kept is None
            or (file.modified_at, file.path.encode())
            > (kept.modified_at, kept.path.encode())
        ):
            rosters[file.district_id] = file
    roster = {
        (district, row["student_id"]): (row.get("school_id"), row.get("grade_level"))
        for district, file in rosters.items()
        for row in file.rows
    }

    year_start = school_year_start(as_of, month_day)
    current = defaultdict(list)
    for district, student, app, start, minutes, _, used, first, last in result.totals:
        if start == year_start and used:
            current[district, student].append((app, minutes, first, last))
    for student in sorted(
        {*roster, *by_student, *((row[0], row[1]) for row in result.totals)}
    ):
        type_, score, on = type_and_score(by_student[student], year_start)
        band = next(
            (name for name, bound in bands if score is not None and score >= bound),
            None,
        )
        apps = current[student]
        result.students.append(
            (*student, *roster.get(student, (None, None)), type_, score, on, band,
             sum((app[1] for app in apps), Decimal(0)), len(apps),
             min((app[2] for app in apps), default=None),
             max((app[3] for app in apps), default=None))
        )  # fmt: skip
    return result


def type_and_score(
    scores: list[tuple], year_start: date
) -> tuple[int | None, Decimal | None, date | None]:
    """Return type, score on the basis ``latest``, and its date."""
    for type_, measure in enumerate(  # noqa: B007
        ("assessment", "forecast", "average"), start=1
    ):
        some = [s for s in scores if s[0] == measure and s[1] >= year_start]
        if some:
            break
    else:
        type_ = 4
        some = [s for s in scores if s[0] == "average" and s[1] < year_start]
        if not some:
            return None, None, None
        latest_year = max(s[2] for s in some)
        some = [s for s in some if s[2] == latest_year]
    on = max(s[1] for s in some)
    last = [s[3] for s in some if s[1] == on]
    return type_, half_up(sum(last) / len(last)), on
