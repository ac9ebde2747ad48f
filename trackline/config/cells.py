"""What one cell of a seed may hold: the types that the seeds' rows are made of.

Each type names the rule a wrong cell breaks; pydantic carries that name to the
problem that is reported. Numbers are ASCII digits only: Python's own int() takes
full-width digits and underscores, which no warehouse does.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator
from pydantic_core import PydanticCustomError

__all__ = [
    "DISTRICT_ID",
    "EVERY_SITE",
    "AppId",
    "Boolean",
    "DistrictId",
    "IsoDate",
    "ModelId",
    "MonthDay",
    "Names",
    "Site",
    "TimeZone",
    "broken",
    "number",
    "one_of",
    "whole",
]

FRAME_COLUMNS = ("student_id", "type", "performance", "score", "measured_on")
"""The fixed columns of a frame: no application may be named so."""

EVERY_SITE = "*"

DISTRICT_ID = re.compile(r"[a-z0-9][a-z0-9_]{0,31}")
"""What may become part of a path and of a relation's name."""


def broken(rule: str, message: str) -> PydanticCustomError:
    """Make the error of a cell that breaks `rule`; `message` is one plain sentence."""
    # braces would be read as placeholders of pydantic's own template
    return PydanticCustomError(rule, "{text}", {"text": message})


def _district_id(value: str) -> str:
    if not DISTRICT_ID.fullmatch(value):
        raise broken(
            "bad_district_id",
            f"{value!r} is no district id: 1 to 32 of a-z, 0-9 and _, no _ in front",
        )
    return value


def _site(value: str) -> str:
    return value if value == EVERY_SITE else _district_id(value)


def _app_id(value: str) -> str:
    if len(value) > 64:
        raise broken("bad_app_id", "an app_id has at most 64 characters")
    if value.casefold() in FRAME_COLUMNS:
        raise broken(
            "reserved_app_id", f"{value!r} is the name of a fixed column of every frame"
        )
    return value


def _model_id(value: str) -> str:
    # a folder's name, beside the one of what users have been told
    if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,63}", value) or value == "told":
        raise broken(
            "bad_model_id",
            f"{value!r} is no model id: 1 to 64 of a-z, A-Z, 0-9, _, - and ., no . in"
            " front, not 'told'",
        )
    return value


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        if value.lower() not in ("true", "false"):
            raise broken("bad_boolean", f"{value!r} is neither true nor false")
        return value.lower() == "true"
    return value


@cache
def _time_zones() -> frozenset[str]:
    # "localtime" and "Factory" are files of the zone database, not places
    return frozenset(available_timezones() - {"localtime", "Factory"})


def _time_zone(value: str) -> str:
    if value not in _time_zones():
        raise broken(
            "unknown_time_zone",
            f"{value!r} is no IANA time zone such as America/Chicago",
        )
    return value


def _month_day(value: str) -> str:
    try:
        # 2001 is no leap year, so 02-29 is refused: most years do not have it
        if not re.fullmatch(r"[0-9]{2}-[0-9]{2}", value):
            raise ValueError
        date.fromisoformat(f"2001-{value}")
    except ValueError:
        raise broken(
            "bad_month_day", f"{value!r} is no MM-DD that every year has, such as 08-01"
        ) from None
    return value


def _iso_date(value: Any) -> Any:
    if isinstance(value, str):
        try:
            if not re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", value):
                raise ValueError
            return date.fromisoformat(value)
        except ValueError:
            raise broken(
                "bad_date", f"{value!r} is no ISO date such as 2026-01-31"
            ) from None
    return value


def _names(value: Any) -> Any:
    return tuple(value.split()) if isinstance(value, str) else value


def whole(low: int, high: int) -> Any:
    """Return the type of a whole number from `low` to `high`."""

    def parse(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise broken("bad_number", f"{value!r} is no whole number")
        if not low <= int(value) <= high:
            raise broken("out_of_range", f"{value} is not from {low} to {high}")
        return int(value)

    return Annotated[int, BeforeValidator(parse)]


def number(low: int, high: int) -> Any:
    """Return the type of an exact number from `low` to `high`, 6 decimals at most."""

    def parse(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if not re.fullmatch(r"-?[0-9]{1,18}(\.[0-9]{1,6})?", value):
            raise broken(
                "bad_number", f"{value!r} is no number with at most 6 decimals"
            )
        if not low <= Decimal(value) <= high:
            raise broken("out_of_range", f"{value} is not from {low} to {high}")
        return Decimal(value)

    return Annotated[Decimal, BeforeValidator(parse)]


def one_of(*allowed: str, rule: str = "bad_value") -> Any:
    """Return the type of a word that is one of `allowed`."""

    def parse(value: str) -> str:
        if value not in allowed:
            raise broken(rule, f"{value!r} is none of {', '.join(allowed)}")
        return value

    return Annotated[str, AfterValidator(parse)]


def each_of(rule: str, allowed: Callable[[str], bool], noun: str) -> Any:
    """Return the type of a blank-separated list whose words `allowed` knows."""

    def parse(value: tuple[str, ...]) -> tuple[str, ...]:
        unknown = [name for name in value if not allowed(name)]
        if unknown:
            raise broken(rule, f"{', '.join(map(repr, unknown))}: no such {noun}")
        twice = sorted({name for name in value if value.count(name) > 1})
        if twice:
            raise broken("duplicate_name", f"{', '.join(twice)} stands twice")
        return value

    return Annotated[Names, AfterValidator(parse)]


DistrictId = Annotated[str, AfterValidator(_district_id)]
Site = Annotated[str, AfterValidator(_site)]
AppId = Annotated[str, AfterValidator(_app_id)]
ModelId = Annotated[str, AfterValidator(_model_id)]
Boolean = Annotated[bool, BeforeValidator(_boolean)]
TimeZone = Annotated[str, AfterValidator(_time_zone)]
MonthDay = Annotated[str, AfterValidator(_month_day)]
IsoDate = Annotated[date, BeforeValidator(_iso_date)]
Names = Annotated[tuple[str, ...], BeforeValidator(_names)]
