"""From the warehouse's tables to rpt_recommendations, district by district.

A district learns from its own rows. Two statistics are pooled over districts, and
neither holds a student: co-use counts (cells of fewer than 10 students are left out)
for districts under 100 students and cold starts, and the app's overall effect. Both
can be switched off (`Options.pooling`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field

import numpy as np
import pandas as pd
from scipy import sparse

from trackline.recommender import reasons
from trackline.recommender.cold import BandPopularity
from trackline.recommender.frames import Rows, encode
from trackline.recommender.gram import NO_BAND, Gram
from trackline.recommender.model import Recommender, sample_of
from trackline.recommender.outcome import (
    Outcome,
    estimate_effects,
    fit_district,
)
from trackline.recommender.sql import grams_of
from trackline.recommender.store import StoredModel, fingerprint_of
from trackline.recommender.table import recommendation_table

__all__ = [
    "COLUMNS",
    "District",
    "Options",
    "Pool",
    "Result",
    "each_district",
    "effects_of",
    "one_district",
    "recommend_districts",
]

COLUMNS = [
    "district_id", "student_id", "rank", "app_id", "score", "is_new", "reason",
    "similar_students", "effect", "effect_low", "effect_high", "is_associated",
    "model_id",
]  # fmt: skip


_WINDOW = (("first_used_on", "min"), ("last_used_on", "max"))


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
    random_state : int
    """

    top_n: int = 5
    outcome_weight: float = 0.5
    pooling: bool = True
    pool_below: int = 100
    include_familiar: bool = True
    random_state: int = 0


@dataclass
class Result:
    """Recommendations of all districts, and how they came about.

    Attributes
    ----------
    recommendations : DataFrame
        COLUMNS, by district_id, student_id, rank.
    models : list of StoredModel
        For `store.save`.
    status : DataFrame
        district_id, students, apps, note: one plain sentence a district.
    """

    recommendations: pd.DataFrame
    models: list[StoredModel] = field(default_factory=list)
    status: pd.DataFrame = field(default_factory=pd.DataFrame)


Loaded = pd.DataFrame | Callable[[str], pd.DataFrame]
"""A table, or what loads the rows of one district of it."""


def recommend_districts(
    apps: pd.DataFrame,
    students: Loaded,
    histories: Loaded,
    co_use: Loaded,
    outcomes: Loaded | None = None,
    outcome_uses: Loaded | None = None,
    options: Options | None = None,
    pool: Pool | None = None,
) -> Result:
    """Train every district and recommend to its students.

    Parameters
    ----------
    apps, students, histories, co_use, outcomes, outcome_uses, options, pool
        As `each_district` takes them.

    Returns
    -------
    Result
    """
    done = list(
        each_district(
            apps, students, histories, co_use, outcomes, outcome_uses, options, pool
        )
    )
    found = [one.recommendations for one in done if one.model is not None]
    status = [(one.district_id, one.students, one.apps, one.note) for one in done]
    return Result(
        pd.concat(found, ignore_index=True)[COLUMNS] if found else _empty(),
        [one.model for one in done if one.model is not None],
        pd.DataFrame(status, columns=["district_id", "students", "apps", "note"]),
    )


@dataclass(frozen=True)
class District:
    """What came of one district.

    Attributes
    ----------
    district_id : str
    recommendations : DataFrame
        COLUMNS; empty without a model.
    model : StoredModel or None
        None where nothing can be recommended.
    students, apps : int
        Who could get recommendations, and of how many apps.
    note : str
        One plain sentence: what was trained, or why nothing was.
    """

    district_id: str
    recommendations: pd.DataFrame
    model: StoredModel | None
    students: int
    apps: int
    note: str


