"""Rows of one course are held out together, so that nothing is found again."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score

from trackline.predictions import folds, learner
from trackline.predictions.dataset import Dataset
from trackline.predictions.evaluation import evaluate, verdict
from trackline.predictions.folds import courses_of, folds_of, stratified_order
from trackline.predictions.limits import Deadline

COURSES, STUDENTS, RANGES = 4, 60, 3
SIGNAL, TRAITS = 2, 8
COLUMNS = (
    *(f"range/{i}" for i in range(RANGES)),
    *(f"trait{i}" for i in range(TRAITS)),
    *(f"signal{i}" for i in range(SIGNAL)),
    "signal0/mean",
    "signal1/mean",
)


def site(by_student: bool, courses: int = COURSES, seed: int = 0):
    """Make students whose traits say nothing but are the same in every range."""
    random = np.random.default_rng(seed)
    rows, labels, course_of = [], [], []
    for course in range(courses):
        traits = random.uniform(-1, 1, (STUDENTS, TRAITS)).round(2)
        ability = random.normal(size=STUDENTS)
        y = (ability + random.normal(scale=0.7, size=STUDENTS) > 0).astype(int)
        keys = [(i, r) for r in range(RANGES) for i in range(STUDENTS)]
        signals = {
            key: np.clip(ability[key[0]] / 3 + random.normal(scale=0.3, size=2), -1, 1)
            for key in keys
        }
        means = [
            np.mean([signals[i, r] for i in range(STUDENTS)], axis=0).round(2)
            for r in range(RANGES)
        ]
        for i, r in sorted(keys) if by_student else keys:
            one_hot = np.eye(RANGES)[r]
            rows.append(np.concatenate([one_hot, traits[i], signals[i, r], means[r]]))
            labels.append(y[i])
            course_of.append(course)
    return np.array(rows, "f4"), np.array(labels), np.array(course_of)


@pytest.mark.parametrize("by_student", [True, False])
def test_courses_are_told_in_either_order(by_student):
    x, y, courses = site(by_student)
    np.testing.assert_array_equal(courses_of(x, COLUMNS), courses)
    held = folds_of(x, y, COLUMNS, 4)
    assert sorted(set(zip(held.tolist(), courses.tolist(), strict=True))) == [
        (fold, courses[held == fold][0]) for fold in range(4)
    ], "a course was cut"
    np.testing.assert_array_equal(folds_of(x, y, COLUMNS, 4), held)


def test_a_range_without_activity_joins_no_courses():
    """All means are 0 in the first range of every course."""
    x, _, courses = site(by_student=True)
    x[x[:, 0] == 1, -2:] = 0
    found = courses_of(x, COLUMNS)
    assert found.max() == COURSES - 1
    assert (found != courses).mean() < 0.01


def test_fewer_courses_than_folds_and_none():
    x, y, courses = site(by_student=True, courses=3)
    assert folds_of(x, y, COLUMNS, 4).max() == 2
    one = courses == 0
    assert folds_of(x[one], y[one], COLUMNS, 4).max() == 3
    nameless = tuple(f"c{i}" for i in range(len(COLUMNS)))
    assert courses_of(x, nameless).max() == 0
    sizes = np.bincount(folds_of(x, y, nameless, 4))
    assert sizes.max() - sizes.min() <= 1


def test_a_class_of_one_course_is_never_missed():
    """Holding that course out would leave nothing to learn the class from."""
    x, y, courses = site(by_student=True)
    y = np.where(courses == 2, 2, y)
    held = folds_of(x, y, COLUMNS, 4)
    assert all(set(y[held != fold]) == {0, 1, 2} for fold in range(4))


@pytest.mark.parametrize("share", [0.1, 0.5, 0.8])
def test_the_first_rows_of_an_order_have_the_shares_of_all(share):
    labels = (np.arange(400) < 400 * share).astype(int)
    order = stratified_order(labels, 0)
    assert sorted(order) == list(range(400))
    for rows in (40, 100, 200):
        assert labels[order[:rows]].mean() == pytest.approx(share, abs=0.03)


def test_many_courses_and_tiny_ones():
    x, y, _ = site(by_student=True)
    rows = np.random.default_rng(0).permutation(len(x))
    held = folds_of(x[rows], y[rows], COLUMNS, 4)
    shares = [y[rows][held == fold].mean() for fold in range(4)]
    assert max(shares) - min(shares) < 0.1
    assert held.max() == 3


def test_a_new_course_is_predicted_with_the_right_confidence(monkeypatch):
    """Traits tell a student's other ranges: with rows held out they are believed."""
    x, y, _ = site(by_student=True)
    new, truth, _ = site(by_student=True, seed=1)

    def told() -> np.ndarray:
        return learner.fit(x, y, (0, 1), COLUMNS).predict_proba(new)[:, 1]

    whole = log_loss(truth, told())
    monkeypatch.setattr(folds, "courses_of", lambda x, _: np.zeros(len(x), int))
    rows = log_loss(truth, told())
    assert whole < 0.55
    assert rows > whole + 0.1


def test_an_evaluation_promises_what_new_courses_keep():
    """Rated on other ranges of students it has seen, a model looks far better."""
    x, y, _ = site(by_student=False, courses=12)
    new, truth, _ = site(by_student=False, courses=12, seed=1)
    model = learner.fit(x, y, (0, 1), COLUMNS)
    kept = roc_auc_score(truth, model.predict_proba(new)[:, 1])

    def promised(columns: tuple[str, ...]) -> float:
        dataset = Dataset(columns, x, (0, 1), labels=y)
        found = evaluate(dataset, 2, Deadline(600))
        return verdict(found, 0.7, 0.05)["auc"]

    assert promised(COLUMNS) == pytest.approx(kept, abs=0.03)
    nameless = tuple(f"c{i}" for i in range(len(COLUMNS)))
    assert promised(nameless) > kept + 0.05
