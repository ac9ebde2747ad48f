"""The models directory, and what is trained, predicted and evaluated in it."""

import hashlib
import json
from collections.abc import Mapping

from dagster import (
    AssetKey,
    AssetsDefinition,
    DataVersion,
    MetadataValue,
    ObserveResult,
    SourceAsset,
    TableColumn,
    TableRecord,
    TableSchema,
    observable_source_asset,
)

from orchestration import processes
from orchestration.commands import command_asset, is_installed
from orchestration.dbt import OWNERS
from orchestration.environment import Environment
from orchestration.facts import newest_models
from trackline.settings import Settings

__all__ = ["command_assets", "directory"]

MODELS = AssetKey("models_directory")

# asset: (words after `trackline`, what it is). It appears with its command, and has
# a job of its own, make_<asset>.
COMMANDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "recommender_evaluation": (
        ("evaluate", "--recommender"),
        "How good the recommender is on each district's own data: a page of graphs in "
        "the models directory.",
    ),
    "model_evaluation": (
        ("evaluate",),
        "How good each model of learning analytics would be over the enabled analysis "
        "intervals: a page of graphs each in the models directory.",
    ),
}


def command_assets(environment: Environment) -> list[AssetsDefinition]:
    """Return the assets whose commands this Trackline has."""
    return [
        command_asset(
            name,
            arguments,
            group_name="models",
            description=description,
            deps=[MODELS],
            owners=OWNERS,
            pool=processes.pool(arguments[0], environment.target),
        )
        for name, (arguments, description) in COMMANDS.items()
        if is_installed(arguments[0])
    ]


def directory() -> SourceAsset:
    """Return the models directory as a source that can be observed."""

    @observable_source_asset(
        key=MODELS,
        group_name="models",
        description="What was learned: the recommender's models by district, and those "
        "of learning analytics, under TRACKLINE_MODELS.",
    )
    def observe() -> ObserveResult:
        models = Settings.from_environment().models
        newest = newest_models(models)
        told = json.dumps(newest, sort_keys=True)
        return ObserveResult(
            data_version=DataVersion(hashlib.sha256(told.encode()).hexdigest()[:16]),
            metadata={
                "path": MetadataValue.path(models),
                "recommender": MetadataValue.table(
                    records=[TableRecord(row) for row in newest],
                    schema=TableSchema(
                        [
                            TableColumn("district_id"),
                            TableColumn("model_id"),
                            TableColumn("validation", description="NDCG@10 by task"),
                        ]
                    ),
                ),
            },
        )

    return observe