def each_district(
    apps: pd.DataFrame,
    students: Loaded,
    histories: Loaded,
    co_use: Loaded,
    outcomes: Loaded | None = None,
    outcome_uses: Loaded | None = None,
    options: Options | None = None,
    pool: Pool | None = None,
) -> Iterator[District]:
    """Train one district after the other, and recommend to its students.

    Memory is that of the largest district where the tables load a district's rows when
    asked.

    Parameters
    ----------
    apps : DataFrame
        district_id, app_id: the eligible ones (enabled district, recommendable);
        optionally app_name and top_n.
    students : DataFrame or callable
        district_id, student_id, band (null allowed): who gets recommendations (type 1).
    histories : DataFrame or callable
        district_id, student_id, app_id, first_used_on, last_used_on, is_used (counts
        as used now: not recommended). Eligible apps of these students.
    co_use : DataFrame or callable
        `gram_sql` over all students' use of eligible apps, with folds or without.
    outcomes : DataFrame or callable, optional
        district_id and the columns of `outcome.fit_district`.
    outcome_uses : DataFrame or callable, optional
        district_id, student_id, app_id, usage_minutes strictly between the two scores.
    options : Options, optional
    pool : Pool, optional
        Needed where co_use is a callable.

    Yields
    ------
    District
        In order of district_id.
    """
    options = options or Options()
    districts = sorted(apps["district_id"].unique())
    effects = effects_of(_fits(districts, outcomes, outcome_uses), options)
    if pool is None:
        pool = Pool.of(co_use)
    load = {
        "students": _loader(students),
        "histories": _loader(histories),
        "co_use": _loader(co_use),
    }
    for district, own in apps.groupby("district_id", sort=True):
        here = {name: of(district) for name, of in load.items()}
        yield one_district(district, own, here, pool, effects, options)


def one_district(
    district: str,
    own: pd.DataFrame,
    here: dict[str, pd.DataFrame],
    pool: Pool,
    effects: pd.DataFrame,
    options: Options,
) -> District:
    """Train one district and recommend to its students.

    Parameters
    ----------
    district : str
    own : DataFrame
        Its rows of `apps`.
    here : dict of str to DataFrame
        Its rows of students, histories and co_use.
    pool : Pool
    effects : DataFrame
        `effects_of` all districts.
    options : Options
    """
    rows, model, note = _one(district, own, here, pool, effects, options)
    return District(
        district,
        _empty() if rows is None else rows[COLUMNS],
        model,
        len(here["students"]),
        len(own),
        note,
    )


def _loader(table: Loaded) -> Callable[[str], pd.DataFrame]:
    if callable(table):
        return table
    split = dict(iter(table.groupby("district_id", sort=True)))
    return lambda district: split.get(district, table.iloc[:0])


def _empty() -> pd.DataFrame:
    return pd.DataFrame({c: pd.Series(dtype=object) for c in COLUMNS})


def _fits(
    districts: list[str], outcomes: Loaded | None, uses: Loaded | None
) -> dict[str, Outcome]:
    if outcomes is None or uses is None:
        return {}
    outcomes_of, uses_of = _loader(outcomes), _loader(uses)
    fits = {}
    for district in districts:
        own = outcomes_of(district)
        fit = fit_district(own, uses_of(district)) if len(own) else None
        if fit is not None:
            fits[district] = fit
    return fits


def effects_of(fits: dict[str, Outcome], options: Options) -> pd.DataFrame:
    """Estimate every district's effects from `outcome.fit_district` of each."""
    if options.pooling or not fits:
        return estimate_effects(fits)
    return pd.concat([estimate_effects({d: f}) for d, f in fits.items()])


@dataclass(frozen=True)
class Pool:
    """Co-use of all districts together, which holds no student.

    Attributes
    ----------
    apps : ndarray of str
    total : Gram
    """

    apps: np.ndarray
    total: Gram

    @classmethod
    def of(cls, co_use: pd.DataFrame) -> Pool:
        """Add up rows of `gram_sql`, or rows that are added up already."""
        apps = np.sort(co_use["app_id"].unique().astype(str)).astype(object)
        return cls(apps, _summed(co_use, apps))

    def without(self, own: pd.DataFrame, apps: np.ndarray) -> Gram | None:
        """Return co-use per student of the other districts, without cells under 10."""
        known = np.intersect1d(apps.astype(str), self.apps.astype(str))
        here, there = (pd.Index(a).get_indexer(known) for a in (self.apps, apps))
        mine = _summed(own, apps)
        n = self.total.n_students - mine.n_students
        if n < reasons.FEWEST_TOLD:
            return None
        others = {}
        for name in ("pair", "weighted", "directed"):
            everywhere = np.zeros((len(apps), len(apps)))
            everywhere[np.ix_(there, there)] = getattr(self.total, name)[
                np.ix_(here, here)
            ]
            others[name] = everywhere - getattr(mine, name)
        seen = others["pair"] >= reasons.FEWEST_TOLD
        counts = [np.where(seen, count, 0) / n for count in others.values()]
        # who is in which band is known of no other district
        return Gram(1.0, *counts, {NO_BAND: np.append(np.diag(counts[0]), 1.0)})


def _summed(co_use: pd.DataFrame, apps: np.ndarray) -> Gram:
    return grams_of(co_use.assign(fold=0, band=None), apps)[0]


