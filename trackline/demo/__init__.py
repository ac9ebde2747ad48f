"""The demo districts: landing files that show every way data may arrive.

Everything is drawn from fixed seeds and dated from the district's as_of: two runs write
the same bytes with the same modification times.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from trackline.config import Configuration
from trackline.demo import deliveries
from trackline.demo.files import write
from trackline.demo.year import invent
from trackline.settings import RefusedError

__all__ = ["DEMO_DISTRICTS", "write_demo"]

DEMO_DISTRICTS = ("harborside", "kailani", "lakeview")


def write_demo(
    landing: Path,
    configuration: Configuration,
    tell: Callable[[str, list[Path]], None] = lambda district_id, files: None,
) -> list[Path]:
    """Write the landing files of every demo district.

    Parameters
    ----------
    landing : Path
        The landing folder; made when it is not there.
    configuration : Configuration
        Gives the demo districts, their applications and the date that is their today.
    tell : callable, optional
        Called with a district's id and files when they are written.

    Returns
    -------
    list of Path
        The files, in the order they were written.

    Raises
    ------
    RefusedError
        If a demo district is not configured or has no as_of.
    """
    sources = {
        "harborside": (deliveries.as_parquet, 300),
        "kailani": (deliveries.as_events, 220),
        "lakeview": (deliveries.as_csv, 260),
    }
    written = []
    for place, district_id in enumerate(DEMO_DISTRICTS):
        district = configuration.district(district_id)
        if district is None or district.as_of is None:
            raise RefusedError(
                f"districts.csv needs a row of the demo district {district_id} with an "
                "as_of: point TRACKLINE_SEEDS at seeds that have it"
            )
        apps = [app.app_id for app in configuration.apps_of(district_id)]
        deliver, size = sources[district_id]
        school = invent(district, apps, size, np.random.default_rng(1000 + place))
        folder = landing / district_id
        files = [write(folder, delivery) for delivery in deliver(school)]
        tell(district_id, files)
        written += files
    return written
