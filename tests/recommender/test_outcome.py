"""What may be claimed of use and scores: simulated districts with known truth."""

import numpy as np
import pandas as pd
import pytest
from recommender_data import warehouse

from benchmarks.simulations import run, simulate
from trackline.recommender import Options, recommend_districts
from trackline.recommender.outcome import estimate_effects, fit_district, rerank, shrink


def test_first_pick_is_worth_most_of_the_oracle():
    assert run(20, effect_sd=0.1)["pick_over_oracle"] > 0.58
    assert run(6, n_districts=10)["pick_over_oracle"] > 0.70


def test_no_effect_no_badge():
    assert run(20, effect_sd=0.0)["badges_per_20"] <= 0.1


def test_few_badges_are_false_under_confounding():
    result = run(30, confounding=0.7)
    assert result["badges_per_20"] > 0.3
    assert result["false_share"] <= 0.10


def test_fewer_than_thirty_students_in_an_arm_give_no_estimate():
    data, _ = simulate(0)
    students, uses = data["d0"]
    kept = uses[(uses.app_id != "app03") | (uses.student_id < "00020")]
    assert "app03" not in fit_district(students, kept).apps
    assert "app03" in fit_district(students, uses).apps
    assert fit_district(students.head(40), uses) is None
    level = students.assign(later_score=50.0)
    assert fit_district(level, uses) is None, "all scores equal: nothing to explain"


@pytest.mark.parametrize("schools", [False, True])
@pytest.mark.parametrize("alike", [False, True])
def test_the_estimate_is_least_squares_with_robust_variances(schools, alike):
    students, uses = simulate(2)[0]["d0"]
    if not schools:
        students = students.drop(columns="school_id")
    # a grade that is another name of the band: the columns explain one another
    grade = students.band if alike else students.band.map(lambda band: "all")
    students = students.assign(grade_level=grade)
    # its minutes are use, its effect is nobody's question
    uses["is_recommendable"] = uses.app_id != "app05"
    fit = fit_district(students.sample(frac=1, random_state=0), uses)
    assert "app05" not in fit.apps
    assert "app05" in fit_district(students, uses.drop(columns="is_recommendable")).apps

    minutes = uses.pivot_table(
        index="student_id", columns="app_id", values="usage_minutes", aggfunc="sum"
    ).reindex(students.student_id)[fit.apps]
    of_all = uses.groupby("student_id").usage_minutes.sum()

    def standard(values):
        return (values - values.mean()) / values.std()

    def dummies(column):
        return pd.get_dummies(column, drop_first=True).to_numpy(float)

    total = standard(np.log1p(of_all.reindex(students.student_id).fillna(0).to_numpy()))
    prior = standard(students.prior_score.to_numpy())
    later = standard(students.later_score.to_numpy())
    x = np.column_stack(
        [minutes.gt(0).to_numpy(float), np.ones(len(prior)), prior, prior**2, total]
        + [dummies(students[name]) for name in ("band", "grade_level")]
    )
    hat = np.linalg.pinv(x)
    residual = later - x @ hat @ later
    each = hat * (residual / (1 - np.einsum("ij,ji->i", x, hat)))
    variance = np.square(each).sum(axis=1)
    if schools:
        school = pd.get_dummies(students.school_id).to_numpy(float)
        (n, p), g = x.shape, school.shape[1]
        summed = np.square((hat * residual) @ school).sum(axis=1)
        clustered = g / (g - 1) * (n - 1) / (n - p) * summed
        variance = np.maximum(variance, clustered)
    many = len(fit.apps)
    np.testing.assert_allclose(fit.effect, (hat @ later)[:many], rtol=1e-6)
    np.testing.assert_allclose(fit.variance, variance[:many], rtol=1e-6)


def test_without_a_placebo_there_is_no_badge():
    data, _ = simulate(1, effect_sd=0.3)
    students, uses = data["d0"]
    with_placebo = estimate_effects({"d0": fit_district(students, uses)})
    assert with_placebo.is_associated.any()
    blind = students.drop(columns="earlier_score")
    without = estimate_effects({"d0": fit_district(blind, uses)})
    assert not without.is_associated.any()
    assert len(without) == len(with_placebo)


def test_a_placebo_known_in_one_school_alone_spoils_no_estimate():
    students, uses = simulate(0, n_students=6000)[0]["d0"]
    only = students.school_id == "0"
    students.loc[~only, "earlier_score"] = np.nan
    whole = simulate(1)[0]["d0"]
    fits = {"one": fit_district(students, uses), "other": fit_district(*whole)}
    assert fits["one"].placebo is not None, "the school is too small for this test"
    assert np.isfinite(estimate_effects(fits).effect).all()


COPIES = {
    "one earlier score for all": {"earlier_score": lambda s: 100.0},
    "the prior score twice": {"earlier_score": lambda s: s.prior_score},
    "the prior score in points": {"earlier_score": lambda s: s.prior_score.round()},
    "another scale": {"earlier_score": lambda s: np.exp(s.prior_score / 30)},
    "nothing new": {"later_score": lambda s: s.prior_score},
    "nothing new in points": {"later_score": lambda s: s.prior_score.round()},
    "one later score for all": {"later_score": lambda s: 0.1},
}