def _popularity(
    co_use: pd.DataFrame, apps: np.ndarray, everywhere: np.ndarray | None
) -> BandPopularity:
    own = co_use[co_use["app_id"] == co_use["next_app_id"]]
    bands = sorted(own["band"].dropna().astype(str).unique())
    group = own["band"].map({b: i for i, b in enumerate(bands)}).fillna(len(bands))
    group = group.to_numpy(int)
    column = pd.Index(apps).get_indexer(own["app_id"].astype(object))
    users = np.zeros((len(bands) + 1, len(apps)))
    kept = column >= 0
    np.add.at(
        users, (group[kept], column[kept]), own["pair_count"].to_numpy(float)[kept]
    )
    share = own["weighted_count"].to_numpy(float) / 1e6
    n = np.rint(np.bincount(group, share, minlength=len(bands) + 1))
    return BandPopularity.shrink(bands, users, n, everywhere)


def _rows(
    here: dict[str, pd.DataFrame], apps: np.ndarray
) -> tuple[Rows, sparse.csr_matrix]:
    """Return every student's history, and what is excluded (students x apps)."""
    history = here["histories"]
    history = history[history["student_id"].isin(here["students"]["student_id"])]
    ends = ("first_used_on", "last_used_on")
    uses = [history[["student_id", "app_id"]].assign(used_at=history[e]) for e in ends]
    none = here["students"][["student_id", "band"]]
    rows = encode(pd.concat([none.assign(app_id=None, used_at=pd.NaT), *uses]), apps)
    now = history[history["is_used"].astype(bool)]
    at = pd.Index(rows.students).get_indexer(now["student_id"].astype(object))
    column = pd.Index(apps).get_indexer(now["app_id"].astype(object))
    ok = column >= 0
    excluded = sparse.csr_matrix(
        (np.ones(ok.sum(), bool), (at[ok], column[ok])), shape=rows.shape
    )
    return rows, excluded


def _one(
    district: str,
    own: pd.DataFrame,
    here: dict[str, pd.DataFrame],
    pool: Pool,
    effects: pd.DataFrame,
    options: Options,
) -> tuple[pd.DataFrame | None, StoredModel | None, str]:
    own = own.assign(app_id=own["app_id"].astype(str)).sort_values("app_id")
    apps = own["app_id"].to_numpy(object)
    co_use = here["co_use"]
    used_apps = co_use["app_id"].isin(apps)
    if not used_apps.any():
        return None, None, "nobody used an eligible app: nothing is recommended"
    if not len(here["students"]):
        return None, None, "no student has an assessment: nothing is recommended"
    total, *rest = grams_of(co_use, apps).values()
    for gram in rest:
        total = total.plus(gram)
    pooled = pool.without(co_use, apps) if options.pooling else None
    few = total.n_students < options.pool_below
    everywhere = None if pooled is None else np.diag(pooled.pair)
    popularity = _popularity(co_use, apps, everywhere)
    rows, excluded = _rows(here, apps)
    sample = sample_of(rows.select(np.flatnonzero(rows.lengths > 0)))
    model = Recommender(random_state=options.random_state)
    model.fit_gram(total, sample, popularity, pooled if few else None)
    # the sample is what validation asks; the matrix knows all of them
    model.students_ = rows.students

    local = effects[effects["district_id"] == district]
    local = local.set_index(pd.Index(apps).get_indexer(local["app_id"].astype(object)))
    local = local[local.index >= 0]
    window = [str(here["histories"][c].agg(f)) for c, f in _WINDOW]
    stored = StoredModel.of(
        district,
        model,
        local.drop(columns="district_id"),
        {
            "fingerprint": fingerprint_of(co_use, here["histories"], here["students"]),
            "training_window": window if len(here["histories"]) else [],
            "rows": {name: len(t) for name, t in here.items()},
            "options": asdict(options),
        },
    )
    k = int(own["top_n"].iloc[0]) if "top_n" in own else options.top_n
    table = recommendation_table(
        model,
        rows,
        excluded,
        co_use,
        own,
        local,
        k,
        options.outcome_weight,
        options.include_familiar,
    )
    table.insert(0, "district_id", district)
    table["model_id"] = stored.model_id
    blend = ", ".join(c.member for c, _ in model.scorers_[model.task_of(rows)].blend)
    note = f"{blend} from {int(total.n_students)} students"
    if few and model.kappa_:
        note += f" and {model.kappa_:g} pooled ones"
    return table, stored, note
