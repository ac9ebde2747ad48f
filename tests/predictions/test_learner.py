"""The learner: stored trees predict what scikit-learn's do; quality; probabilities."""

from __future__ import annotations

import io
import tracemalloc

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import brier_score_loss, roc_auc_score

from trackline.predictions.dataset import (
    Dataset,
    MissingClassError,
    read_dataset,
    write_dataset,
)
from trackline.predictions.folds import stratified_folds
from trackline.predictions.learner import _flatten, fit
from trackline.predictions.model import Classifier, Member, ModelError


@pytest.mark.parametrize("k", [2, 3])
def test_flattened_trees_are_scikit_learns(k):
    """The arrays come from private attributes: a new scikit-learn may change them."""
    random = np.random.default_rng(0)
    x = random.normal(size=(600, 4)).round(2)
    y = (x[:, 0] * x[:, 1] > 0).astype(int) + (k == 3) * (x[:, 2] > 1)
    model = HistGradientBoostingClassifier(max_iter=15, early_stopping=False)
    raw = model.fit(x, y)._raw_predict(x)
    member = Member(
        kept=np.arange(4), mean=np.zeros(4), scale=np.ones(4),
        coef=np.zeros((k, 4)), intercept=np.zeros(k), weights=np.array([0.0, 1.0]),
        **_flatten([model], 15, k),
    )  # fmt: skip
    member.check(4, k)
    ours = member.logits(x)
    expected = np.hstack([np.zeros_like(raw), raw]) if k == 2 else raw
    np.testing.assert_allclose(ours, expected, atol=1e-9)


def nonlinear(rows: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(4)
    x = random.uniform(-1, 1, (rows, 10)).round(2).astype("f4")
    y = (x[:, 0] * x[:, 1] + 0.3 * x[:, 2] > 0).astype(int)
    flipped = random.random(rows) < 0.05
    y[flipped] = 1 - y[flipped]
    return x, y


def test_interactions_are_learned_and_told_with_the_right_confidence():
    x, y = nonlinear(3000)
    model = Classifier.from_files(fit(x[:2000], y[:2000], (0, 1)).to_files())
    told = model.predict_proba(x[2000:])[:, 1]
    assert roc_auc_score(y[2000:], told) > 0.9
    # 0.0475 is the least possible with 5 % of the labels flipped
    assert brier_score_loss(y[2000:], told) < 0.1
    sure = told > 0.9
    assert abs(y[2000:][sure].mean() - told[sure].mean()) < 0.05


def test_what_is_held_of_the_trees_does_not_grow_with_their_number():
    x, y = nonlinear(20_000)
    tracemalloc.start()
    fit(x, y, (0, 1))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 25_000_000, "150 rounds of logits alone are 48 MB"


def test_same_rows_same_bytes():
    x, y = nonlinear(400)
    first, second = (fit(x, y, (0, 1)).to_files() for _ in range(2))
    assert first == second


def test_random_labels_are_not_believed():
    random = np.random.default_rng(0)
    x = random.integers(-1, 2, (300, 4)).astype("f4")
    told = fit(x, random.integers(0, 2, 300), (0, 1)).predict_proba(x)
    assert told.max() < 0.75


def test_a_class_without_rows_is_refused():
    with pytest.raises(MissingClassError):
        fit(np.zeros((4, 1), "f4"), np.zeros(4, int), (0, 1))
    with pytest.raises(ValueError, match="none of the classes"):
        fit(np.zeros((2, 1), "f4"), np.array([0, 7]), (0, 1))


def test_a_class_with_one_row_is_never_held_out():
    folds = stratified_folds(np.array([0] * 9 + [1]), 4, seed=0)
    assert folds[-1] == -1
    assert sorted(np.bincount(folds[:-1])) == [2, 2, 2, 3]
    x = np.arange(300, dtype="f4")[:, None]
    y = np.array([0] * 150 + [1] * 149 + [2])
    assert fit(x, y, (0, 1, 2)).predict_proba(x).shape == (300, 3)


def test_files_of_another_format_are_refused():
    files = fit(np.array([[0], [1]], "f4"), np.array([0, 1]), (0, 1)).to_files()
    for name in files:
        with pytest.raises(ModelError):
            Classifier.from_files({**files, name: b"{}"})
        with pytest.raises(ModelError):
            Classifier.from_files({n: files[n] for n in files if n != name})


def test_dataset_round_trip():
    features = np.array([[0.5, -1], [0.33, np.nan]], "f4")
    labelled = Dataset(
        ("range/0", "\\core\\indicator"),
        features,
        (0, 1),
        labels=np.array([1, 0]),
        metadata={"timesplitting": "\\core\\quarters", "targettype": "discrete"},
    )
    written = write_dataset(labelled)
    assert b'"\\core\\indicator"' in written
    assert b'"[0,1]"' in written
    assert b"0.33,,0\n" in written
    found = read_dataset(io.BytesIO(written), labelled=True)
    assert (found.columns, found.classes) == (labelled.columns, (0, 1))
    assert found.labels.tolist() == [1, 0]
    np.testing.assert_array_equal(found.features, np.nan_to_num(features))
    asked = Dataset(found.columns, found.features, (0, 1), sample_ids=("7-0", "8-0"))
    again = read_dataset(io.BytesIO(write_dataset(asked)), labelled=False)
    assert again.sample_ids == ("7-0", "8-0")
