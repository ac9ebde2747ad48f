"""From the warehouse's tables to rpt_recommendations, district by district.

A district learns from its own rows. Two statistics are pooled over districts, and
neither holds a student: co-use counts (cells of fewer than 10 students are left out)
for districts under 100 students and cold starts, and the app's overall effect. Both
can be switched off (`Options.pooling`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import reduce

import numpy as np
import pandas as pd
import pyarrow as pa

from trackline.recommender.cold import BandPopularity
from trackline.recommender.gram import NO_BAND, Gram, grams_by_band
from trackline.recommender.model import Recommender, sample_of
from trackline.recommender.outcome import (
    Outcome,
    estimate_effects,
    fit_district,
)
from trackline.recommender.pool import Pool
from trackline.recommender.store import Chosen, StoredModel
from trackline.recommender.table import recommendation_table
from trackline.recommender.threads import one_thread, worked
from trackline.recommender.use import Use

__all__ = [
    "SCHEMA",
    "District",
    "Options",
    "Result",
    "each_district",
    "effects_of",
    "one_district",
    "recommend_districts",
]

SCHEMA = pa.schema(
    [
        ("district_id", pa.string()),
        ("student_id", pa.string()),
        ("rank", pa.int64()),
        ("app_id", pa.string()),
        ("score", pa.float64()),
        ("is_new", pa.bool_()),
        ("reason", pa.string()),
        ("similar_students", pa.int64()),
        ("effect", pa.float64()),
        ("effect_low", pa.float64()),
        ("effect_high", pa.float64()),
        ("is_associated", pa.bool_()),
        ("model_id", pa.string()),
    ]
)
"""What a recommendation tells."""


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
        Whether statistics of other districts may join.
    pool_below : int
        Students under which they do.
    include_familiar : bool
        Whether an app used before, but not counted as used now, may be recommended.
    settings_days : int
        Once in so many days a large district is searched for settings, on a day of its
        own; its weights are learned anew by every build. 0: whenever its data have
        changed, as the smaller ones.
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


@dataclass
class Result:
    """Recommendations of all districts, and how they came about.

    Attributes
    ----------
    recommendations : DataFrame
        Columns of SCHEMA, by district_id, student_id, rank.
    models : list of StoredModel
        For `store.save`.
    status : DataFrame
        district_id, students, apps, note: one plain sentence a district.
    """

    recommendations: pd.DataFrame
    models: list[StoredModel] = field(default_factory=list)
    status: pd.DataFrame = field(default_factory=pd.DataFrame)


Loaded = pd.DataFrame | Callable[[str], pa.Table | pd.DataFrame]
"""A table, or what loads the rows of one district of it."""


def recommend_districts(
    apps: pd.DataFrame,
    students: Loaded,
    histories: Loaded,
    co_use: pd.DataFrame,
    outcomes: Loaded | None = None,
    outcome_uses: Loaded | None = None,
    options: Options | None = None,
) -> Result:
    """Train every district and recommend to its students.

    Parameters
    ----------
    apps, students, histories, outcomes, outcome_uses, options
        As `each_district` takes them.
    co_use : DataFrame
        app_id, next_app_id, pair_count and weighted_count of all districts; rows of one
        pair are added up.

    Returns
    -------
    Result
    """
    rest = (outcomes, outcome_uses, options)
    pool = Pool.of(co_use)
    done = list(each_district(apps, students, histories, pool, *rest))
    found = [one.recommendations.cast(SCHEMA) for one in done if one.model]
    status = [(one.district_id, one.students, one.apps, one.note) for one in done]
    return Result(
        pa.concat_tables(found or [SCHEMA.empty_table()]).to_pandas(),
        [one.model for one in done if one.model is not None],
        pd.DataFrame(status, columns=["district_id", "students", "apps", "note"]),
    )


@dataclass(frozen=True)
class District:
    """What came of one district.

    Attributes
    ----------
    district_id : str
    recommendations : pyarrow.Table or None
        Columns of SCHEMA, ids as dictionaries; None without a model.
    model : StoredModel or None
        None where nothing can be recommended.
    students, apps : int
        Who could get recommendations, and of how many apps.
    note : str
        One plain sentence: what was trained, or why nothing was.
    """

    district_id: str
    recommendations: pa.Table | None
    model: StoredModel | None
    students: int
    apps: int
    note: str


def each_district(
    apps: pd.DataFrame,
    students: Loaded,
    histories: Loaded,
    pool: Pool | None,
    outcomes: Loaded | None = None,
    outcome_uses: Loaded | None = None,
    options: Options | None = None,
    chosen: Callable[[str], Chosen | None] = lambda district: None,
    workers: int = 1,
) -> Iterator[District]:
    """Train every district, and recommend to its students.

    Memory is that of the `workers` + 1 largest districts where the tables load a
    district's rows when asked.

    Parameters
    ----------
    apps : DataFrame
        district_id, app_id: the eligible ones (enabled district, recommendable);
        optionally app_name, top_n and as_of.
    students : DataFrame or callable
        district_id, student_id, band (null allowed): who gets recommendations (type 1).
    histories : DataFrame or callable
        district_id, student_id, app_id, band, first_used_on, last_used_on, is_used
        (counts as used now: not recommended). Eligible apps of all students.
    pool : Pool or None
        None where nothing is borrowed.
    outcomes : DataFrame or callable, optional
        district_id and the columns of `outcome.fit_district`.
    outcome_uses : DataFrame or callable, optional
        district_id, student_id, app_id, usage_minutes strictly between the two scores.
    options : Options, optional
    chosen : callable, optional
        Gives a district's settings of before.
    workers : int, default 1
        Districts at a time, a thread each: numpy leaves the interpreter to the others.
        What comes out does not depend on it.

    Yields
    ------
    District
        In order of district_id.
    """
    options = options or Options()
    districts = sorted(apps["district_id"].unique())
    load = {"students": _loader(students), "histories": _loader(histories)}

    def given() -> Iterator[tuple]:
        for district, own in apps.groupby("district_id", sort=True):
            here = {name: of(district) for name, of in load.items()}
            yield district, own, here, pool, effects, options, chosen(district)

    fits = _fits(districts, outcomes, outcome_uses, workers)
    effects = effects_of(fits, options)
    yield from worked(one_district, given(), workers)


def one_district(
    district: str,
    own: pd.DataFrame,
    here: dict[str, pa.Table | pd.DataFrame],
    pool: Pool | None,
    effects: pd.DataFrame,
    options: Options,
    chosen: Chosen | None = None,
) -> District:
    """Train one district and recommend to its students.

    Parameters
    ----------
    district : str
    own : DataFrame
        Its rows of `apps`.
    here : dict of str to Table or DataFrame
        Its rows of students and histories.
    pool : Pool or None
        At least the pairs among its apps; None where nothing is borrowed.
    effects : DataFrame
        `effects_of` all districts.
    options : Options
    chosen : Chosen, optional
        Its settings of before.
    """
    with one_thread():
        table, model, note = _one(district, own, here, pool, effects, options, chosen)
    return District(
        district,
        table,
        model,
        len(here["students"]),
        len(own),
        note,
    )


def _loader(table: Loaded) -> Callable[[str], pa.Table | pd.DataFrame]:
    if callable(table):
        return table
    split = dict(iter(table.groupby("district_id", sort=True)))
    return lambda district: split.get(district, table.iloc[:0])


def _fits(
    districts: list[str],
    outcomes: Loaded | None,
    uses: Loaded | None,
    workers: int,
) -> dict[str, Outcome]:
    if outcomes is None or uses is None:
        return {}
    outcomes_of, uses_of = _loader(outcomes), _loader(uses)
    given = ((outcomes_of(district), uses_of(district)) for district in districts)
    fits = zip(districts, worked(fit_district, given, workers), strict=True)
    return {district: fit for district, fit in fits if fit is not None}


def effects_of(fits: dict[str, Outcome], options: Options) -> pd.DataFrame:
    """Estimate every district's effects from `outcome.fit_district` of each."""
    together = [fits] if options.pooling or not fits else [{d: fits[d]} for d in fits]
    # one thread, here too: sums of floats depend on how they are divided
    with one_thread():
        return pd.concat([estimate_effects(some) for some in together])


