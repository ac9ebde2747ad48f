"""Publishing as assets: one per district, with the checks that an operator reads."""

import time
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from dagster import (
    AssetCheckKey,
    AssetCheckResult,
    AssetCheckSeverity,
    AssetCheckSpec,
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    Config,
    DataVersion,
    Failure,
    MaterializeResult,
    MetadataValue,
    OpExecutionContext,
    RetryRequested,
    TableColumn,
    TableRecord,
    TableSchema,
    multi_asset,
)
from pydantic import Field

from orchestration import processes
from orchestration.dbt import OWNERS
from orchestration.environment import Environment
from trackline.publish import Outcome, publish
from trackline.publish.versions import DistrictFolder, district_folders
from trackline.settings import RefusedError, Settings
from trackline.status import DistrictStatus, read_status

__all__ = ["PublishConfig", "publish_and_tell", "published_key", "publishing_assets"]

STEP = "publish_districts"

CHECKS = {
    "hold": "Publication goes on: few rejected rows, no sudden drop of usage.",
    "freshness": "The newest day of usage is recent enough.",
    "row_drop": "No published table has lost a large part of its rows.",
}


class PublishConfig(Config):
    """What a publication does beyond the selected assets."""

    districts: list[str] = Field(
        default=[], description="Publish these; empty: those whose assets are selected."
    )
    approve: list[str] = Field(
        default=[],
        description="Release what is held of these districts, and only them.",
    )


def published_key(district_id: str) -> AssetKey:
    """Return the key of a district's published files."""
    return AssetKey(["published", district_id])


def publishing_assets(
    districts: list[str], tables: list[AssetKey], environment: Environment
) -> list[AssetsDefinition]:
    """Return the publishing step; none while no district is configured.

    Parameters
    ----------
    districts : list of str
        The enabled districts.
    tables : list of AssetKey
        The tables that are published.
    environment : Environment
        Limits of the checks.
    """
    if not districts:
        return []

    @multi_asset(
        name=STEP,
        specs=[
            AssetSpec(
                published_key(d),
                deps=tables,
                group_name="publishing",
                owners=OWNERS,
                tags={"district": d},
                description=f"What readers get of {d}: "
                f"`<serve>/{d}/<version>.duckdb`, Parquet and CSV.",
                kinds={"duckdb", "parquet"},
            )
            for d in districts
        ],
        check_specs=[
            AssetCheckSpec(name, asset=published_key(d), description=description)
            for d in districts
            for name, description in CHECKS.items()
        ],
        can_subset=True,
        pool=processes.pool("publish", environment.target),
    )
    def run(context: AssetExecutionContext, config: PublishConfig) -> Iterator[Any]:
        selected = {key.path[-1] for key in context.selected_asset_keys}
        yield from publish_and_tell(
            context,
            environment,
            districts_to_publish(config, selected, set(districts)),
            config.approve,
            assets=context.selected_asset_keys,
            checks=context.selected_asset_check_keys,
        )

    return [run]


def publish_and_tell(
    context: AssetExecutionContext | OpExecutionContext,
    environment: Environment,
    districts: list[str] | None,
    approve: list[str] | None = None,
    assets: Collection[AssetKey] = (),
    checks: Collection[AssetCheckKey] = (),
) -> Iterator[Any]:
    """Publish, and yield what became of each district.

    Parameters
    ----------
    context : execution context
        Of the step; its log takes the assets that the step does not declare.
    environment : Environment
        Limits of the checks.
    districts, approve : list of str, optional
        As `trackline.publish.publish` has them.
    assets, checks : collections of keys
        What the step declares.

    Raises
    ------
    RetryRequested
        If another process holds the warehouse.
    Failure
        If it was refused, or a district failed; the others are told first.
    """
    settings = Settings.from_environment()
    before = row_counts(settings)
    started = time.monotonic()
    try:
        report = publish(settings, districts=districts, approve=approve)
    except RefusedError as refused:
        if processes.is_lock_held(str(refused)):
            raise RetryRequested(
                processes.MAX_RETRIES, processes.retry_seconds(context.retry_number)
            ) from refused
        raise Failure(str(refused), allow_retries=False) from None
    seconds = round(time.monotonic() - started, 2)
    after, known = row_counts(settings), read_status(settings).districts
    by_id = {status.district_id: status for status in known}
    for outcome in report.outcomes:
        key = published_key(outcome.district_id)
        status = by_id[outcome.district_id]
        earlier = before.get(outcome.district_id, {})
        now = after.get(outcome.district_id, {})
        if outcome.state == "held":
            folder = DistrictFolder(settings.serve, outcome.district_id)
            now = (folder.held() or {})["row_counts"]
        if outcome.state in ("published", "unchanged"):
            told = _metadata(outcome, status, earlier, now)
            told["seconds, all districts"] = seconds
            if key in assets:
                version = DataVersion(outcome.version or "")
                yield MaterializeResult(key, metadata=told, data_version=version)
            else:
                context.log_event(AssetMaterialization(key, metadata=told))
        for result in (
            hold_result(key, outcome, earlier, now),
            freshness_result(key, status, environment.late_days),
            row_drop_result(key, earlier, now, environment.row_drop_percent),
        ):
            if AssetCheckKey(key, result.check_name) in checks:
                yield result
    failed = [outcome for outcome in report.outcomes if outcome.state == "failed"]
    if failed:
        raise Failure(
            "; ".join(f"{o.district_id}: {', '.join(o.findings)}" for o in failed),
            allow_retries=False,
        )


