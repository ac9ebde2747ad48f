"""From the warehouse's tables to rpt_recommendations."""

import io

import numpy as np
import pandas as pd
import pytest
from recommender_data import asked, co_use, warehouse

from trackline.recommender import (
    Options,
    Recommender,
    districts,
    reasons,
    use,
)
from trackline.recommender.districts import (
    SCHEMA,
    each_district,
    recommend_districts,
)
from trackline.recommender.frames import encode
from trackline.recommender.gram import blocks, gram_of
from trackline.recommender.model import sample_of
from trackline.recommender.pool import Pool


def test_columns_ranks_and_rules(tables, result):
    made = result.recommendations
    assert made.columns.tolist() == SCHEMA.names
    assert set(made.district_id) == {"north", "south", "tiny"}
    ranks = made.groupby(["district_id", "student_id"])["rank"]
    assert (ranks.min() == 1).all()
    assert (ranks.max() == ranks.size()).all()
    assert made["rank"].max() == 5
    keys = ["district_id", "student_id", "app_id"]
    joined = made.merge(tables["histories"], on=keys, how="left")
    assert not joined.is_used.eq(True).any(), "an app in use is recommended"
    assert (joined.is_new == joined.first_used_on.isna()).all()
    assert "app11" not in set(made.app_id), "an app that nobody used is recommended"
    assert (made.similar_students.dropna() >= 10).all()
    few = made.similar_students.isna()
    assert made.reason[few].str.contains("<10").all()
    assert not made.reason[~few].str.contains("<10").any()


def test_only_the_students_given_and_only_eligible_apps(tables):
    some = tables | {
        "students": tables["students"][tables["students"].student_id >= "00010"],
        "apps": tables["apps"][tables["apps"].app_id != "app02"],
    }
    made = recommend_districts(**some).recommendations
    assert made.student_id.min() >= "00010"
    assert "app02" not in set(made.app_id)


def test_a_student_without_history_gets_the_bands_favourites(tables):
    # 00000 (excellent) and 00001 have no rows left
    history = tables["histories"]
    gone = (history.district_id == "north") & history.student_id.isin(
        ["00000", "00001"]
    )
    made = recommend_districts(**(tables | {"histories": history[~gone]}))
    own = made.recommendations.query("district_id == 'north' and rank == 1")
    tops = own.set_index("student_id").app_id.str[3:].astype(int)
    assert tops["00000"] % 2 == 0
    assert tops["00001"] % 2 == 1
    assert own.set_index("student_id").reason["00000"].startswith("Popular:")


def test_students_beside_the_sample_are_continued_too(tables, monkeypatch):
    # validation asks a few, the matrix knows all: every student is answered by `next`
    asked = []
    plain = Recommender.task_of

    def task_of(model, rows):
        asked.append(plain(model, rows))
        return asked[-1]

    monkeypatch.setattr(Recommender, "task_of", task_of)
    monkeypatch.setattr(use, "sample_of", lambda rows: sample_of(rows, 70))
    north = {n: t[t.district_id == "north"] for n, t in tables.items()}
    recommend_districts(**north)
    assert asked
    assert set(asked) == {"next"}


def test_where_no_student_of_type_1_has_used_anything_the_weights_are_numbers(tables):
    north = {n: t[t.district_id == "north"] for n, t in tables.items()}
    # others, who have no assessment, have
    north["students"] = north["students"].assign(
        student_id="new" + north["students"].student_id
    )
    made = recommend_districts(**north)
    assert made.recommendations.reason.str.startswith("Popular:").all()
    for name, content in made.models[0].files().items():
        if name.endswith(".npz"):
            arrays = np.load(io.BytesIO(content))
            assert all(
                np.isfinite(arrays[key]).all()
                for key in arrays.files
                if arrays[key].dtype.kind == "f"
            )


def test_two_runs_are_identical_whatever_the_order_of_rows(tables, result):
    mixed = {n: t.sample(frac=1, random_state=1) for n, t in tables.items()}
    again = recommend_districts(**mixed)
    pd.testing.assert_frame_equal(again.recommendations, result.recommendations)
    for one, other in zip(result.models, again.models, strict=True):
        assert one.files() == other.files()


def with_canary(tables):
    """Give `north` one more student, who uses everything."""
    canary = tables["histories"].query("district_id == 'north'").iloc[[0] * 11].copy()
    canary["student_id"] = "canary"
    canary["app_id"] = [f"app{i:02d}" for i in range(11)]
    history = pd.concat([tables["histories"], canary], ignore_index=True)
    return tables | {"histories": history, "co_use": co_use(history)}