def _popularity(total: Gram, pooled: Gram | None) -> BandPopularity:
    bands = sorted(set(total.bands) - {NO_BAND})
    nobody = np.zeros(len(total.pair) + 1)
    counts = np.array([total.bands.get(b, nobody) for b in (*bands, NO_BAND)])
    everywhere = None if pooled is None else np.diag(pooled.pair)
    return BandPopularity.shrink(bands, counts[:, :-1], counts[:, -1], everywhere)


def _stands(
    chosen: Chosen,
    district: str,
    apps: np.ndarray,
    fingerprint: str,
    day: date | None,
    options: Options,
) -> bool:
    """Whether settings of before still stand; `day` is None but in a large district."""
    if chosen.options != asdict(options) or chosen.apps != apps.tolist():
        return False
    if chosen.chosen_on is None:
        # the same rows would be searched to the same end; in the search of `complete`
        # those of other districts may have had a part
        return chosen.fingerprint == fingerprint and {*chosen.choices} == {"next"}
    if day is None:
        return False
    return _is_recent(chosen.chosen_on, day, district, options.settings_days)


def _is_recent(chosen_on: date, as_of: date, district: str, days: int) -> bool:
    """Whether a district was searched since its last day for that."""
    # not all districts on one day: a night is to cost what the one before did
    shift = zlib.crc32(district.encode()) % days
    last, now = chosen_on.toordinal(), as_of.toordinal()
    return last <= now and (last + shift) // days == (now + shift) // days


