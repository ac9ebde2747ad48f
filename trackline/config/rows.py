"""One class per seed: its columns in order, its key, what an empty cell stands for."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from trackline.config import cells
from trackline.config.vocabulary import (
    CAPABILITIES,
    INDICATORS,
    INTERVAL_KINDS,
    PROCESSORS,
    ROLES,
    SETTINGS,
    SITE_INFORMATION,
    TARGETS,
)

__all__ = [
    "SEEDS",
    "AnalysisInterval",
    "AnalyticsSetting",
    "App",
    "Band",
    "District",
    "PredictionModel",
    "RoleAssignment",
    "RoleCapability",
    "Row",
]

DAYS = ("0", "35", "60", "90", "120", "150", "180", "365", "1000")
SWITCH = ("0", "1")


class Row(BaseModel):
    """A row of a seed; `line` is where its record begins in the file (header: 1)."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    FILE: ClassVar[str]
    KEY: ClassVar[tuple[str, ...]]

    line: int = Field(default=0, exclude=True)

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """Return the seed's columns, in the order of its header."""
        return tuple(name for name in cls.model_fields if name != "line")

    @property
    def key(self) -> tuple[object, ...]:
        """What may stand once only in the seed."""
        return tuple(getattr(self, column) for column in self.KEY)


def _site_information(setting: str) -> Any:
    """Return the type of what a site says of itself: words, separated by blanks."""
    return cells.each_of("bad_value", SITE_INFORMATION[setting].__contains__, "word")


class District(Row):
    """A district and the rules by which its numbers are made."""

    FILE = "districts.csv"
    KEY = ("district_id",)

    district_id: cells.DistrictId
    district_name: str
    nces_lea_id: str = ""
    time_zone: cells.TimeZone
    school_year_start: cells.MonthDay
    as_of: cells.IsoDate | None = None
    grace_days: cells.whole(0, 180) = 0
    score_basis: cells.one_of("latest", "mean") = "latest"
    top_n: cells.whole(1, 100) = 5
    # 28 days hold 40,320 minutes
    used_minutes: cells.number(0, 40320) = Decimal(30)
    hold_rejected_rows: cells.number(0, 100) = Decimal(5)
    hold_usage_drop: cells.number(0, 100) = Decimal(50)
    enabled: cells.Boolean = True
    instruction_mode: _site_information("modeinstruction") = ()
    percent_online: cells.whole(0, 100) | None = None
    institution_type: _site_information("typeinstitution") = ()
    institution_level: _site_information("levelinstitution") = ()


class App(Row):
    """An application that a district has selected."""

    FILE = "district_apps.csv"
    KEY = ("district_id", "app_id")

    district_id: cells.DistrictId
    app_id: cells.AppId
    app_name: str
    subject: str = "all"
    recommendable: cells.Boolean = True
    weekly_minutes_goal: cells.number(0, 10080) | None = None
    seats: cells.whole(0, 100_000_000) | None = None
    annual_cost: cells.number(0, 1_000_000_000) | None = None


class Band(Row):
    """A performance band: from its lower bound to the next one's, half open."""

    FILE = "score_bands.csv"
    KEY = ("district_id", "performance")

    district_id: cells.Site
    performance: str
    lower_bound: cells.number(0, 100)


class AnalysisInterval(Row):
    """A way to cut a course into ranges of time."""

    FILE = "analysis_intervals.csv"
    KEY = ("district_id", "analysis_interval")

    district_id: cells.Site
    analysis_interval: str
    label: str
    kind: cells.one_of(*INTERVAL_KINDS)
    parts: cells.whole(2, 100) | None = None
    days: cells.whole(1, 366) | None = None
    months: cells.whole(1, 24) | None = None

    @model_validator(mode="after")
    def _one_measure(self) -> Self:
        given = [c for c in ("parts", "days", "months") if getattr(self, c) is not None]
        allowed = INTERVAL_KINDS[self.kind]
        if len(given) != bool(allowed) or not set(given) <= set(allowed):
            wanted = f"exactly one of {', '.join(allowed)}" if allowed else "no measure"
            raise cells.broken(
                "interval_measure", f"an interval of kind {self.kind} has {wanted}"
            )
        return self


