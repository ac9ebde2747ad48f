"""The configuration as the rest of the product asks for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeVar

from trackline.config.cells import EVERY_SITE
from trackline.config.rows import (
    AnalysisInterval,
    AnalyticsSetting,
    App,
    Band,
    District,
    PredictionModel,
    RoleAssignment,
    RoleCapability,
    Row,
)
from trackline.config.vocabulary import SETTINGS

__all__ = ["Configuration", "for_site"]

AnyRow = TypeVar("AnyRow", bound=Row)


def for_site(rows: Iterable[AnyRow], district_id: str) -> tuple[AnyRow, ...]:
    """Return the rows that hold for a district: its own before those of every site."""
    rows = tuple(rows)
    own = [row for row in rows if row.district_id == district_id]
    replaced = {row.key[1:] for row in own}
    common = [
        row
        for row in rows
        if row.district_id == EVERY_SITE and row.key[1:] not in replaced
    ]
    return (*own, *common)


@dataclass(frozen=True)
class Configuration:
    """The rows of every seed, each in the order of its file."""

    districts: tuple[District, ...] = ()
    apps: tuple[App, ...] = ()
    bands: tuple[Band, ...] = ()
    intervals: tuple[AnalysisInterval, ...] = ()
    models: tuple[PredictionModel, ...] = ()
    capabilities: tuple[RoleCapability, ...] = ()
    assignments: tuple[RoleAssignment, ...] = ()
    settings: tuple[AnalyticsSetting, ...] = ()

    def district(self, district_id: str) -> District | None:
        """Return the district's row, or None when nobody configured it."""
        found = (row for row in self.districts if row.district_id == district_id)
        return next(found, None)

    def apps_of(self, district_id: str) -> tuple[App, ...]:
        """Return the district's selected applications."""
        return tuple(row for row in self.apps if row.district_id == district_id)

    def bands_of(self, district_id: str) -> tuple[Band, ...]:
        """Return the district's bands, its own or the common ones, highest first."""
        own = [row for row in self.bands if row.district_id == district_id]
        common = [row for row in self.bands if row.district_id == EVERY_SITE]
        return tuple(sorted(own or common, key=lambda band: -band.lower_bound))

    def setting(self, district_id: str, name: str) -> str:
        """Return a setting of learning analytics as it holds for the district."""
        named = (row for row in self.settings if row.name == name)
        found = next(iter(for_site(named, district_id)), None)
        return found.value if found else SETTINGS[name]
