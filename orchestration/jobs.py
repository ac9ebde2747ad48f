"""The jobs an operator may start, and the nightly schedule."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from os import environ
from typing import Any

from dagster import (
    AssetsDefinition,
    AssetSelection,
    Config,
    DefaultScheduleStatus,
    Failure,
    JobDefinition,
    Nothing,
    OpExecutionContext,
    Out,
    Output,
    ScheduleDefinition,
    define_asset_job,
    job,
    op,
)
from pydantic import Field

from orchestration import processes
from orchestration.dbt import Dbt, Translator, described, target_path
from orchestration.environment import Environment
from orchestration.publishing import publish_and_tell
from trackline.settings import RefusedError

__all__ = ["asset_jobs", "build_jobs", "nightly_schedule", "onboarding_config"]

BUILD = "build_and_publish"

DESCRIPTIONS = {
    "daily": "The whole nightly cycle: the pull, the rankings, recommendations, "
    "insights, publication.",
    "daily_pull": "Reads what has newly been delivered and merges it.",
    "most_used": "Ranks the software in use.",
    "recommendations": "Learns from the current use and recommends.",
    "insights": "Learning analytics: indicators, predictions, insights.",
    "publish": "Writes each district's files. Configuration: districts, approve.",
}


def asset_jobs(
    by_process: Mapping[str, AssetsDefinition],
    publishing: Sequence[AssetsDefinition],
    commands: Sequence[AssetsDefinition],
) -> list[Any]:
    """Return the jobs that materialize assets; Dagster orders their steps.

    Parameters
    ----------
    by_process : mapping of str to AssetsDefinition
        Each process that has models.
    publishing : sequence of AssetsDefinition
        The publishing step, if a district is configured.
    commands : sequence of AssetsDefinition
        What `trackline` commands make, outside of the nightly cycle.
    """
    everything = [*by_process.values(), *publishing]
    selections: dict[str, Sequence[AssetsDefinition]] = {"daily": everything}
    selections |= {name: [assets] for name, assets in by_process.items()}
    if publishing:
        selections["publish"] = publishing
    selections |= {f"make_{assets.op.name}": [assets] for assets in commands}
    return [
        define_asset_job(
            name,
            AssetSelection.assets(*chosen),
            description=DESCRIPTIONS.get(name),
        )
        for name, chosen in selections.items()
    ]


class BuildConfig(Config):
    """What is built and published."""

    districts: list[str] = Field(
        default=[], description="Which are published after each build; empty: all."
    )
    first_date: str = Field(
        default="", description="As of which day to begin, YYYY-MM-DD; empty: today's."
    )
    last_date: str = Field(default="", description="The last day, included.")
    full_refresh: bool = Field(
        default=False, description="Read every landing file anew, on the first day."
    )


@contextmanager
def as_of(day: date | None) -> Iterator[None]:
    """Let a day stand for today in what is run inside."""
    before = environ.get("TRACKLINE_AS_OF")
    if day:
        environ["TRACKLINE_AS_OF"] = day.isoformat()
    try:
        yield
    finally:
        if day and before is None:
            del environ["TRACKLINE_AS_OF"]
        elif day:
            environ["TRACKLINE_AS_OF"] = str(before)


def build_jobs(
    manifest: Mapping[str, Any], translator: Translator, environment: Environment
) -> list[JobDefinition]:
    """Return the jobs that build everything at once and publish some districts."""

    @op(
        name=BUILD,
        out=Out(Nothing),
        pool=processes.pool("build", environment.target),
    )
    def build_and_publish(
        context: OpExecutionContext, config: BuildConfig, dbt: Dbt
    ) -> Iterator[Any]:
        try:
            days = list(processes.dates_between(config.first_date, config.last_date))
        except RefusedError as refused:
            raise Failure(str(refused), allow_retries=False) from None
        for number, day in enumerate(days):
            context.log.info(f"{day or 'today'}: {number + 1} of {len(days)}")
            anew = config.full_refresh and number == 0
            with as_of(day):
                invocation = dbt.cli(
                    processes.build_arguments(anew),
                    manifest=manifest,
                    dagster_dbt_translator=translator,
                    context=context,
                    target_path=target_path("build"),
                )
                yield from described(invocation, manifest, context.retry_number)
                yield from publish_and_tell(
                    context, environment, config.districts or None
                )
        yield Output(None)

    @job(
        description="Builds and publishes as of each day from first_date to last_date; "
        "without dates, once. full_refresh reads every landing file anew."
    )
    def backfill() -> None:
        build_and_publish()

    @job(description="One build, then publication of the named districts alone.")
    def onboard_district() -> None:
        build_and_publish()

    return [backfill, onboard_district]


def onboarding_config(districts: list[str]) -> dict[str, Any]:
    """Return the run configuration that publishes these districts alone."""
    return {"ops": {BUILD: {"config": {"districts": districts}}}}


def nightly_schedule(environment: Environment) -> ScheduleDefinition:
    """Return the nightly schedule: off outside of production until it is turned on."""
    return ScheduleDefinition(
        name="nightly",
        job_name="daily",
        cron_schedule=processes.cron(environment.nightly_at),
        execution_timezone=environment.time_zone,
        default_status=DefaultScheduleStatus.RUNNING
        if environment.is_production
        else DefaultScheduleStatus.STOPPED,
        description="The whole cycle, every night.",
    )
