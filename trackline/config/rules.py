"""The rules that look at more than one row."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from trackline.config.cells import EVERY_SITE
from trackline.config.problem import Problem
from trackline.config.reading import Seed
from trackline.config.rows import (
    AnalysisInterval,
    AnalyticsSetting,
    App,
    Band,
    District,
    PredictionModel,
    Row,
)
from trackline.config.vocabulary import TARGETS

__all__ = ["cross_check"]

Seeds = dict[type[Row], Seed]


def cross_check(seeds: Seeds) -> list[Problem]:
    """Find what is wrong between rows and between seeds.

    References look at the cells as written: a row that is wrong elsewhere still counts
    as there, so that one mistake is told once.
    """
    problems: list[Problem] = []
    for rule in (
        _duplicates,
        _unknown_districts,
        _apps_by_case,
        _bands,
        _models,
        _evaluation_intervals,
    ):
        problems += rule(seeds)
    return problems


def _duplicates(seeds: Seeds) -> Iterator[Problem]:
    for row_type, seed in seeds.items():
        first: dict[tuple[str, ...], int] = {}
        for line, cells in seed.cells:
            key = tuple(cells[column] for column in row_type.KEY)
            if key in first:
                # named without their values: one may be a user's id
                named = ", ".join(row_type.KEY)
                message = f"its {named} stand in row {first[key]} already"
                yield Problem(row_type.FILE, line, "duplicate_row", message)
            first.setdefault(key, line)


def _unknown_districts(seeds: Seeds) -> Iterator[Problem]:
    if not _was_read(seeds[District]):
        return
    known = {cells["district_id"] for _, cells in seeds[District].cells}
    for row_type, seed in seeds.items():
        for row in seed.rows:
            if row.district_id not in (known | {EVERY_SITE}):
                message = f"no row of districts.csv has district_id {row.district_id!r}"
                yield Problem(row_type.FILE, row.line, "unknown_district", message)


def _apps_by_case(seeds: Seeds) -> Iterator[Problem]:
    first: dict[tuple[str, str], App] = {}
    for app in seeds[App].rows:
        before = first.setdefault((app.district_id, app.app_id.casefold()), app)
        if before.app_id != app.app_id:
            message = (
                f"app_id {app.app_id!r} differs from {before.app_id!r} of row "
                f"{before.line} only in upper and lower case"
            )
            yield Problem(App.FILE, app.line, "app_ids_differ_only_in_case", message)


def _bands(seeds: Seeds) -> Iterator[Problem]:
    seed = seeds[Band]
    if not _was_read(seed):
        return
    groups: dict[str, list[Band]] = defaultdict(list)
    for band in seed.rows:
        groups[band.district_id].append(band)
    written = {cells["district_id"] for _, cells in seed.cells}
    right = {band.line for band in seed.rows}
    # the row that is wrong may be the one that begins at 0
    doubtful = {c["district_id"] for line, c in seed.cells if line not in right}
    for district_id, bands in groups.items():
        first: dict[object, Band] = {}
        for band in bands:
            before = first.setdefault(band.lower_bound, band)
            if before is not band:
                message = f"row {before.line} begins at {band.lower_bound} too"
                yield Problem(Band.FILE, band.line, "duplicate_bound", message)
        if 0 not in first and district_id not in doubtful:
            message = f"no band of {district_id!r} begins at 0, so low scores have none"
            yield Problem(Band.FILE, bands[0].line, "missing_zero_bound", message)
    if EVERY_SITE in written:
        return
    for line, cells in seeds[District].cells:
        if cells["district_id"] not in written:
            message = (
                f"{cells['district_id']!r} has no rows in {Band.FILE}, which has no "
                f"rows of '*' either"
            )
            yield Problem(District.FILE, line, "missing_bands", message)


def _models(seeds: Seeds) -> Iterator[Problem]:
    if not _was_read(seeds[AnalysisInterval]):
        return
    kinds = _interval_kinds(seeds)
    for model in seeds[PredictionModel].rows:
        name = model.analysis_interval
        if not name:
            continue
        kind = _of_site(kinds, model.district_id, name)
        if kind is None:
            rule, message = "unknown_interval", f"no analysis interval {name!r}"
        elif kind and kind not in TARGETS[model.target]:
            rule = "interval_not_for_target"
            message = f"{model.target} cannot be judged by an interval of kind {kind}"
        else:
            continue
        yield Problem(PredictionModel.FILE, model.line, rule, message)


def _evaluation_intervals(seeds: Seeds) -> Iterator[Problem]:
    if not _was_read(seeds[AnalysisInterval]):
        return
    kinds = _interval_kinds(seeds)
    for setting in seeds[AnalyticsSetting].rows:
        if setting.name != "defaulttimesplittingsevaluation":
            continue
        for name in setting.value.split():
            kind = _of_site(kinds, setting.district_id, name)
            if kind is None:
                rule, message = "unknown_interval", f"no analysis interval {name!r}"
            elif kind == "upcoming":
                rule = "interval_not_for_evaluation"
                message = f"{name} looks into the future, so nothing can be evaluated"
            else:
                continue
            yield Problem(AnalyticsSetting.FILE, setting.line, rule, message)


def _interval_kinds(seeds: Seeds) -> dict[tuple[str, str], str]:
    """Site and interval -> its kind; '' where the row itself is wrong."""
    seed = seeds[AnalysisInterval]
    kinds = {(c["district_id"], c["analysis_interval"]): "" for _, c in seed.cells}
    return kinds | {(r.district_id, r.analysis_interval): r.kind for r in seed.rows}


def _of_site(
    kinds: dict[tuple[str, str], str], district_id: str, name: str
) -> str | None:
    return kinds.get((district_id, name), kinds.get((EVERY_SITE, name)))


def _was_read(seed: Seed) -> bool:
    """Whether rows are absent because there are none, not because the file is wrong."""
    return bool(seed.cells) or not seed.problems