def test_a_canary_in_one_district_changes_no_other(tables):
    off = Options(pooling=False)
    plain = recommend_districts(**tables, options=off)
    canary = recommend_districts(**with_canary(tables), options=off)
    for district in ("south", "tiny"):
        one, other = (
            r.recommendations.set_index("district_id").loc[district]
            for r in (plain, canary)
        )
        pd.testing.assert_frame_equal(one, other)
    models = [{m.district_id: m.model_id for m in r.models} for r in (plain, canary)]
    assert models[0]["south"] == models[1]["south"]
    assert models[0]["north"] != models[1]["north"], "the canary must be felt at home"


def test_pooled_counts_under_ten_students_are_left_out(tables):
    apps = np.array([f"app{i:02d}" for i in range(12)], dtype=object)
    everywhere, own = tables["co_use"], gram(tables, "south", apps)
    pooled = Pool.of(everywhere).without(own, apps)
    counts = pooled.pair * 265
    assert counts[counts > 0].min() >= 9.5
    # a district of one student pools nothing
    lone = everywhere[everywhere.district_id.isin(["south", "tiny"])]
    assert Pool.of(lone).without(own, apps) is None


def gram(tables, district, apps):
    own = tables["histories"].query(f"district_id == '{district}'")
    return gram_of(blocks(encode(own, apps)), len(apps))


def test_a_pool_from_summed_rows_is_that_of_all_rows(tables):
    # the warehouse's table has one row a pair: no district, band or fold
    both = tables["co_use"]
    counts = ["pair_count", "weighted_count"]
    summed = both.groupby(["app_id", "next_app_id"], as_index=False)[counts].sum()
    apps = np.sort(both.app_id.unique()).astype(object)
    own = gram(tables, "south", apps)
    one, other = (Pool.of(rows).without(own, apps) for rows in (both, summed))
    np.testing.assert_array_equal(one.centred(), other.centred())
    assert one.n_bands == 1


def test_users_alone_are_enough_where_nobody_borrows():
    large = warehouse({"north": 130, "south": Options().pool_below})
    co_use = large["co_use"]
    users = co_use[co_use.app_id == co_use.next_app_id]
    assert len(users) < len(co_use)
    both, alone = (
        recommend_districts(**large | {"co_use": rows}) for rows in (co_use, users)
    )
    pd.testing.assert_frame_equal(both.recommendations, alone.recommendations)
    assert [m.model_id for m in both.models] == [m.model_id for m in alone.models]


def test_small_districts_take_pooled_statistics_unless_switched_off(tables, result):
    notes = result.status.set_index("district_id").note
    assert "pooled" in notes["tiny"]
    off = recommend_districts(**tables, options=Options(pooling=False))
    assert not off.status.note.str.contains("pooled").any()


@pytest.mark.parametrize("missing", ["histories", "students", "apps"])
def test_a_district_without_rows_says_so(tables, missing):
    kept = tables[missing][tables[missing].district_id != "north"]
    given = tables | {missing: kept}
    result = recommend_districts(**given)
    assert "north" not in set(result.recommendations.district_id)
    assert "south" in set(result.recommendations.district_id)
    if missing != "apps":
        note = result.status.set_index("district_id").note["north"]
        assert "nothing is recommended" in note


def test_familiar_apps_can_be_left_out(tables):
    made = recommend_districts(**tables, options=Options(include_familiar=False))
    assert made.recommendations.is_new.all()


def test_reasons_do_not_depend_on_how_many_are_looked_at_together(
    tables, result, monkeypatch
):
    monkeypatch.setattr(reasons, "_ENTRIES", 7)
    again = recommend_districts(**tables)
    pd.testing.assert_frame_equal(again.recommendations, result.recommendations)


def test_what_comes_out_does_not_depend_on_how_many_districts_are_at_work(tables):
    def done(workers):
        tables_of = {n: tables[n] for n in ("apps", "students", "histories")}
        pool = Pool.of(tables["co_use"])
        given = tables_of | {"pool": pool, "sizes": asked(tables)}
        return list(each_district(**given, workers=workers))

    for one, other in zip(done(1), done(3), strict=True):
        assert one.district_id == other.district_id
        assert one.recommendations.equals(other.recommendations)
        assert one.model.files() == other.model.files()


def test_what_fails_in_one_district_is_told(tables, monkeypatch):
    monkeypatch.setattr(districts, "recommendation_table", lambda *a: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        recommend_districts(**tables)
