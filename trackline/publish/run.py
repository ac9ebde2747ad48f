"""Publish every district that may be: the story from warehouse to current.json."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any, Literal

import duckdb

from trackline.publish import holds
from trackline.publish.candidate import (
    OPTIONAL,
    SCHEMA_VERSION,
    TABLES,
    Candidate,
    copy_district,
)
from trackline.publish.exports import export_tables
from trackline.publish.versions import (
    DistrictFolder,
    Manifest,
    district_folders,
    publisher_lock,
)
from trackline.publish.warehouse import (
    PATIENCE_SECONDS,
    District,
    connect,
    read_districts,
    relations,
    require_district_id,
    usage_rows_per_day,
)
from trackline.settings import RefusedError, Settings

__all__ = [
    "Outcome",
    "PublishReport",
    "choose",
    "failed",
    "publish",
    "publish_district",
    "require_built",
]

State = Literal["published", "unchanged", "held", "failed", "disabled"]
Progress = Callable[[int, int, str], None]


@dataclass(frozen=True)
class Outcome:
    """What became of one district."""

    district_id: str
    state: State
    version: str | None = None
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class PublishReport:
    """What became of all districts, and which reports the warehouse does not have."""

    outcomes: list[Outcome] = field(default_factory=list)
    not_built: list[str] = field(default_factory=list)

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: exit code 1."""
        return any(outcome.findings for outcome in self.outcomes)


def publish(
    settings: Settings,
    districts: Collection[str] | None = None,
    approve: Collection[str] | None = None,
    progress: Progress = lambda done, total, text: None,
) -> PublishReport:
    """Write the serving files of the districts whose data changed.

    Parameters
    ----------
    settings : Settings
        Where the warehouse and the serve folder are.
    districts : collection of str, optional
        Only these, and those of `approve`; without either every enabled one.
    approve : collection of str, optional
        Held districts whose held data, and no later, is released.
    progress : callable
        Called with districts done, districts in all and what is being done.

    Returns
    -------
    PublishReport
        One outcome per district. A district that fails does not stop the others.

    Raises
    ------
    RefusedError
        If the warehouse is missing, held or not built, if another publisher is at
        work, if a named district is unknown or disabled, or if one to approve is not
        held.
    """
    approve = set(approve or ())
    if approve:
        districts = approve | set(districts or ())
    try:
        with publisher_lock(settings.serve):
            for folder in district_folders(settings.serve):
                folder.sweep()
            approved = {name: _held_fingerprint(settings, name) for name in approve}
            return _publish_all(settings, districts, approved, progress)
    except (duckdb.Error, OSError) as error:
        raise RefusedError(f"nothing more can be published: {_plain(error)}") from None


def _publish_all(
    settings: Settings,
    districts: Collection[str] | None,
    approved: Mapping[str, str],
    progress: Progress,
) -> PublishReport:
    if settings.target == "spark":
        from trackline.cluster.publishing import publish_all

        return publish_all(settings, districts, approved, progress)
    con = connect(settings.warehouse, waiting=lambda text: progress(0, 1, text))
    try:
        known = relations(con)
        require_built(known)
        chosen = choose(read_districts(con), districts)
        progress(0, len(chosen), "counting usage rows")
        usage = usage_rows_per_day(con, [d.district_id for d in chosen if d.is_enabled])
        patience = PATIENCE_SECONDS
        report = PublishReport(
            not_built=sorted(n for n in OPTIONAL if ("main", n) not in known)
        )
        for done, district in enumerate(chosen):
            name = district.district_id
            progress(done, len(chosen), name)
            if not district.is_enabled:
                report.outcomes.append(Outcome(name, "disabled"))
                continue
            try:
                con = con or connect(settings.warehouse, patience)
                outcome = publish_district(
                    con, settings, district, known, usage[name], approved.get(name)
                )
            except (duckdb.Error, OSError, RefusedError) as error:
                outcome = failed(name, error)
                # the failed file is still attached, and DuckDB may have given it up
                if con:
                    con.close()
                else:
                    # it was waited for once
                    patience = 0.0
                con = None
            with suppress(OSError, RefusedError):
                DistrictFolder(settings.serve, name).sweep()
            report.outcomes.append(outcome)
        progress(len(chosen), len(chosen), "")
        return report
    finally:
        if con:
            con.close()


def failed(district_id: str, error: Exception) -> Outcome:
    """Return the outcome of a district that an error stopped."""
    return Outcome(district_id, "failed", findings=(_plain(error),))