def _one(
    district: str,
    own: pd.DataFrame,
    here: dict[str, pa.Table | pd.DataFrame],
    pool: Pool | None,
    effects: pd.DataFrame,
    options: Options,
    chosen: Chosen | None,
) -> tuple[pa.Table | None, StoredModel | None, str]:
    own = own.assign(app_id=own["app_id"].astype(str)).sort_values("app_id")
    apps = own["app_id"].to_numpy(object)
    use = Use.of(here["histories"], here["students"], apps)
    if not len(use.everyone.student):
        return None, None, "nobody used an eligible app: nothing is recommended"
    if not len(here["students"]):
        return None, None, "no student has an assessment: nothing is recommended"
    grams = grams_by_band(use.everyone)
    total = reduce(Gram.plus, grams.values())
    pairs = {band: gram.pair for band, gram in grams.items()}
    del grams
    pooled = None
    if options.pooling and pool is not None:
        pooled = pool.without(total, apps)
    borrowed = pooled if total.n_students < options.pool_below else None
    rows = use.rows()
    asked = np.flatnonzero(rows.lengths > 0)
    fingerprint = use.fingerprint()
    day = None
    if "as_of" in own and options.settings_days and len(asked) >= options.settings_from:
        day = pd.Timestamp(own["as_of"].iloc[0]).date()
    if chosen and not _stands(chosen, district, apps, fingerprint, day, options):
        chosen = None
    sample = sample_of(rows.select(asked))
    model = Recommender(random_state=options.random_state)
    model.fit_gram(
        total,
        sample,
        _popularity(total, pooled),
        borrowed,
        chosen.choices if chosen else None,
        known_only=True,
    )
    # beside the sample, which validation asks, the matrix knows all of them
    model.students_ = None

    local = effects[effects["district_id"] == district]
    local = local.set_index(pd.Index(apps).get_indexer(local["app_id"].astype(object)))
    local = local[local.index >= 0]
    facts = {
        "fingerprint": fingerprint,
        "training_window": use.window(),
        "rows": {name: len(here[name]) for name in ("students", "histories")},
        "options": asdict(options),
    }
    if day and model.is_searched:
        before = chosen.chosen_on if chosen else None
        facts["chosen_on"] = (before or day).isoformat()
    stored = StoredModel.of(district, model, local.drop(columns="district_id"), facts)
    k = int(own["top_n"].iloc[0]) if "top_n" in own else options.top_n
    table = recommendation_table(
        model,
        rows,
        use.in_use(),
        pairs,
        own,
        local,
        k,
        options.outcome_weight,
        options.include_familiar,
    )
    for name, value in (("district_id", district), ("model_id", stored.model_id)):
        once = pa.DictionaryArray.from_arrays(np.zeros(len(table), np.int64), [value])
        table = table.append_column(name, once)
    blend = ", ".join(c.member for c, _ in model.scorers_[model.task_of(rows)].blend)
    note = f"{blend} from {int(total.n_students)} students"
    if model.kappa_:
        note += f" and {model.kappa_:g} pooled ones"
    return table.select(SCHEMA.names), stored, note
