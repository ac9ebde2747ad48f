"""Where things are: the settings of INTERFACE section 1, read from the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass
from datetime import date
from pathlib import Path

__all__ = ["ROOT", "RefusedError", "Settings"]

ROOT = Path(__file__).resolve().parent.parent
"""The repository root: relative settings are relative to it, whatever the cwd."""


class RefusedError(Exception):
    """Trackline will not do this: one plain sentence, shown without a traceback.

    The command line prints it to stderr and exits with code 2.
    """


def _path(name: str, default: str) -> Path:
    return ROOT / (os.environ.get(name) or default)


@dataclass(frozen=True)
class Settings:
    """The settings of one process.

    Attributes
    ----------
    landing, seeds, warehouse, serve : Path
        Absolute paths.
    models : str
        Absolute path or fsspec URL of the models output directory.
    as_of : date or None
        The date that stands for today, when it is pinned for every district.
    pseudonym_key : str or None
        The secret of INTERFACE section 7; never printed.
    target : str
        The dbt target whose tables are meant: ``dev`` or ``spark``.
    """

    landing: Path
    seeds: Path
    warehouse: Path
    serve: Path
    models: str
    as_of: date | None
    pseudonym_key: str | None
    target: str = "dev"

    @classmethod
    def from_environment(cls) -> Settings:
        """Read the settings.

        Raises
        ------
        RefusedError
            If TRACKLINE_AS_OF is no ISO date.
        """
        models = os.environ.get("TRACKLINE_MODELS") or "data/models"
        as_of = os.environ.get("TRACKLINE_AS_OF") or None
        try:
            pinned = date.fromisoformat(as_of) if as_of else None
            # other forms, as 20260131, no engine would read
            if pinned and pinned.isoformat() != as_of:
                raise ValueError(as_of)
        except ValueError:
            raise RefusedError(
                f"TRACKLINE_AS_OF is {as_of!r}: it must be an ISO date, as 2026-01-31"
            ) from None
        return cls(
            landing=_path("TRACKLINE_LANDING", "data/landing"),
            seeds=_path("TRACKLINE_SEEDS", "seeds"),
            warehouse=_path("TRACKLINE_WAREHOUSE", "data/warehouse.duckdb"),
            serve=_path("TRACKLINE_SERVE", "data/serve"),
            models=models if "://" in models else str(ROOT / models),
            as_of=pinned,
            pseudonym_key=os.environ.get("TRACKLINE_PSEUDONYM_KEY") or None,
            target=os.environ.get("TRACKLINE_DBT_TARGET") or "dev",
        )

    def __repr__(self) -> str:
        """Tell everything but the secret."""
        return f"Settings(warehouse={self.warehouse}, landing={self.landing})"
