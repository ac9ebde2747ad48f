"""`trackline status`: where each district stands after a build and a publish."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import duckdb

from trackline.publish.versions import district_folders
from trackline.publish.warehouse import connect, relations
from trackline.settings import RefusedError, Settings

__all__ = ["DistrictStatus", "Status", "read_status"]

# looking must not wait for a build: what is published is told meanwhile
PATIENCE_SECONDS = 1.0


@dataclass
class DistrictStatus:
    """One district; a value is None where nothing is known.

    Attributes
    ----------
    configuration : str
        enabled, disabled, gone (published once, no longer configured) or unknown
        (the warehouse could not be read).
    last_delivery_at, last_loaded_at : datetime or None
        The newest file's modification and when the newest load was (UTC).
    rows_read, rows_rejected : int or None
        Of the newest load.
    newest_usage_on : date or None
        The newest day with usage, up to as_of.
    days_late : int or None
        Days from it to as_of.
    held_since, held_reasons
        Why newer data waits; empty when nothing does.
    current_version, published_at, published_as_of
        What readers get; None before the first publication.
    last_model : str or None
        The newest model of the recommender, under TRACKLINE_MODELS.
    recommender : str or None
        What the recommender did in the last build, in one sentence.
    problem : str or None
        What is wrong with the published files.
    """

    district_id: str
    configuration: str = "unknown"
    as_of: date | None = None
    last_delivery_at: datetime | None = None
    last_loaded_at: datetime | None = None
    rows_read: int | None = None
    rows_rejected: int | None = None
    newest_usage_on: date | None = None
    days_late: int | None = None
    held_since: str | None = None
    held_reasons: tuple[str, ...] = ()
    current_version: str | None = None
    published_at: str | None = None
    published_as_of: str | None = None
    last_model: str | None = None
    recommender: str | None = None
    problem: str | None = None


@dataclass
class Status:
    """All districts, and what kept the warehouse from being read."""

    districts: list[DistrictStatus]
    warehouse: str | None = None

    @property
    def has_findings(self) -> bool:
        """Whether someone should look: exit code 1."""
        return any(d.held_reasons or d.problem for d in self.districts)


def read_status(settings: Settings) -> Status:
    """Gather where every district stands, opening the warehouse only to read.

    Raises
    ------
    RefusedError
        If there is neither a warehouse nor anything published.
    """
    found: dict[str, DistrictStatus] = {}
    warehouse = None
    try:
        found = {d.district_id: d for d in _from_warehouse(settings)}
    except RefusedError as error:
        warehouse = str(error)
    _add_published(settings, found, "unknown" if warehouse else "gone")
    if warehouse and not found:
        raise RefusedError(warehouse)
    _add_models(settings, found)
    return Status([found[name] for name in sorted(found)], warehouse)


def _open(settings: Settings) -> duckdb.DuckDBPyConnection:
    if settings.target != "spark":
        return connect(settings.warehouse, PATIENCE_SECONDS)
    from trackline.cluster.publishing import open_summary

    return open_summary()


def _from_warehouse(settings: Settings) -> list[DistrictStatus]:
    con = _open(settings)
    try:
        needed = {"int_districts", "dq_files", "fct_daily_usage"}
        missing = needed - {name for schema, name in relations(con) if schema == "main"}
        if missing:
            raise RefusedError(
                f"the warehouse {settings.warehouse} has no table "
                f"{', '.join(sorted(missing))}: run a build first"
            )
        rows = con.execute(
            """
            with
                loads as (
                    select
                        district_id,
                        max(modified_at) as last_delivery_at,
                        max(loaded_at) as last_loaded_at,
                    from main.dq_files
                    group by district_id
                ),
                newest_load as (
                    select
                        files.district_id,
                        sum(files.rows_read) as rows_read,
                        sum(files.rows_rejected) as rows_rejected,
                    from main.dq_files as files
                    inner join loads
                        on files.district_id = loads.district_id
                        and files.loaded_at = loads.last_loaded_at
                    group by files.district_id
                ),
                usage as (
                    select district_id, max(usage_date) as newest_usage_on
                    from main.fct_daily_usage
                    inner join main.int_districts using (district_id)
                    where usage_date <= as_of
                    group by district_id
                )

            select
                district_id,
                is_enabled,
                as_of,
                last_delivery_at,
                last_loaded_at,
                rows_read,
                rows_rejected,
                newest_usage_on,
            from main.int_districts
            left join loads using (district_id)
            left join newest_load using (district_id)
            left join usage using (district_id)
            order by district_id
            """
        ).fetchall()
    except duckdb.Error as error:
        raise RefusedError(
            f"the warehouse {settings.warehouse} cannot be read: "
            f"{str(error).splitlines()[0]}"
        ) from None
    finally:
        con.close()
    return [
        DistrictStatus(
            district_id=name,
            configuration="enabled" if is_enabled else "disabled",
            as_of=as_of,
            last_delivery_at=delivery and delivery.replace(tzinfo=UTC),
            last_loaded_at=loaded and loaded.replace(tzinfo=UTC),
            rows_read=None if read is None else int(read),
            rows_rejected=None if rejected is None else int(rejected),
            newest_usage_on=newest,
            days_late=(as_of - newest).days if newest else None,
        )
        for name, is_enabled, as_of, delivery, loaded, read, rejected, newest in rows
    ]


def _add_published(
    settings: Settings, found: dict[str, DistrictStatus], otherwise: str
) -> None:
    if not settings.serve.is_dir():
        return
    for folder in district_folders(settings.serve):
        name = folder.path.name
        status = found.setdefault(name, DistrictStatus(name, otherwise))
        try:
            current = folder.current()
        except ValueError as error:
            current, status.problem = None, f"{error}; trackline publish repairs it"
        if current:
            status.current_version = current["version"]
            status.published_at = current.get("published_at")
            status.published_as_of = current["as_of"]
        held = folder.held()
        if held:
            status.held_since, status.held_reasons = _waiting(held)


def _waiting(held: Mapping[str, Any]) -> tuple[str | None, tuple[str, ...]]:
    """Return since when data waits, and why; somebody may have written the file."""
    try:
        reasons = tuple(str(reason["text"]) for reason in held["reasons"])
    except (KeyError, TypeError):
        reasons = ()
    return held.get("held_since"), reasons or ("held.json does not say why",)


def _add_models(settings: Settings, found: dict[str, DistrictStatus]) -> None:
    """Name each district's newest recommender; TRACKLINE_MODELS may be remote."""
    from trackline.recommender import store

    for name, status in found.items():
        try:
            models = store.versions(settings.models, name)
            status.last_model = models[-1] if models else None
            status.recommender = store.note(settings.models, name)
        except (OSError, ValueError, KeyError, TypeError, ImportError):
            continue
