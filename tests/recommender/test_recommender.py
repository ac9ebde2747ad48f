"""The estimator: conventions of scikit-learn, determinism, what may be recommended."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from recommender_data import interactions
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from trackline.recommender import Recommender
from trackline.recommender.cold import BandPopularity
from trackline.recommender.frames import FOLDS, encode, student_hashes
from trackline.recommender.gram import blocks, gram_of
from trackline.recommender.members import GRIDS, _ahead, evened, solve
from trackline.recommender.metrics import gini, hits, ndcg, ndcg_of, recall, top_k
from trackline.recommender.selection import Choice, _by_solution, choose
from trackline.recommender.stream import fit_batches, recommend_batches
from trackline.recommender.tasks import Candidate, Part, complete_task, next_task


@pytest.fixture(scope="module")
def fitted(rows):
    return Recommender(random_state=0).fit(rows)


def test_conventions_of_scikit_learn(rows, fitted):
    assert fitted.get_params() == {"random_state": 0}
    assert clone(fitted).set_params(random_state=3).random_state == 3
    assert not hasattr(clone(fitted), "apps_")
    with pytest.raises(NotFittedError):
        Recommender().recommend(rows)
    assert isinstance(fitted.fit(rows), Recommender)
    assert "Recommender" in repr(fitted)


def test_missing_columns_and_empty_data_are_refused():
    with pytest.raises(ValueError, match="app_id"):
        Recommender().fit(pd.DataFrame({"student_id": ["a"]}))
    with pytest.raises(ValueError, match="nothing to learn"):
        Recommender().fit(pd.DataFrame({"student_id": [], "app_id": []}))


def test_a_number_of_recommendations_is_whole_and_positive(rows, fitted):
    with pytest.raises(ValueError, match="k is 0"):
        fitted.recommend(rows, k=0)
    with pytest.raises(TypeError, match="integer"):
        fitted.recommend(rows, k=2.0)


def test_two_fits_give_the_same_bytes_and_row_order_does_not_matter(rows, fitted):
    again = Recommender(random_state=0).fit(rows.sample(frac=1, random_state=4))
    for name, scorer in fitted.scorers_.items():
        assert again.scorers_[name].choice == scorer.choice
        for one, other in zip(scorer.layers, again.scorers_[name].layers, strict=True):
            assert one.weights.tobytes() == other.weights.tobytes()
    pd.testing.assert_frame_equal(fitted.recommend(rows), again.recommend(rows))


def test_edlae_is_tried_around_the_means_of_bands_where_there_are_some(rows, fitted):
    tried = [
        r for r in fitted.scorers_["complete"].choice.table if r["member"] == "edlae"
    ]
    assert len(tried) <= 24
    assert sum("centred" in r["setting"] for r in tried) == 2
    without = Recommender(random_state=0).fit(rows.drop(columns="band"))
    table = without.scorers_["complete"].choice.table
    assert not any("centred" in r["setting"] for r in table)


def test_centred_edlae_forgets_co_use_that_the_band_explains():
    # x and y are used by all of one band and z by all of the other: within a band
    # nothing is left to learn, so what remains is the share of all students
    data = [(f"a{i}", app, "high") for i in range(30) for app in "xy"]
    data += [(f"b{i}", "z", "low") for i in range(10)]
    rows = encode(pd.DataFrame(data, columns=["student_id", "app_id", "band"]))
    gram = gram_of(blocks(rows), 3)
    plain = solve("edlae", gram, {"ridge": 0.1, "dropout": 0.5, "even": 0})
    assert plain[0, 1] > 0.3 > plain[0, 2] == pytest.approx(0)
    setting = {"ridge": 0.1, "dropout": 0.5, "even": 0, "centred": True}
    share = np.array([30, 30, 10]) / 70
    np.testing.assert_allclose(
        solve("edlae", gram, setting), np.tile(share, (3, 1)), atol=1e-9
    )


def test_result_has_the_columns_ranks_and_nothing_used(rows, fitted):
    made = fitted.recommend(rows, k=3)
    assert made.columns.tolist() == ["student_id", "rank", "app_id", "score"]
    assert made["rank"].between(1, 3).all()
    assert not made.duplicated(["student_id", "app_id"]).any()
    assert (made.groupby("student_id")["score"].diff().dropna() <= 0).all()
    used = set(zip(rows.student_id, rows.app_id, strict=True))
    assert not used & set(zip(made.student_id, made.app_id, strict=True))
    with_used = fitted.recommend(rows, k=3, exclude_used=False)
    assert used & set(zip(with_used.student_id, with_used.app_id, strict=True))


def test_taste_is_found(fitted):
    # even apps go together, and odd ones
    new = pd.DataFrame({"student_id": "x", "app_id": ["app00", "app02", "app04"]})
    first = fitted.recommend(new, k=2).app_id.str[3:].astype(int)
    assert (first % 2 == 0).all()


def test_an_app_nobody_used_is_never_recommended(fitted):
    new = pd.DataFrame({"student_id": ["x", "y"], "app_id": ["app00", None]})
    assert "app11" not in set(fitted.recommend(new, k=50).app_id)


def test_new_students_unknown_apps_and_no_history(fitted):
    new = pd.DataFrame(
        {
            "student_id": ["cold", "cold2", "stranger"],
            "app_id": [None, None, "an app of elsewhere"],
            "band": ["excellent", "satisfactory", None],
        }
    )
    made = fitted.recommend(new, k=3)
    assert set(made.student_id) == {"cold", "cold2", "stranger"}
    tops = made[made["rank"] == 1].set_index("student_id").app_id
    # the band's own popularity answers: its members prefer even or odd apps
    assert int(tops["cold"][3:]) % 2 == 0
    assert int(tops["cold2"][3:]) % 2 == 1


@pytest.mark.parametrize(
    "frame",
    [
        pd.DataFrame({"student_id": ["a"] * 2 + ["b"], "app_id": ["x", "y", "x"]}),
        pd.DataFrame({"student_id": ["a", "b"], "app_id": ["x", "x"]}),
        pd.DataFrame({"student_id": list("abcde"), "app_id": list("xyxyz")}),
        pd.DataFrame({"student_id": [1, "1", "a", "b"], "app_id": list("xyxy")}),
        interactions(5),
    ],
    ids=["two students", "one app", "no co-use", "ids of two kinds", "five students"],
)
def test_tiny_data_work(frame):
    made = Recommender().fit(frame).recommend(frame)
    used = set(zip(frame.student_id, frame.app_id, strict=True))
    assert not used & set(zip(made.student_id, made.app_id, strict=True))
    assert np.isfinite(made.score).all()


def test_equal_scores_are_ordered_by_app():
    # everybody used one app only: nothing says which other one is better
    frame = pd.DataFrame({"student_id": list("abcd"), "app_id": list("wxyz")})
    made = Recommender().fit(frame).recommend(frame)
    for _, one in made.groupby("student_id"):
        assert one.app_id.tolist() == sorted(one.app_id)


def test_new_students_with_times_are_completed_known_ones_continued(rows, fitted):
    assert "next" in fitted.scorers_
    assert fitted.task_of(encode(rows, fitted.apps_)) == "next"
    new = rows.assign(student_id="new" + rows.student_id)
    assert fitted.task_of(encode(new, fitted.apps_)) == "complete"
    assert len(fitted.recommend(new, k=1))
    held = student_hashes(rows.student_id.unique()) % FOLDS == 0
    kept = rows[~rows.student_id.isin(rows.student_id.unique()[held])]
    model = Recommender().fit(kept)
    assert len(model.scorers_["complete"].choice.table) > 10, "no fold may be needed"


def test_a_task_that_was_not_trained_is_refused_by_name(rows):
    model = Recommender().fit(rows.drop(columns="used_at"))
    with pytest.raises(ValueError, match="'next': trained are complete"):
        model.recommend(rows, task="next")


def test_numbers_as_ids_come_back_as_numbers():
    frame = pd.DataFrame({"student_id": [1, 1, 2, 2, 10], "app_id": [7, 8, 7, 8, 7]})
    made = Recommender().fit(frame).recommend(frame)
    assert made[["student_id", "app_id"]].to_numpy().tolist() == [[10, 8]]
    cold = pd.DataFrame({"student_id": [3, 10], "app_id": [None, 7.0]})
    made = Recommender().fit(frame).recommend(cold)
    assert set(zip(made.student_id, made.app_id, strict=True)) == {
        (3, 7),
        (3, 8),
        (10, 8),
    }
    assert made.student_id.dtype.kind == "i"


def test_weights_repeats_and_arrow_are_accepted(rows):
    twice = pd.concat([rows, rows]).assign(weight=1.0)
    twice.loc[twice.app_id == "app00", "weight"] = 0.0
    twice.loc[twice.app_id == "app01", "weight"] = None  # not told: a use like others
    model = Recommender().fit(pa.Table.from_pandas(twice, preserve_index=False))
    assert "app00" not in model.apps_
    assert "app01" in model.apps_


def test_next_task_prefers_what_comes_next():
    # apps are taken up in one order: the next one is always the one after the last
    rng = np.random.default_rng(0)
    data = [
        (f"s{s:03d}", f"app{(start + j) % 30:02d}", 10.0 * s + j)
        for s, start in enumerate(rng.integers(0, 30, 300))
        for j in range(8)
    ]
    frame = pd.DataFrame(data, columns=["student_id", "app_id", "used_at"])
    made = Recommender().fit(frame).recommend(frame, k=1).set_index("student_id")
    last = frame.groupby("student_id").app_id.last().str[3:].astype(int)
    expected = (last + 1) % 30
    assert (made.app_id.str[3:].astype(int) == expected[made.index]).mean() > 0.95


def test_ids_may_be_truths_and_ranks_many():
    truths = pd.DataFrame({"student_id": list("abb"), "app_id": [True, False, True]})
    made = Recommender().fit(truths).recommend(truths)
    assert made.app_id.tolist() == ["False"]
    apps = [f"app{n:03d}" for n in range(200)]
    wide = pd.DataFrame({"student_id": "s1", "app_id": apps[:1]})
    all_of_them = pd.DataFrame({"student_id": "s0", "app_id": apps})
    ordered = pd.concat([all_of_them, wide])
    batches = pa.Table.from_pandas(ordered, preserve_index=False).to_batches()
    model = fit_batches(iter(batches), apps)
    made = pa.Table.from_batches(recommend_batches(model, iter(batches), k=150))
    assert made["rank"].to_pylist() == list(range(1, 151))


def test_no_use_after_what_is_hidden_decides_a_choice(rows):
    sample = encode(rows)
    hindsight = replace(sample, last=sample.first + 100.0 * sample.app)
    assert choose(next_task(hindsight)) == choose(next_task(sample))


def test_streamed_fit_recommends_as_the_whole(rows):
    frame = rows[["student_id", "app_id"]].sort_values(["student_id", "app_id"])
    table = pa.Table.from_pandas(frame, preserve_index=False)
    model = fit_batches(iter(table.to_batches(100)), frame.app_id.unique())
    whole = Recommender().fit(frame)
    parts = recommend_batches(model, iter(table.to_batches(64)), k=3)
    made = pa.Table.from_batches(parts).to_pandas()
    expected = whole.recommend(frame, k=3)
    assert made.student_id.tolist() == expected.student_id.tolist()
    same = made.app_id.astype(str).to_numpy() == expected.app_id.to_numpy()
    assert same.mean() > 0.99  # float32 may swap near equals
    np.testing.assert_allclose(made.score, expected.score, rtol=1e-3, atol=1e-4)


def test_measures_by_hand():
    scores = np.array([[0.1, 0.9, 0.9, 0.2], [0.0, 0.0, 0.0, 0.0]])
    assert top_k(scores, 3).tolist() == [[1, 2, 3], [0, 1, 2]]
    wide = np.zeros((1, 100))
    wide[0, [5, 50]] = 1
    assert top_k(wide, 4).tolist() == [[5, 50, 0, 1]]
    hit = np.array([[True, False, True]])
    # (1 + 1/2) / (1 + 1/log2(3)); both wanted found among three
    assert ndcg(hit, np.array([2]), 3)[0] == pytest.approx(1.5 / (1 + 0.63093), 1e-4)
    assert recall(hit, np.array([4]), 3)[0] == 0.5
    assert gini(np.array([1, 1, 1])) == 0
    assert gini(np.array([0, 0, 3])) == pytest.approx(2 / 3)


@pytest.mark.parametrize("values", [1, 3, 30, 10**6], ids="{} scores".format)
def test_ndcg_of_wanted_apps_is_that_of_the_ranking(values):
    rng = np.random.default_rng(values)
    for _ in range(40):
        shape = rng.integers(1, 30), rng.integers(2, 60)
        scores = rng.integers(0, values, shape).astype(np.float32)
        scores[rng.random(shape) < 0.3] = -np.inf
        wanted = sparse.csr_matrix(rng.random(shape) < 0.15)
        top = top_k(scores, 10)
        is_scored = np.isfinite(np.take_along_axis(scores, top, axis=1))
        expected = ndcg(hits(top, wanted) & is_scored, np.diff(wanted.indptr))
        np.testing.assert_allclose(ndcg_of(scores, wanted), expected)


def test_candidates_of_one_solution_are_solved_once_and_score_as_alone(rows):
    encoded = encode(rows)
    total = gram_of(blocks(encoded), len(encoded.apps))
    for task in (complete_task(total, encoded, 0), next_task(encoded)):
        together = {c: task.scores(c) for c in _by_solution(task.candidates)}
        for candidate, scores in together.items():
            for part, score in zip(task.parts, scores, strict=True):
                part.solved.clear()
                np.testing.assert_array_equal(part.scores(candidate), score)


def test_what_rounds_have_ahead_is_the_rest_of_their_series():
    assert _ahead([8.0, 4.0, 2.0]) == pytest.approx(2.0)
    # the slower of the last two ratios: 3/4 leaves three times the last move
    assert _ahead([9.0, 8.0, 2.0, 1.5]) == pytest.approx(4.5)
    # a beginning tells no ratio, and what grows is far from its end
    assert _ahead([8.0, 4.0]) == _ahead([0.0, 0.0, 1.0]) == np.inf
    assert _ahead([1.0, 2.0, 4.0]) > 100


def test_a_blend_solves_slim_once(rows):
    encoded = encode(rows)
    total = gram_of(blocks(encoded), len(encoded.apps))
    task = complete_task(total, encoded, 0)
    slims = [c for c in task.candidates if c.member == "slim"]
    # the same setting under several decays is one solution
    aged = [replace(c, tau=tau) for c in slims for tau in (None, 3.0, 30.0)]
    chosen = choose(replace(task, candidates=aged, finer=None))
    assert len({c.solved_by for c in aged}) > 1
    assert len({c.solved_by for c, _ in chosen.blend}) == 1


def test_weights_that_are_the_same_are_solved_once(rows, monkeypatch):
    solved = []
    plain = Part.weights

    def watched(part, candidate):
        solved.append(candidate.solved_by)
        return plain(part, candidate)

    monkeypatch.setattr(Part, "weights", watched)
    encoded = encode(rows)
    total = gram_of(blocks(encoded), len(encoded.apps))
    setting = (("ridge", 0.2), ("sparsity", 0.0), ("even", 0))
    blend = [(Candidate("slim", setting, tau), 1.0) for tau in (None, 3.0, 30.0)]
    popularity = BandPopularity.of(encoded)
    choices = {"complete": Choice(blend, [])}
    model = Recommender().fit_gram(total, encoded, popularity, choices=choices)
    assert len(solved) == 1
    assert len(model.scorers_["complete"].layers) == 3


def test_history_shares_fade_with_age():
    frame = pd.DataFrame(
        {
            "student_id": "a",
            "app_id": ["x", "y"],
            "used_at": ["2026-01-01", "2026-01-11"],
        }
    )
    shares = encode(frame).history(10.0).toarray()[0]
    assert shares[0] / shares[1] == pytest.approx(np.exp(-1))
    assert shares.sum() == pytest.approx(1)


def some_use(kind: str) -> np.ndarray:
    """Return students x apps: two tastes, nearly all apps, or apps that go together."""
    rng = np.random.default_rng(0)
    if kind == "tastes":
        return encode(interactions()).matrix().toarray()
    if kind == "nearly all":
        return rng.random((500, 24)) < 0.9
    bundle = np.repeat(rng.random((500, 4)) < 0.4, 6, axis=1)
    return rng.random((500, 24)) < np.where(bundle, 0.85, 0.05)


@pytest.mark.parametrize("kind", ["tastes", "nearly all", "bundles"])
@pytest.mark.parametrize("setting", GRIDS["slim"])
def test_slim_reaches_the_least_of_what_it_minimises(setting, kind):
    used = sparse.csr_matrix(some_use(kind).astype(float))
    gram = gram_of([(used, None)], used.shape[1])
    pair, n = evened(gram, setting["even"]), gram.n_students
    size, bound = setting["ridge"] * n, setting["sparsity"] * n
    # by coordinate descent: 1/2 |X - XB|^2 + 1/2 size |B|^2 + bound |B|_1, B >= 0
    best = np.zeros_like(pair)
    for _ in range(1000):
        for i in range(len(pair)):
            free = pair[i] - pair[i] @ best + pair[i, i] * best[i] - bound
            best[i] = np.maximum(free, 0) / (pair[i, i] + size)
            best[i, i] = 0
    made = solve("slim", gram, setting)
    assert np.all(np.diag(made) == 0)
    assert np.abs(made - best).sum() < 0.02 * best.sum()
