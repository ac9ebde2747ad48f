"""The landing folders as observable sources: one per district."""

import hashlib
from collections.abc import Iterable
from datetime import UTC
from typing import Any

from dagster import (
    AssetKey,
    AssetObservation,
    DataVersion,
    MetadataValue,
    ObserveResult,
    SourceAsset,
    observable_source_asset,
)

from trackline.landing import LandingFile, discover
from trackline.settings import Settings

__all__ = ["fingerprint", "landing_key", "landing_sources", "observation"]


def landing_key(district_id: str) -> AssetKey:
    """Return the key of a district's landing folder."""
    return AssetKey(["landing", district_id])


def fingerprint(files: Iterable[LandingFile]) -> str:
    """Return what changes when a file is new, larger or newer."""
    digest = hashlib.sha256()
    for file in sorted(files, key=lambda file: file.path):
        digest.update(f"{file.path}\0{file.size_bytes}\0{file.modified_at}\n".encode())
    return digest.hexdigest()[:16]


def facts(files: list[LandingFile]) -> dict[str, Any]:
    """Return what an observation shows of a folder."""
    shown: dict[str, Any] = {
        "files": len(files),
        "bytes": sum(file.size_bytes for file in files),
        "tables": ", ".join(sorted({file.table_name for file in files})),
    }
    if files:
        newest = max(file.modified_at for file in files).replace(tzinfo=UTC)
        shown["newest delivery"] = MetadataValue.timestamp(newest.timestamp())
    return shown


def observation(district_id: str, files: list[LandingFile]) -> AssetObservation:
    """Return the observation that a sensor reports without a run."""
    return AssetObservation(
        landing_key(district_id),
        metadata=facts(files),
        tags={"dagster/data_version": fingerprint(files)},
    )


def files_of(settings: Settings, district_id: str) -> list[LandingFile]:
    """List the files of one district's folder."""
    # time zones matter to a file's rows, not to its listing
    folder = settings.landing / district_id
    if not folder.is_dir():
        return []
    return discover(settings.landing, {district_id: "UTC"}, folder)


def landing_sources(districts: list[str]) -> list[SourceAsset]:
    """Return a source per district; the landing sensor observes all of them."""
    return [_source(district_id) for district_id in districts]


def _source(district_id: str) -> SourceAsset:
    @observable_source_asset(
        key=landing_key(district_id),
        group_name="landing",
        description=f"What {district_id} has delivered: "
        f"`<landing>/{district_id}/<table>/<file>`. Trackline changes nothing in it.",
        tags={"district": district_id},
    )
    def observe() -> ObserveResult:
        files = files_of(Settings.from_environment(), district_id)
        return ObserveResult(
            data_version=DataVersion(fingerprint(files)), metadata=facts(files)
        )

    return observe
