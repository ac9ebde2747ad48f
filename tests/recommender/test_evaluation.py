"""What `trackline evaluate --recommender` tells a district."""

import pandas as pd
import pytest
from recommender_data import interactions

from trackline.recommender import evaluate


@pytest.fixture(scope="module")
def two():
    frames = [
        interactions(250, seed=s).assign(district_id=d) for s, d in ((1, "a"), (2, "b"))
    ]
    return pd.concat(frames, ignore_index=True)


def test_evaluation_compares_and_writes_a_page(two, tmp_path):
    made = evaluate(two)
    assert set(made.table.task) == {"complete", "next"}
    assert set(made.table.district_id) == {"a", "b"}
    ours = made.table.set_index(["district_id", "task", "model"])
    for district in "ab":
        best = ours.loc[district, "complete"].ndcg_10
        assert best["recommender"] > best["popularity"] + 0.1, "taste is easy to see"
    assert (made.differences.low <= made.differences.high).all()
    assert set(made.bands.band) == {"excellent", "satisfactory"}
    page, *tables = made.write(tmp_path)
    text = page.read_text()
    assert text.count("data:image/png") == 12, "three plots a district and task"
    assert text.count("<h2>") == 2
    assert not {"&amp;", "nan", "&lt;NA&gt;"} & set(text.split()), "a gap is not told"
    first = made.differences.iloc[0]
    assert f"{first.difference:+.4f} ({first.low:+.4f} to {first.high:+.4f})" in text
    assert "http" not in text, "the page loads nothing"
    assert len(pd.read_csv(tables[0])) == 12


def test_a_band_of_few_students_is_not_told_of(two):
    few = two.assign(
        band=two.band.where(two.student_id >= "00012", "unsatisfactory"),
    )
    text = evaluate(few[few.district_id == "a"]).page()
    assert "<td>unsatisfactory</td><td>&lt;10</td><td>-</td>" in text
    assert "serves students of band" in text


def test_two_evaluations_are_identical(two):
    one = two[two.district_id == "a"]
    assert evaluate(one).page() == evaluate(one.sample(frac=1, random_state=2)).page()


def test_nothing_to_hold_out_is_said():
    with pytest.raises(ValueError, match="two apps"):
        evaluate(pd.DataFrame({"student_id": ["a", "b"], "app_id": ["x", "x"]}))
