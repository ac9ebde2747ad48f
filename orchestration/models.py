"""The models directory, and what is trained, predicted and evaluated in it."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any

import fsspec
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

from orchestration.commands import command_asset, is_installed
from orchestration.dbt import OWNERS
from trackline.settings import Settings

__all__ = ["command_assets", "directory", "newest_models"]

MODELS = AssetKey("models_directory")

# asset: (words after `trackline`, what it is). An asset appears with its command.
COMMANDS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "model_evaluations": (
        ("evaluate",),
        "Prediction models over every enabled analysis interval: result files in the "
        "models directory, which the next build loads.",
    ),
}


def command_assets() -> list[AssetsDefinition]:
    """Return the assets whose commands this Trackline has."""
    return [
        command_asset(
            name, arguments, "models", description, deps=[MODELS], owners=OWNERS
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


def newest_models(models: str) -> list[dict[str, Any]]:
    """Return the recommender's newest model of each district, with its validation.

    Parameters
    ----------
    models : str
        TRACKLINE_MODELS; a path or an fsspec URL.

    Returns
    -------
    list of dict
        district_id, model_id and validation (one text, NDCG@10 by task), by district.
        Empty where nothing was trained yet.
    """
    try:
        files, root = fsspec.core.url_to_fs(f"{models}/recommender")
        indexes = sorted(files.glob(f"{root}/*/versions.json"))
    except (OSError, ValueError, ImportError):
        return []
    newest = []
    for index in indexes:
        folder = index.rsplit("/", 1)[0]
        known = json.loads(files.cat_file(index))
        if not known:
            continue
        described = json.loads(files.cat_file(f"{folder}/{known[-1]}/model.json"))
        newest.append(
            {
                "district_id": folder.rsplit("/", 1)[-1],
                "model_id": known[-1],
                "validation": validation(described),
            }
        )
    return newest


def validation(described: Mapping[str, Any]) -> str:
    """Return a model's NDCG@10 on held-out students, by task."""
    scores = []
    for task, scorer in sorted(described.get("scorers", {}).items()):
        bands = scorer.get("ndcg_by_band", {}).values()
        students = sum(band["students"] for band in bands)
        if students:
            mean = sum(band["students"] * band["ndcg_10"] for band in bands) / students
            scores.append(f"{task} {mean:.4f}")
    return ", ".join(scores)