class PredictionModel(Row):
    """A prediction model: a target, the indicators that foretell it, when to ask."""

    FILE = "prediction_models.csv"
    KEY = ("district_id", "model_id")

    district_id: cells.Site
    model_id: cells.ModelId
    target: cells.one_of(*TARGETS, rule="unknown_target")
    indicators: cells.each_of("unknown_indicator", INDICATORS.__contains__, "indicator")
    analysis_interval: str = ""
    predictions_processor: cells.one_of(*PROCESSORS, rule="unknown_processor") = ""
    enabled: cells.Boolean = True
    contexts: cells.each_of("bad_context", str.isdecimal, "context (a number)") = ()

    @model_validator(mode="after")
    def _when(self) -> Self:
        if self.enabled and not self.analysis_interval:
            raise cells.broken(
                "missing_value", "an enabled model needs an analysis_interval"
            )
        return self


class RoleCapability(Row):
    """What the holders of a role may do."""

    FILE = "role_capabilities.csv"
    KEY = ("district_id", "role", "capability")

    district_id: cells.Site
    role: cells.one_of(*ROLES, rule="unknown_role")
    capability: cells.one_of(*CAPABILITIES, rule="unknown_capability")


class RoleAssignment(Row):
    """Who holds a role, and where; an empty context is the whole site."""

    FILE = "role_assignments.csv"
    KEY = ("district_id", "user_id", "role", "context_id")

    district_id: cells.Site
    user_id: Annotated[str, Field(max_length=64)]
    role: cells.one_of(*ROLES, rule="unknown_role")
    context_id: cells.whole(1, 10**18 - 1) | None = None


class AnalyticsSetting(Row):
    """A setting of Moodle's analytics pages."""

    FILE = "analytics_settings.csv"
    KEY = ("district_id", "name")

    district_id: cells.Site
    name: cells.one_of(*SETTINGS, rule="unknown_setting")
    value: str = ""

    @model_validator(mode="after")
    def _known_value(self) -> Self:
        allowed = {
            "enableanalytics": SWITCH,
            "onlycli": SWITCH,
            "useserver": ("", *SWITCH),
            "secure": ("", *SWITCH),
            "predictionsprocessor": PROCESSORS,
            "logstore": ("", "standard", "legacy"),
            "calclifetime": DAYS,
        }.get(self.name)
        if allowed and self.value not in allowed:
            choices = ", ".join(choice or "(empty)" for choice in allowed)
            raise cells.broken("bad_value", f"{self.name} is one of {choices}")
        words = SITE_INFORMATION.get(self.name, self.value.split())
        unknown = [word for word in self.value.split() if word not in words]
        if unknown:
            raise cells.broken(
                "bad_value",
                f"{self.name}: {', '.join(map(repr, unknown))}: no such word",
            )
        whole = {
            "modeltimelimit": (1, 86400),
            "port": (1, 65535),
            "percentonline": (0, 100),
        }.get(self.name)
        optional = self.name != "modeltimelimit" and not self.value
        if whole and not optional:
            low, high = whole
            digits = self.value.isascii() and self.value.isdecimal()
            if not digits or not low <= int(self.value) <= high:
                raise cells.broken(
                    "out_of_range", f"{self.name} is a whole number, {low} to {high}"
                )
        if self.name == "password" and self.value:
            raise cells.broken(
                "secret_in_seed",
                "no password belongs into a seed: set TRACKLINE_SERVER_PASSWORD",
            )
        return self


SEEDS: tuple[type[Row], ...] = (
    District,
    App,
    Band,
    AnalysisInterval,
    PredictionModel,
    RoleCapability,
    RoleAssignment,
    AnalyticsSetting,
)
"""Every seed, in the order in which its problems are reported."""
