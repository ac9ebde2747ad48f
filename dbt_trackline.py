"""dbt imports every module named dbt_*: here the spark target gets what it lacks."""

from __future__ import annotations

import sys

from dbt.plugins.manager import dbtPlugin


class TracklinePlugin(dbtPlugin):
    """Runs before a project is parsed; does nothing unless the target is Spark's."""

    def initialize(self) -> None:
        """Register the session's connection and its Python models."""
        if "dbt.adapters.spark" in sys.modules:
            from trackline.cluster.adapter import register

            register()


plugins = [TracklinePlugin]
