"""A district's use as arrays, and what it may borrow of the others: by hand."""

import numpy as np
import pandas as pd
import pytest

from trackline.recommender.gram import gram_of
from trackline.recommender.pool import Pool
from trackline.recommender.use import Use

APPS = np.array(["art", "maps", "math"], dtype=object)
COLUMNS = ["student_id", "app_id", "band", "first_used_on", "last_used_on", "is_used"]
HISTORIES = pd.DataFrame(
    [
        ("02", "math", "high", "2025-01-05", "2025-01-09", True),
        ("02", "art", "high", "2025-01-07", "2025-01-07", False),
        ("02", "gone", "high", "2025-01-01", "2025-01-01", True),
        ("1", "maps", None, "2025-01-03", "2025-02-01", True),
    ],
    columns=COLUMNS,
).astype({"first_used_on": "datetime64[ms]", "last_used_on": "datetime64[ms]"})
# 2 has no use; 1, who has, gets no recommendations
STUDENTS = pd.DataFrame({"student_id": ["2", "02"], "band": ["low", "high"]})


def as_categories(table):
    """Return it as Arrow hands it over: categories in order of appearance."""
    texts = [c for c in ("student_id", "app_id", "band") if c in table]
    return table.assign(
        **{c: pd.Categorical(table[c], table[c].dropna().unique()) for c in texts}
    )


def test_use_is_who_used_what_and_who_is_asked():
    use = Use.of(HISTORIES, STUDENTS, APPS)
    everyone = use.everyone
    assert everyone.students.tolist() == ["02", "1", "2"]
    assert everyone.band.tolist() == ["high", None, "low"]
    # by student, then first use; `gone` is no app of the district any more
    assert everyone.student.tolist() == [0, 0, 1]
    assert everyone.app.tolist() == [2, 0, 1]
    assert (everyone.last - everyone.first).tolist() == [4, 0, 29]
    assert use.window() == ["2025-01-03", "2025-02-01"]
    rows = use.rows()
    assert rows.students.tolist() == ["02", "2"]
    assert rows.lengths.tolist() == [2, 0]
    assert use.in_use().toarray().tolist() == [[0, 0, 1], [0, 0, 0]]


def test_the_fingerprint_does_not_depend_on_order_or_types():
    told = Use.of(HISTORIES, STUDENTS, APPS).fingerprint()
    again = Use.of(HISTORIES.iloc[::-1], STUDENTS.iloc[::-1], APPS)
    assert again.fingerprint() == told
    categories = Use.of(as_categories(HISTORIES), as_categories(STUDENTS), APPS)
    assert categories.fingerprint() == told


def test_numbers_are_ids_and_days_too():
    of_texts = Use.of(HISTORIES, STUDENTS, APPS).everyone
    days = {
        name: (HISTORIES[name] - pd.Timestamp(0)).dt.days
        for name in ("first_used_on", "last_used_on")
    }
    ids = {"student_id": [2e10, 2e10, None, 1.0]}
    numbered = HISTORIES.assign(**days, **ids)[HISTORIES.app_id != "gone"]
    asked = pd.DataFrame({"student_id": [2 * 10**10], "band": ["high"]})
    everyone = Use.of(numbered, asked, APPS).everyone
    assert everyone.students.tolist() == ["1", "20000000000"]
    assert everyone.app.tolist() == [1, 2, 0]
    assert sorted(everyone.first) == sorted(of_texts.first)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("student_id", "3"),
        ("app_id", "math"),
        ("band", "low"),
        ("first_used_on", pd.Timestamp("2025-01-04")),
        ("last_used_on", pd.Timestamp("2025-02-02")),
        ("is_used", False),
    ],
)
def test_the_fingerprint_tells_every_change(column, value):
    changed = HISTORIES.copy()
    changed.loc[3, column] = value
    assert (
        Use.of(changed, STUDENTS, APPS).fingerprint()
        != Use.of(HISTORIES, STUDENTS, APPS).fingerprint()
    )


def test_the_fingerprint_tells_who_is_asked():
    more = pd.concat([STUDENTS, pd.DataFrame({"student_id": ["1"], "band": [None]})])
    prints = {Use.of(HISTORIES, who, APPS).fingerprint() for who in (STUDENTS, more)}
    assert len(prints) == 2


def test_what_is_borrowed_is_what_is_not_ones_own_and_not_of_a_few():
    # here: two students, one of art and maps, one of art
    own = gram_of(
        [(Use.of(
            pd.DataFrame({
                "student_id": ["a", "a", "b"], "app_id": ["art", "maps", "art"],
                "band": None, "is_used": False,
                "first_used_on": pd.NaT, "last_used_on": pd.NaT,
            }), STUDENTS.iloc[:0], APPS,
        ).everyone.matrix(), None)],
        3,
    )  # fmt: skip
    shared = pd.DataFrame(
        [
            ("art", "art", 42, 30_500_000),
            ("art", "maps", 12, 6_000_000),
            ("maps", "art", 12, 6_000_000),
            ("maps", "maps", 11, 11_500_000),  # 10 are others'
            ("math", "math", 9, 9_000_000),  # a few: left out
            ("other", "other", 99, 1_000_000),  # no app of the district
        ],
        columns=["app_id", "next_app_id", "pair_count", "weighted_count"],
    )
    pool = Pool.of(shared)
    assert pool.n_students == 52
    np.testing.assert_allclose(pool.shares_without(own, APPS), [0.8, 0.2, 0])
    others = pool.without(own, APPS)
    expected = np.array([[40, 11, 0], [11, 10, 0], [0, 0, 0]]) / 50
    np.testing.assert_allclose(others.pair, expected)
    # less one's own: 1 + 0.5 for art, 0.5 for the pair and for maps
    millions = np.array([[29, 5.5, 0], [5.5, 11, 0], [0, 0, 0]]) / 50
    np.testing.assert_allclose(others.weighted, millions * 1e6)
    assert Pool.of(shared, 11).without(own, APPS) is None


def test_an_app_that_nobody_used_is_borrowed_as_none():
    nobody = gram_of([], 3)
    rows = [("maps", "maps", 30, 30_000_000)]
    columns = ["app_id", "next_app_id", "pair_count", "weighted_count"]
    for shared, used in ((rows, [0, 1, 0]), ([], [0, 0, 0])):
        pool = Pool.of(pd.DataFrame(shared, columns=columns), 30)
        assert np.diag(pool.without(nobody, APPS).pair).tolist() == used
        assert pool.shares_without(nobody, APPS).tolist() == used
