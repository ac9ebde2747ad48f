"""What starts runs by itself: files in the landing folder, rows in districts.csv."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from dagster import (
    DagsterRunStatus,
    DefaultSensorStatus,
    RunRequest,
    RunsFilter,
    SensorDefinition,
    SensorEvaluationContext,
    SensorResult,
    SkipReason,
    sensor,
)

from orchestration import landing
from orchestration.environment import Environment
from orchestration.jobs import onboarding_config
from orchestration.processes import configured_districts, time_of_day
from trackline import config
from trackline.landing import LandingFile, already_read, discover
from trackline.publish.versions import DistrictFolder
from trackline.publish.warehouse import WarehouseHeldError, connect
from trackline.settings import RefusedError, Settings

__all__ = ["is_due_soon", "landing_sensor", "new_district_sensor"]

READING_JOBS = ("daily", "daily_pull", "onboard_district", "backfill")
UNFINISHED = [
    DagsterRunStatus.QUEUED,
    DagsterRunStatus.NOT_STARTED,
    DagsterRunStatus.STARTING,
    DagsterRunStatus.STARTED,
    DagsterRunStatus.CANCELING,
]

# a pull just before the nightly run would only make that one wait
SOON = timedelta(minutes=30)


def is_due_soon(at: str, time_zone: str, now: datetime) -> bool:
    """Tell whether the next nightly run is less than half an hour away.

    Parameters
    ----------
    at, time_zone : str
        HH:MM and the zone it is meant in.
    now : datetime
        With a time zone.
    """
    local = now.astimezone(ZoneInfo(time_zone))
    when = time_of_day(at)
    tonight = local.replace(hour=when.hour, minute=when.minute, second=0, microsecond=0)
    return timedelta(0) <= (tonight - local) % timedelta(days=1) < SOON


def fingerprints(files: Iterable[LandingFile]) -> dict[str, str]:
    """Return each district's landing fingerprint."""
    by_district: dict[str, list[LandingFile]] = {}
    for file in files:
        by_district.setdefault(file.district_id, []).append(file)
    return {name: landing.fingerprint(found) for name, found in by_district.items()}


def unread(settings: Settings, files: Iterable[LandingFile]) -> list[LandingFile]:
    """Return the files that the next pull will read.

    Raises
    ------
    WarehouseHeldError
        If a build is writing: which files it will have read is not known yet.
    """
    try:
        con = connect(settings.warehouse, patience_seconds=0)
    except WarehouseHeldError:
        raise
    except RefusedError:
        seen: set[tuple] = set()  # nothing has been built yet
    else:
        try:
            seen = {
                tuple(version)
                for *version, status in already_read(con)
                if status in ("loaded", "unreadable")  # others are tried again
            }
        finally:
            con.close()
    return [
        file
        for file in files
        if file.status == "new"
        and (file.path, file.size_bytes, file.modified_at) not in seen
    ]


def is_reading(context: SensorEvaluationContext) -> bool:
    """Tell whether a run that reads the landing folder waits or works."""
    runs = context.instance.get_runs(RunsFilter(statuses=UNFINISHED))
    return any(run.job_name in READING_JOBS for run in runs)


def is_turned_on(
    context: SensorEvaluationContext, schedule: str, default: bool
) -> bool:
    """Tell whether a schedule runs: what was pressed in the UI, else its default."""
    for state in context.instance.all_instigator_state():
        if (
            state.instigator_name == schedule
            and state.status.value != "DECLARED_IN_CODE"
        ):
            return state.status.value == "RUNNING"
    return default


def landing_sensor(environment: Environment) -> SensorDefinition:
    """Return the sensor that pulls what was newly delivered."""

    @sensor(
        name="landing_files",
        job_name="daily_pull",
        minimum_interval_seconds=environment.sensor_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Starts a pull when files have arrived, none is under way and the "
        "nightly run is not due within half an hour.",
    )
    def landing_files(context: SensorEvaluationContext) -> SensorResult | SkipReason:
        settings = Settings.from_environment()
        zones = {
            d.district_id: d.time_zone for d in config.load(settings.seeds).districts
        }
        # a district that is not served yet is the other sensor's
        ours = set(zones) - set(unserved(settings))
        files = [f for f in discover(settings.landing, zones) if f.district_id in ours]
        now, before = fingerprints(files), json.loads(context.cursor or "{}")
        changed = {name for name, value in now.items() if before.get(name) != value}
        if not changed:
            return SkipReason("nothing has been delivered since the last look")
        if is_turned_on(context, "nightly", environment.is_production) and is_due_soon(
            environment.nightly_at, environment.time_zone, datetime.now(UTC)
        ):
            return SkipReason("the nightly run is due: it will read what has arrived")
        if is_reading(context):
            return SkipReason("a run that reads the landing folder is under way")
        try:
            waiting = unread(settings, files)
        except WarehouseHeldError:
            return SkipReason("the warehouse is being written")
        return SensorResult(
            run_requests=[RunRequest(run_key=f"landing-{landing.fingerprint(waiting)}")]
            if waiting
            else [],
            skip_reason=None if waiting else SkipReason("all of it has been read"),
            cursor=json.dumps(now, sort_keys=True),
            asset_events=[
                landing.observation(name, [f for f in files if f.district_id == name])
                for name in sorted(changed)
            ],
        )

    return landing_files


def unserved(settings: Settings) -> list[str]:
    """Return enabled districts that have neither a publication nor a hold."""
    return [
        district_id
        for district_id in configured_districts(settings.seeds)
        if not _is_served(DistrictFolder(settings.serve, district_id))
    ]


def _is_served(folder: DistrictFolder) -> bool:
    try:
        return bool(folder.current() or folder.held())
    except ValueError:
        return True  # damaged, which publish repairs


def new_district_sensor(environment: Environment) -> SensorDefinition:
    """Return the sensor that serves a district as soon as it is configured."""

    @sensor(
        name="new_districts",
        job_name="onboard_district",
        minimum_interval_seconds=environment.sensor_seconds,
        default_status=DefaultSensorStatus.RUNNING,
        description="Builds and publishes a district that districts.csv names and that "
        "readers do not get yet. The others' files stay as they are.",
    )
    def new_districts(context: SensorEvaluationContext) -> RunRequest | SkipReason:
        settings = Settings.from_environment()
        districts = unserved(settings)
        if not districts:
            return SkipReason("every enabled district is served")
        has_files = any(landing.files_of(settings, name) for name in districts)
        if not settings.warehouse.is_file() and not has_files:
            return SkipReason("nothing has been delivered and nothing built yet")
        if is_reading(context):
            return SkipReason("a run that reads the landing folder is under way")
        if problems := config.check(settings.seeds):
            return SkipReason(f"{len(problems)} problems in the seeds: {problems[0]}")
        # a wrong district is tried once for each state of its configuration
        told = (settings.seeds / "districts.csv").read_bytes() + b"".join(
            landing.fingerprint(landing.files_of(settings, d)).encode()
            for d in districts
        )
        digest = hashlib.sha256(told).hexdigest()[:16]
        return RunRequest(
            run_key=f"onboard-{'-'.join(districts)}-{digest}",
            run_config=onboarding_config(districts),
            tags={"districts": ", ".join(districts)[:200]},
        )

    return new_districts
