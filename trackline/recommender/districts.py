"""From the warehouse's tables to rpt_recommendations, district by district.

A district learns from its own rows. Three things are found over districts, and none
holds a student: co-use counts (cells of fewer than 10 students are left out) for
districts under 100 students and cold starts, the app's overall effect, and the
settings of districts that are too small to choose their own by more than chance. All
can be switched off (`Options.pooling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
import pyarrow as pa

from trackline.recommender.cold import BandPopularity
from trackline.recommender.gram import NO_BAND, Gram, grams_by_band
from trackline.recommender.model import Recommender
from trackline.recommender.outcome import (
    Outcome,
    estimate_effects,
    fit_district,
)
from trackline.recommender.pool import Pool
from trackline.recommender.settings import (
    Options,
    Shared,
    Small,
    share_settings,
    stands_still,
)
from trackline.recommender.store import Chosen, StoredModel
from trackline.recommender.table import recommendation_table
from trackline.recommender.tasks import spans_of
from trackline.recommender.threads import one_thread, worked
from trackline.recommender.use import Use

__all__ = [
    "SCHEMA",
    "District",
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
    students: pd.DataFrame,
    histories: pd.DataFrame,
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
    used = histories[["district_id", "student_id"]].drop_duplicates()
    sizes = students.merge(used)["district_id"].value_counts()
    done = list(each_district(apps, students, histories, pool, sizes, *rest))
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
    sizes: Mapping[str, int],
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
    sizes : mapping of str to int
        By district, those of `students` with a row of `histories`; no key: none.
    outcomes : DataFrame or callable, optional
        district_id and the columns of `outcome.fit_district`.
    outcome_uses : DataFrame or callable, optional
        district_id and the columns that `outcome.fit_district` takes of uses.
    options : Options, optional
    chosen : callable, optional
        Gives the settings that a large district keeps.
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

    def rows_of(district: str) -> dict[str, pa.Table | pd.DataFrame]:
        return {name: of(district) for name, of in load.items()}

    apps_of = dict(iter(apps.groupby("district_id", sort=True)))
    small = Small.of(sizes, {d: len(own) for d, own in apps_of.items()}, options)
    shared = share_settings((d, apps_of[d], rows_of(d)) for d in small.searched)

    def given() -> Iterator[tuple]:
        for district, own in apps_of.items():
            settings = shared if district in small.districts else chosen(district)
            yield district, own, rows_of(district), pool, effects, options, settings

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
    settings: Shared | Chosen | None = None,
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
    settings : Shared or Chosen, optional
        What small districts share, or what a large one keeps. Without, it is searched.
    """
    with one_thread():
        found = _one(district, own, here, pool, effects, options, settings)
    table, model, note = found
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


def _popularity(total: Gram, everywhere: np.ndarray | None) -> BandPopularity:
    bands = sorted(set(total.bands) - {NO_BAND})
    nobody = np.zeros(len(total.pair) + 1)
    counts = np.array([total.bands.get(b, nobody) for b in (*bands, NO_BAND)])
    return BandPopularity.shrink(bands, counts[:, :-1], counts[:, -1], everywhere)


def _one(
    district: str,
    own: pd.DataFrame,
    here: dict[str, pa.Table | pd.DataFrame],
    pool: Pool | None,
    effects: pd.DataFrame,
    options: Options,
    settings: Shared | Chosen | None,
) -> tuple[pa.Table | None, StoredModel | None, str]:
    own = own.assign(app_id=own["app_id"].astype(str)).sort_values("app_id")
    apps = own["app_id"].to_numpy(object)
    use = Use.of(here["histories"], here["students"], apps)
    if not len(use.everyone.student):
        return None, None, "nobody used an eligible app: nothing is recommended"
    if not len(here["students"]):
        return None, None, "no student has an assessment: nothing is recommended"
    total, pairs = grams_by_band(use.everyone)
    borrowed = everywhere = None
    if options.pooling and pool is not None:
        everywhere = pool.shares_without(total, apps)
        if total.n_students < options.pool_below:
            borrowed = pool.without(total, apps)
    rows = use.rows()
    sample = use.sample()
    fingerprint = use.fingerprint()
    day = None
    is_large = options.is_large(np.count_nonzero(rows.lengths))
    if "as_of" in own and is_large and options.settings_days > 0:
        day = pd.Timestamp(own["as_of"].iloc[0]).date()
    choices = None
    if isinstance(settings, Shared) and len(spans_of(sample)):
        choices = settings.choices(district)
    elif (
        isinstance(settings, Chosen)
        and day
        and stands_still(settings, district, apps, day, options)
    ):
        choices = settings.choices
    model = Recommender(random_state=options.random_state)
    model.fit_gram(
        total,
        sample,
        _popularity(total, everywhere),
        borrowed,
        choices,
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
    if isinstance(settings, Shared) and choices and not settings.is_of(district):
        facts["chosen_with"] = len(settings.asked)
    elif day and model.is_searched:
        facts["chosen_on"] = (settings.chosen_on if choices else day).isoformat()
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
    scorer = model.scorers_[model.task_of(rows)]
    blend = ", ".join(dict.fromkeys(c.member for c, _ in scorer.choice.blend))
    note = f"{blend} from {int(total.n_students)} students"
    if model.kappa_:
        note += f" and {model.kappa_:g} pooled ones"
    return table.select(SCHEMA.names), stored, note
