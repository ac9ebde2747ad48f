"""Where a district's settings come from: searched, kept for a week, or shared.

Members, their settings and their blend are chosen by validation. A large district is
searched once a week; small ones share one search: by itself, a district of a hundred
students follows chance, and a thousand of them would be searched every night.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa

from trackline.recommender.selection import Choice, choose_next
from trackline.recommender.store import Chosen
from trackline.recommender.tasks import spans_of
from trackline.recommender.threads import one_thread
from trackline.recommender.use import Use

__all__ = ["Options", "Shared", "Small", "share_settings", "stands_still"]

_TOGETHER = 2000  # students to choose the settings of small districts by
_MOST_TOGETHER = 12  # districts of them: each one's matrix is solved for every setting
_WIDEST = 1000  # apps: of wider matrices other members are tried


@dataclass(frozen=True)
class Options:
    """What a deployment may set.

    Attributes
    ----------
    top_n : int
        Recommendations a student, where `apps` has no top_n of the district.
    outcome_weight : float
        w of the re-ranking; 0 switches it off.
    pooling : bool
        Whether statistics of other districts may join, and small districts share the
        search of their settings.
    pool_below : int
        Students under which they do.
    include_familiar : bool
        Whether an app used before, but not counted as used now, may be recommended.
    settings_days : int
        Once in so many days a large district is searched for settings, on a day of its
        own; its weights are learned anew by every build. 0: every build searches.
    settings_from : int
        Students with an assessment and use from which a district is large.
    random_state : int
    """

    top_n: int = 5
    outcome_weight: float = 0.5
    pooling: bool = True
    pool_below: int = 100
    include_familiar: bool = True
    settings_days: int = 7
    settings_from: int = 2500
    random_state: int = 0

    def is_large(self, students: int) -> bool:
        """Whether a district with so many students to ask is searched by itself."""
        return students >= self.settings_from


@dataclass(frozen=True)
class Small:
    """The districts that share their settings, and those of them that are searched.

    Attributes
    ----------
    districts : set of str
    searched : list of str
        The ones with most students, as many as tell enough: the cost of a search does
        not grow with the districts.
    """

    districts: set[str]
    searched: list[str]

    @classmethod
    def of(
        cls, sizes: Mapping[str, int], apps: Mapping[str, int], options: Options
    ) -> Small:
        """Take students with an assessment and use, and eligible apps, by district."""
        small = {
            district: sizes.get(district, 0)
            for district, width in apps.items()
            if options.pooling
            and width <= _WIDEST
            and not options.is_large(sizes.get(district, 0))
        }
        searched: list[str] = []
        for district in sorted(small, key=lambda d: (-small[d], d))[:_MOST_TOGETHER]:
            if sum(small[d] for d in searched) < _TOGETHER:
                searched.append(district)
        return cls({*small}, searched)


@dataclass(frozen=True)
class Shared:
    """What a search over small districts chose for `next`, the only task of theirs.

    Attributes
    ----------
    choice : Choice
    asked : tuple of str
        The districts whose students were asked.
    """

    choice: Choice
    asked: tuple[str, ...]

    def is_of(self, district: str) -> bool:
        """Whether only the district's own students were asked."""
        return self.asked == (district,)

    def choices(self, district: str) -> dict[str, Choice]:
        """Return what serves a district: bands are told to whom alone they are of."""
        by_band = self.choice.by_band if self.is_of(district) else {}
        return {"next": replace(self.choice, by_band=by_band)}


def share_settings(
    searched: Iterable[tuple[str, pd.DataFrame, dict[str, pa.Table | pd.DataFrame]]],
) -> Shared | None:
    """Search the settings that serve the students of several districts best.

    A district of a hundred students chooses by chance: shared settings foresee more
    there, and as much from some 500 students on (docs/benchmarks-recommender.md).

    Parameters
    ----------
    searched : iterable of (str, DataFrame, dict)
        A district, its rows of `apps`, and of students and histories, as
        `one_district` takes them.

    Returns
    -------
    Shared or None
        None where too few students can be asked.
    """
    with one_thread():
        samples = {}
        for district, own, here in searched:
            apps = np.sort(own["app_id"].astype(str).to_numpy(object))
            sample = Use.of(here["histories"], here["students"], apps).sample()
            if len(spans_of(sample)):
                samples[district] = sample
        choice = choose_next(samples.values())
    return None if choice is None else Shared(choice, tuple(samples))


def stands_still(
    chosen: Chosen, district: str, apps: np.ndarray, day: date, options: Options
) -> bool:
    """Whether what a large district keeps still stands on the day of this build."""
    if chosen.options != asdict(options) or chosen.apps != apps.tolist():
        return False
    return _is_recent(chosen.chosen_on, day, district, options.settings_days)


def _is_recent(chosen_on: date, as_of: date, district: str, days: int) -> bool:
    """Whether a district was searched since its last day for that."""
    # not all districts on one day: a night is to cost what the one before did
    shift = zlib.crc32(district.encode()) % days
    last, now = chosen_on.toordinal(), as_of.toordinal()
    return last <= now and (last + shift) // days == (now + shift) // days
