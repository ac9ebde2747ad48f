"""The dbt project as assets: one step per process, every model with its checks."""

import os
import sys
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dagster import (
    AssetExecutionContext,
    AssetKey,
    AssetMaterialization,
    AssetsDefinition,
    AssetSpec,
    Output,
    RetryRequested,
)
from dagster_dbt import (
    DagsterDbtTranslator,
    DbtCliInvocation,
    DbtCliResource,
    DbtProject,
    dbt_assets,
)
from dagster_dbt.errors import DagsterDbtCliRuntimeError
from dbt.version import __version__ as dbt_version
from packaging.version import Version

from orchestration import processes
from orchestration.environment import DEFAULT_TARGET, Environment
from orchestration.facts import WarehouseFacts
from orchestration.landing import landing_key
from orchestration.processes import Process
from trackline.settings import ROOT, Settings

__all__ = ["OWNERS", "Dbt", "Translator", "load_project", "process_assets"]

OWNERS = ["team:district-data"]

# the first model of the flow: what it reads are the landing folders
READS_THE_LANDING = "stg_landing__files"

GROUPS = {"config": "configuration", "dailypull": "daily_pull"}


class Dbt(DbtCliResource):
    """The dbt command line.

    dagster-dbt asks `dbt --version` for the version in every run. That costs 3.4 s and
    looks the newest one up on the internet; it is the installed package's.
    """

    @cached_property
    def _cli_version(self) -> Version:
        return Version(dbt_version)


class Translator(DagsterDbtTranslator):
    """How dbt's nodes are shown: grouped by folder, owned, and fed by the landing."""

    def __init__(self, districts: list[str]) -> None:
        super().__init__()
        self.districts = districts

    def get_group_name(self, dbt_resource_props: Mapping[str, Any]) -> str:
        """Return the models' folder; it is named for the process."""
        if dbt_resource_props["resource_type"] == "seed":
            return GROUPS["config"]
        folder = dbt_resource_props["fqn"][1]
        return GROUPS.get(folder, folder)

    def get_owners(self, dbt_resource_props: Mapping[str, Any]) -> list[str]:
        """Return the owners that the model's YAML names, or the default."""
        return list(super().get_owners(dbt_resource_props) or OWNERS)

    def get_asset_spec(
        self, manifest: Mapping[str, Any], unique_id: str, project: DbtProject | None
    ) -> AssetSpec:
        """Add what dbt cannot know: the folders that the first model reads."""
        spec = super().get_asset_spec(manifest, unique_id, project)
        if unique_id.rsplit(".", 1)[-1] == READS_THE_LANDING:
            return spec.merge_attributes(deps=[landing_key(d) for d in self.districts])
        return spec


def target_path(name: str) -> Path:
    """Return where dbt keeps what it parsed and ran.

    One folder per step, not one per run: dbt parses only what changed, and nothing
    piles up.
    """
    target = os.environ.get("DBT_TARGET_PATH", "target")
    return ROOT / "dbt_project" / target / "dagster" / name


def load_project(environment: Environment) -> DbtProject:
    """Return the dbt project; its manifest is made where there is none yet."""
    project = DbtProject(
        project_dir=ROOT / "dbt_project",
        target_path=os.environ.get("DBT_TARGET_PATH", "target"),
        # naming the default makes dbt parse anew what the Makefile's dbt parsed
        target=None if environment.target == DEFAULT_TARGET else environment.target,
    )
    if not project.manifest_path.exists():
        _parse(project)
    return project


def _parse(project: DbtProject) -> None:
    """Make the manifest: another code server that starts now never reads half of it."""
    target = project.manifest_path.parent
    target.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix="parse-", dir=target) as folder:
        command_line(project).cli(["parse"], target_path=Path(folder)).wait()
        # what dbt need not parse again first: a manifest says that all is there
        for name in ("partial_parse.msgpack", project.manifest_path.name):
            os.replace(Path(folder) / name, target / name)


def command_line(project: DbtProject) -> Dbt:
    """Return the dbt that is installed beside this Python, whatever PATH says."""
    beside = Path(sys.executable).parent / "dbt"
    return Dbt(
        project_dir=project, dbt_executable=str(beside) if beside.exists() else "dbt"
    )


def process_assets(
    project: DbtProject,
    manifest: Mapping[str, Any],
    translator: Translator,
    environment: Environment,
) -> dict[str, AssetsDefinition]:
    """Return, by name, the multi-asset of each process that has models."""
    tags = {tag for node in manifest["nodes"].values() for tag in node.get("tags", ())}
    return {
        process.name: _process(process, project, manifest, translator, environment)
        for process in processes.processes(tags)
    }


def _process(
    process: Process,
    project: DbtProject,
    manifest: Mapping[str, Any],
    translator: Translator,
    environment: Environment,
) -> AssetsDefinition:
    @dbt_assets(
        # a step may not have the name of a job
        name=f"dbt_{process.name}",
        manifest=manifest,
        project=project,
        select=process.select,
        exclude=process.exclude or None,
        dagster_dbt_translator=translator,
        pool=processes.pool(process.name, environment.target),
    )
    def run(context: AssetExecutionContext, dbt: Dbt) -> Iterator[Any]:
        invocation = dbt.cli(
            processes.build_arguments(),
            context=context,
            target_path=target_path(process.name),
        )
        yield from described(invocation, manifest, context.retry_number)

    return run


def described(
    invocation: DbtCliInvocation, manifest: Mapping[str, Any], attempt: int
) -> Iterator[Any]:
    """Pass on what dbt did, with what now stands in the warehouse.

    Check results go on at once. Tables wait for dbt's end: until then no other process
    may open a DuckDB file, and their rows are to be told with them.

    Raises
    ------
    RetryRequested
        If another process holds the warehouse; nothing has been changed then.
    DagsterDbtCliRuntimeError
        If dbt failed otherwise, after everything that did succeed was passed on.
    """
    built: list[Output | AssetMaterialization] = []
    failure = None
    try:
        for event in invocation.stream():
            if isinstance(event, Output | AssetMaterialization):
                built.append(event)
            else:
                yield event
    except DagsterDbtCliRuntimeError as error:
        if processes.is_lock_held(str(error)):
            raise RetryRequested(
                processes.MAX_RETRIES, processes.retry_seconds(attempt)
            ) from error
        failure = error
    if built:
        ids = [event.metadata["unique_id"].value for event in built]
        facts = WarehouseFacts.read(Settings.from_environment(), manifest, ids)
        for unique_id, event in zip(ids, built, strict=True):
            yield event.with_metadata({**event.metadata, **facts.of(unique_id)})
    if failure:
        raise failure


def asset_key(manifest: Mapping[str, Any], table: str) -> AssetKey | None:
    """Return the key of a table of the project, None where there is no such model."""
    for unique_id, node in manifest["nodes"].items():
        if node["resource_type"] == "model" and node["name"] == table:
            return DagsterDbtTranslator().get_asset_key(manifest["nodes"][unique_id])
    return None