@pytest.mark.parametrize("copies", COPIES.values(), ids=COPIES)
def test_a_score_that_tells_nothing_spoils_no_other_district(copies):
    data, _ = simulate(0, n_districts=5, effect_sd=0.1)
    others = {d: fit_district(*data[d]) for d in ("d0", "d1", "d2", "d3")}
    students, uses = data["d4"]
    odd = fit_district(students.assign(**copies), uses)
    if "later_score" in copies:
        assert odd is None
        return
    assert odd.placebo is None
    beside = estimate_effects({**others, "d4": odd})
    beside = beside[beside.district_id != "d4"].reset_index(drop=True)
    pd.testing.assert_frame_equal(beside, estimate_effects(others))


def test_estimates_without_a_placebo_are_no_evidence_for_others():
    data, _ = simulate(0, n_districts=6, effect_sd=0.0)
    fits = {
        d: fit_district(
            students if d < "d3" else students.drop(columns="earlier_score"), uses
        )
        for d, (students, uses) in data.items()
    }
    together = estimate_effects(fits)
    alone = estimate_effects({d: fit for d, fit in fits.items() if d < "d3"})
    known = together[together.district_id < "d3"].reset_index(drop=True)
    pd.testing.assert_frame_equal(known, alone)
    assert not together[together.district_id >= "d3"].is_associated.any()


def test_shrinkage_pulls_to_the_mean_and_more_where_less_is_known():
    effect = np.array([0.4, 0.4, 0.0, -0.1, 0.1, 0.0])
    variance = np.array([0.001, 0.2, 0.01, 0.01, 0.01, 0.01])
    made = shrink(effect, variance, np.arange(6))
    assert 0.3 < made.mean[0] < 0.4
    assert made.mean[1] < 0.2
    assert made.probability[0] > 0.95 > made.probability[1]


def test_a_bias_of_the_app_is_not_averaged_out_over_districts():
    # ten districts agree on one app of four: that they do may be the app's bias
    app = np.repeat(np.arange(4), 10)
    effect = np.where(app == 0, 0.2, 0.0) + np.tile(np.linspace(-0.02, 0.02, 10), 4)
    variance = np.full(40, 0.01)
    sure = shrink(effect, variance, app, center=0.0)
    doubtful = shrink(effect, variance, app, np.full(4, 0.04), center=0.0)
    assert sure.probability[0] > 0.9 > doubtful.probability[0]
    assert doubtful.shared[0] > 2 * sure.shared[0]
    none = shrink(effect, variance, app, np.zeros(4), center=0.0)
    np.testing.assert_array_equal(none.mean, sure.mean)


def test_what_all_apps_seem_to_do_is_no_evidence_for_one():
    # each 0.1 +- 0.1: a mean that is free would promise 0.1 +- 0.02 of every app
    effect, variance = np.full(20, 0.1), np.full(20, 0.01)
    assert shrink(effect, variance, np.arange(20)).probability.min() > 0.9
    assert shrink(effect, variance, np.arange(20), center=0.0).probability.max() < 0.9


def test_small_districts_with_small_effects_get_hardly_a_badge_and_hardly_a_false_one():
    small = run(40, n_students=200, effect_sd=0.05)
    assert small["badges_per_20"] * small["false_share"] <= 0.05
    better = run(40, n_students=200, effect_sd=0.1)
    assert better["badges_per_20"] * better["false_share"] <= 0.05


def test_rerank_by_hand():
    scores = np.array([[3.0, 2.9, 1.0, -np.inf]])
    low = np.array([[np.nan, 0.2, -0.5, np.nan]])
    assert rerank(scores, low, 0.0).tolist() == [[0, 1, 2, 3]]
    # spread 0.92: exp(-0.1/0.92) x 1.2 > 1; a negative bound demotes nothing
    assert rerank(scores, low, 1.0).tolist() == [[1, 0, 2, 3]]
    assert rerank(np.zeros((1, 3)), np.full((1, 3), np.nan), 1.0).tolist() == [
        [0, 1, 2]
    ]


def test_effects_reach_the_table_the_reason_and_the_switch():
    tables = warehouse({"north": 300})
    rng = np.random.default_rng(0)
    students = tables["students"]
    ability = rng.normal(size=len(students))
    uses = tables["histories"][["district_id", "student_id", "app_id"]].assign(
        usage_minutes=30.0
    )
    has = students.student_id.isin(uses[uses.app_id == "app04"].student_id).to_numpy()
    outcomes = students.assign(
        earlier_score=70 + 10 * (ability + rng.normal(0, 0.3, len(has))),
        prior_score=70 + 10 * (ability + rng.normal(0, 0.3, len(has))),
        later_score=70 + 10 * (ability + 0.8 * has + rng.normal(0, 0.3, len(has))),
    )
    given = tables | {"outcomes": outcomes, "outcome_uses": uses}
    made = recommend_districts(**given).recommendations
    helps = made[made.app_id == "app04"]
    assert len(helps)
    assert helps.is_associated.all()
    assert (helps.effect_low > 0.03).all()
    assert helps.reason.str.contains("associated with improvement").all()
    assert not made.reason.str.contains("causes|improves").any()
    strong = recommend_districts(**given, options=Options(outcome_weight=50.0))
    none = recommend_districts(**given, options=Options(outcome_weight=0.0))

    def first(result):
        table = result.recommendations
        return (table[table["rank"] == 1].app_id == "app04").mean()

    assert first(strong) > first(none)
    plain = recommend_districts(**tables).recommendations
    pd.testing.assert_series_equal(none.recommendations.app_id, plain.app_id)
