"""Everything put together: what definitions.py shows to Dagster."""

from __future__ import annotations

import json
import warnings

from dagster import BetaWarning, Definitions, in_process_executor

from orchestration import alerts, jobs, learning, models, sensors
from orchestration.dbt import (
    Translator,
    asset_key,
    command_line,
    load_project,
    process_assets,
)
from orchestration.environment import Environment
from orchestration.landing import landing_sources
from orchestration.processes import configured_districts
from orchestration.publishing import publishing_assets
from trackline.publish.candidate import TABLES
from trackline.settings import Settings

# observable sources are what shows a folder that others write; they are called beta
warnings.filterwarnings("ignore", category=BetaWarning)

__all__ = ["build_definitions"]

# the frame is no table of its own: one model makes the views of all districts
PUBLISHED = (*TABLES, "district_frames")


def build_definitions() -> Definitions:
    """Return the code location as the environment and the dbt manifest have it."""
    environment = Environment.read()
    districts = configured_districts(Settings.from_environment().seeds)
    project = load_project(environment)
    manifest = json.loads(project.manifest_path.read_text())
    translator = Translator(districts)
    by_process = process_assets(project, manifest, translator, environment)
    tables = [key for name in PUBLISHED if (key := asset_key(manifest, name))]
    publishing = publishing_assets(districts, tables, environment)
    commands = models.command_assets(environment)
    insights = by_process.get("insights")
    return Definitions(
        assets=[
            *landing_sources(districts),
            *by_process.values(),
            *publishing,
            models.directory(),
            *commands,
        ],
        jobs=[
            *jobs.asset_jobs(by_process, publishing, commands),
            *jobs.build_jobs(manifest, translator, environment),
            *(learning.learning_jobs(insights, environment) if insights else ()),
        ],
        schedules=[
            jobs.nightly_schedule(environment),
            *(learning.learning_schedules(environment) if insights else ()),
        ],
        sensors=[
            sensors.landing_sensor(environment),
            sensors.new_district_sensor(environment),
            alerts.failure_sensor(environment),
        ],
        resources={"dbt": command_line(project)},
        # the steps of a run follow each other anyway; a process for each would import
        # dbt anew: 4 s a step
        executor=in_process_executor,
    )