def districts_to_publish(
    config: PublishConfig, selected: set[str], known: set[str]
) -> list[str] | None:
    """Say which districts `publish` is given; None stands for every enabled one.

    A district that was configured after the definitions were loaded is no asset yet: it
    is published with all, or when it is named.
    """
    if config.districts or config.approve:
        return sorted({*config.districts, *config.approve})
    return None if selected >= known else sorted(selected)


def row_counts(settings: Settings) -> dict[str, dict[str, int]]:
    """Return the rows of each district's current version by table."""
    counts: dict[str, dict[str, int]] = {}
    if not settings.serve.is_dir():
        return counts
    for folder in district_folders(settings.serve):
        try:
            current = folder.current()
        except ValueError:
            continue  # damaged: publish repairs it and says so
        if current:
            counts[folder.path.name] = dict(current["row_counts"])
    return counts


def _metadata(
    outcome: Outcome,
    status: DistrictStatus,
    before: Mapping[str, int],
    after: Mapping[str, int],
) -> dict[str, Any]:
    told = {
        "state": outcome.state,
        "version": outcome.version,
        "as of": status.published_as_of,
        "rows read": status.rows_read,
        "rows rejected": status.rows_rejected,
        "days late": status.days_late,
        "model": status.last_model,
        "tables": before_and_after(before, after),
    }
    return {name: value for name, value in told.items() if value is not None}


def before_and_after(
    before: Mapping[str, int], after: Mapping[str, int]
) -> MetadataValue:
    """Return a table of each table's rows before and after."""
    names = sorted({*before, *after})
    return MetadataValue.table(
        records=[
            TableRecord(
                {"table": n, "before": before.get(n, 0), "after": after.get(n, 0)}
            )
            for n in names
        ],
        schema=TableSchema(
            [TableColumn("table"), TableColumn("before"), TableColumn("after")]
        ),
    )


def hold_result(
    key: AssetKey, outcome: Outcome, before: Mapping[str, int], after: Mapping[str, int]
) -> AssetCheckResult:
    """Warn while a district's newer data waits for someone's approval."""
    district_id = outcome.district_id
    metadata: dict[str, Any] = {"state": outcome.state}
    if outcome.findings:
        metadata["reasons"] = "; ".join(outcome.findings)
    if outcome.state == "held":
        metadata["readers still get"] = outcome.version or "nothing yet"
        metadata["tables"] = before_and_after(before, after)
        metadata["to release it"] = (
            f"launch the job publish with approve: [{district_id}]"
        )
    return AssetCheckResult(
        asset_key=key,
        check_name="hold",
        passed=outcome.state not in ("held", "failed"),
        severity=AssetCheckSeverity.WARN
        if outcome.state == "held"
        else AssetCheckSeverity.ERROR,
        metadata=metadata,
    )


def freshness_result(
    key: AssetKey, status: DistrictStatus, late_days: int
) -> AssetCheckResult:
    """Warn when the newest day of usage lies too far behind the district's today."""
    metadata: dict[str, Any] = {
        "as of": str(status.as_of or ""),
        "newest usage on": str(status.newest_usage_on or "never"),
        "days late": -1 if status.days_late is None else status.days_late,
        "late from (days)": late_days,
    }
    if status.last_delivery_at:
        metadata["last delivery"] = MetadataValue.timestamp(
            status.last_delivery_at.timestamp()
        )
    return AssetCheckResult(
        asset_key=key,
        check_name="freshness",
        passed=status.days_late is not None and status.days_late < late_days,
        severity=AssetCheckSeverity.WARN,
        metadata=metadata,
    )


def row_drop_result(
    key: AssetKey, before: Mapping[str, int], after: Mapping[str, int], percent: float
) -> AssetCheckResult:
    """Warn when a table shrinks by more than `percent` from one version to the next."""
    dropped = [
        name
        for name, rows in before.items()
        if rows and (rows - after.get(name, 0)) * 100 > percent * rows
    ]
    return AssetCheckResult(
        asset_key=key,
        check_name="row_drop",
        passed=not dropped,
        severity=AssetCheckSeverity.WARN,
        metadata={
            "tables that lost rows": ", ".join(sorted(dropped)) or "none",
            "limit (percent)": percent,
            "tables": before_and_after(before, after),
        },
    )
