"""The orchestration's own settings; where data lies is in trackline.settings."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["DEFAULT_TARGET", "Environment"]

DEFAULT_TARGET = "dev"


@dataclass(frozen=True)
class Environment:
    """Settings from the environment (docs/operations.md has the table).

    Attributes
    ----------
    is_production : bool
        TRACKLINE_ENVIRONMENT is ``production``: schedules run without being turned on.
    nightly_at, time_zone : str
        When the nightly run starts: HH:MM and an IANA time zone.
    sensor_seconds : int
        How often the landing folder and districts.csv are looked at.
    late_days : int
        Days without usage after which a district counts as late. Four let a long
        weekend pass.
    row_drop_percent : float
        A published table that shrinks by more is shown by the row-drop check.
    target : str
        The dbt target: ``dev`` (DuckDB) or ``spark``.
    alert_webhook, alert_command : str
        Who hears of a failed run; empty: nobody.
    ui_url : str
        How a message names this Dagster.
    """

    is_production: bool = False
    nightly_at: str = "02:00"
    time_zone: str = "UTC"
    sensor_seconds: int = 60
    late_days: int = 4
    row_drop_percent: float = 20.0
    target: str = DEFAULT_TARGET
    alert_webhook: str = ""
    alert_command: str = ""
    ui_url: str = "http://127.0.0.1:3000"

    @classmethod
    def read(cls, environ: Mapping[str, str] = os.environ) -> Environment:
        """Read the settings; one that is unset or empty has its default."""

        def get(name: str, default: object) -> str:
            return environ.get(f"TRACKLINE_{name}") or str(default)

        return cls(
            is_production=get("ENVIRONMENT", "development") == "production",
            nightly_at=get("NIGHTLY_AT", cls.nightly_at),
            time_zone=get("TIME_ZONE", cls.time_zone),
            sensor_seconds=int(get("SENSOR_SECONDS", cls.sensor_seconds)),
            late_days=int(get("LATE_DAYS", cls.late_days)),
            row_drop_percent=float(get("ROW_DROP_PERCENT", cls.row_drop_percent)),
            target=get("DBT_TARGET", cls.target),
            alert_webhook=get("ALERT_WEBHOOK", ""),
            alert_command=get("ALERT_COMMAND", ""),
            ui_url=get("UI_URL", cls.ui_url).rstrip("/"),
        )