def publish_district(
    con: duckdb.DuckDBPyConnection,
    settings: Settings,
    district: District,
    known: set[tuple[str, str]],
    usage: Mapping[date, int],
    approved: str | None,
) -> Outcome:
    """Publish, hold or leave as it is one district of an open warehouse.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Has main and frames; the new version is attached to it.
    settings : Settings
    district : District
    known : set of (schema, name)
        What the warehouse has.
    usage : mapping of date to int
        Live rows of usage by day.
    approved : str or None
        The fingerprint of held data to release.
    """
    name = district.district_id
    folder = DistrictFolder(settings.serve, require_district_id(name))
    current, repaired = folder.recover()
    findings = (repaired,) if repaired else ()
    _require_no_table_lost(current, known)
    now = datetime.now(UTC)
    version = folder.next_version(now)
    database = folder.new_database(version)
    seen = folder.export(current["version"], "dq_files") if current else None
    candidate = copy_district(con, name, known, database, seen)

    if current and candidate.fingerprint == current["fingerprint"]:
        if current["as_of"] != district.as_of.isoformat():
            folder.announce(current | {"as_of": district.as_of.isoformat()})
        folder.release()
        return Outcome(name, "unchanged", current["version"], findings)

    reasons = _reasons(district, candidate, usage)
    if reasons and candidate.fingerprint != approved:
        _hold(folder, district, candidate, reasons, current, now)
        texts = tuple(reason["text"] for reason in reasons)
        if approved:
            texts += ("what was approved is no longer in the warehouse",)
        held_on = current["version"] if current else None
        return Outcome(name, "held", held_on, findings + texts)

    export_tables(database, folder.new_folder(version))
    about = {
        "schema_version": SCHEMA_VERSION,
        "district_id": name,
        "as_of": district.as_of.isoformat(),
        "published_at": now.isoformat(timespec="seconds"),
        "fingerprint": candidate.fingerprint,
        "row_counts": candidate.row_counts,
        "approved": reasons,
    }
    folder.commit(version, about)
    folder.release()
    return Outcome(name, "published", version, findings)


def _reasons(
    district: District, candidate: Candidate, usage: Mapping[date, int]
) -> list[dict[str, Any]]:
    found = (
        holds.rejected_rows(
            candidate.rows_read, candidate.rows_rejected, district.hold_rejected_rows
        ),
        holds.usage_drop(usage, district.as_of, district.hold_usage_drop),
    )
    return [reason for reason in found if reason]


def _hold(
    folder: DistrictFolder,
    district: District,
    candidate: Candidate,
    reasons: list[dict[str, Any]],
    current: Manifest | None,
    now: datetime,
) -> None:
    """Write held.json; data held before keeps the time since when it waits."""
    before = folder.held() or {}
    same = before.get("fingerprint") == candidate.fingerprint
    since = before.get("held_since") if same else None
    folder.hold(
        {
            "district_id": district.district_id,
            "held_since": since or now.isoformat(timespec="seconds"),
            "as_of": district.as_of.isoformat(),
            "current_version": current["version"] if current else None,
            "fingerprint": candidate.fingerprint,
            "row_counts": candidate.row_counts,
            "reasons": reasons,
        }
    )


def _held_fingerprint(settings: Settings, district_id: str) -> str:
    held = DistrictFolder(settings.serve, require_district_id(district_id)).held()
    if not held or not isinstance(held.get("fingerprint"), str):
        raise RefusedError(f"district {district_id} is not held: nothing to approve")
    return held["fingerprint"]


def choose(
    configured: Mapping[str, District], named: Collection[str] | None
) -> list[District]:
    """Return the districts of a run: all, or those that are named.

    Raises
    ------
    RefusedError
        If one of those is unknown or disabled.
    """
    if named is None:
        return list(configured.values())
    for name in sorted(named):
        if name not in configured:
            raise RefusedError(f"the warehouse knows no district {name!r}")
        if not configured[name].is_enabled:
            raise RefusedError(
                f"district {name} is disabled: its last publication stays as it is"
            )
    return [configured[name] for name in sorted(named)]


def require_built(known: set[tuple[str, str]]) -> None:
    """Raise RefusedError where a table that is published was never built."""
    needed = {"int_districts", "fct_daily_usage", *TABLES} - OPTIONAL
    missing = sorted(name for name in needed if ("main", name) not in known)
    if missing:
        raise RefusedError(
            f"the warehouse has no table {', '.join(missing)}: run a build first"
        )


def _require_no_table_lost(
    current: Manifest | None, known: set[tuple[str, str]]
) -> None:
    published = set(current["row_counts"]) & OPTIONAL if current else set()
    lost = sorted(name for name in published if ("main", name) not in known)
    if lost:
        raise RefusedError(
            f"the current version has {', '.join(lost)}, the warehouse does not"
        )


def _plain(error: Exception) -> str:
    """Say an error in one sentence without a stack or a query."""
    if isinstance(error, OSError):
        where = f" ({error.filename})" if error.filename else ""
        return f"{error.strerror or error}{where}"
    return str(error).splitlines()[0].rpartition("Original error: ")[2]
