"""From the warehouse's tables to rpt_recommendations, and the model store."""

import copy
import io
import json
import re
import shutil
from collections import Counter
from dataclasses import replace
from datetime import date, timedelta
from functools import partial
from itertools import pairwise

import fsspec
import numpy as np
import pandas as pd
import pytest
from recommender_data import co_use, warehouse

from trackline.recommender import (
    Options,
    Recommender,
    districts,
    model,
    reasons,
    selection,
    settings,
    store,
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
from trackline.recommender.settings import Small
from trackline.recommender.tasks import Candidate, Part


@pytest.fixture(scope="module")
def tables():
    return warehouse({"north": 260, "south": 40, "tiny": 5})


@pytest.fixture(scope="module")
def result(tables):
    return recommend_districts(**tables)


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


@pytest.fixture(params=["disk", "s3"])
def models(request, tmp_path):
    """TRACKLINE_MODELS as a folder that is not there yet, and on a real S3 server."""
    if request.param == "disk":
        return str(tmp_path / "models")
    return request.getfixturevalue("bucket") + "/some/models"


def test_store_round_trip_gives_identical_recommendations(tables, result, models):
    north = result.models[0]
    root = models
    assert store.versions(root, "north") == []
    assert store.save(root, north) == north.model_id
    loaded = store.load(root, "north")
    frame = tables["histories"].query("district_id == 'north'")
    frame = frame.rename(columns={"last_used_on": "used_at"})
    for task in north.recommender.scorers_:
        pd.testing.assert_frame_equal(
            north.recommender.recommend(frame, task=task),
            loaded.recommender.recommend(frame, task=task),
        )
    assert loaded.files() == north.files(), "a loaded model saves to the same bytes"


def test_store_holds_no_pickle_and_no_student(result, tmp_path):
    root = tmp_path / "models"
    store.save(str(root), result.models[0])
    files = [p for p in root.rglob("*") if p.is_file()]
    assert {p.suffix for p in files} == {".json", ".npz", ".csv", ".md"}
    for path in files:
        content = path.read_bytes()
        assert b"00007" not in content or path.suffix == ".npz", path
    with np.load(next(root.rglob("weights.npz")), allow_pickle=False) as arrays:
        assert all(arrays[name].dtype == float for name in arrays)


def test_store_keeps_the_last_ten(result, models):
    root = models
    north = result.models[0]
    for number in range(12):
        store.save(root, replace(north, model_id=f"north-{number}"))
    known = store.versions(root, "north")
    assert known == [f"north-{i}" for i in range(2, 12)]
    files, path = fsspec.core.url_to_fs(f"{root}/recommender/north")
    files.invalidate_cache()
    folders = {p.rsplit("/", 1)[-1] for p in files.ls(path, detail=False)}
    assert folders == set(known) | {"versions.json"}
    assert store.load(root, "north").model_id == "north-11"
    with pytest.raises(FileNotFoundError, match="north-0"):
        store.load(root, "north", "north-0")


def test_a_version_that_was_not_finished_does_not_count(result, tmp_path, monkeypatch):
    root = str(tmp_path / "models")
    store.save(root, result.models[0])
    with monkeypatch.context() as patch:
        patch.setattr(store, "card_text", lambda *a: 1 / 0)
        other = store.StoredModel(
            "north-x", "north", result.models[0].recommender,
            result.models[0].effects, result.models[0].facts,
        )  # fmt: skip
        with pytest.raises(ZeroDivisionError):
            store.save(root, other)
    assert store.versions(root, "north") == [result.models[0].model_id]
    assert store.load(root, "north").model_id == result.models[0].model_id


def test_the_centred_setting_is_stored_and_told(result, tables, tmp_path):
    # EDLAE leads where whole students are held out, which a build does not ask
    history = tables["histories"]
    fitted = Recommender().fit(history[history.district_id == "north"])
    stored = replace(result.models[0], recommender=fitted)
    assert '"centred": true' in stored.files()["validation.csv"].decode().replace(
        '""', '"'
    )
    setting = (("even", 0), ("ridge", 0.05), ("dropout", 0.75), ("centred", True))
    model = copy.copy(fitted)
    (task,) = model.scorers_
    blend = [(Candidate("edlae", setting), 1.0)]
    scorer = model.scorers_[task]
    choice = replace(scorer.choice, blend=blend)
    model.scorers_ = {task: replace(scorer, choice=choice)}
    told = replace(stored, recommender=model)
    assert "edlae (even 0, ridge 0.05, dropout 0.75, centred True)" in (
        told.files()["card.md"].decode()
    )
    store.save(str(tmp_path), told)
    again = store.load(str(tmp_path), told.district_id).recommender
    assert again.scorers_[task].choice.blend[0][0].setting == setting


def test_card_tells_what_it_must(searched):
    files = searched[1].model.files()
    card = files["card.md"].decode()
    for part in ("students with use", "NDCG@10", "band", "Limits", "Outcome"):
        assert part in card
    assert json.loads(files["model.json"])["random_state"] == 0


def asked(tables):
    """Count, by district, the students with an assessment and use."""
    used = tables["students"].merge(tables["histories"])
    return used.groupby("district_id")["student_id"].nunique()


def large(tables, day="2026-03-04", **options):
    """Give what `each_district` takes, for a district that is large from 100 on.

    Its day for a search is Wednesday.
    """
    north = {n: t[t.district_id == "north"] for n, t in tables.items()}
    return {
        "apps": north["apps"].assign(as_of=pd.Timestamp(day)),
        "students": north["students"],
        "histories": north["histories"],
        "pool": Pool.of(tables["co_use"]),
        "sizes": asked(north),
        "options": Options(**({"settings_from": 100} | options)),
    }


@pytest.fixture(scope="module")
def searched(tables, tmp_path_factory):
    """Store the model of a build of 4 March, which has searched."""
    root = str(tmp_path_factory.mktemp("models"))
    (made,) = each_district(**large(tables))
    store.save(root, made.model)
    assert store.chosen(root, "north").chosen_on == date(2026, 3, 4)
    return root, made


@pytest.fixture
def searches(monkeypatch):
    """Note the tasks that are searched."""
    found = []
    plain = model.choose

    def choose(task):
        found.append(task.name)
        return plain(task)

    for module in (model, selection):
        monkeypatch.setattr(module, "choose", choose)
    return found


@pytest.fixture
def fewer(tables):
    """All but one student's use."""
    history = tables["histories"]
    return tables | {"histories": history[history.student_id != "00003"]}


def test_a_large_district_keeps_its_settings_and_learns_from_the_new_rows(
    tables, fewer, searched, searches
):
    root, before = searched
    known = partial(store.chosen, root)
    (same,) = each_district(**large(tables), chosen=known)
    assert same.recommendations.equals(before.recommendations)
    assert same.model.files() == before.model.files(), "the same day, the same bytes"

    (later,) = each_district(**large(fewer, "2026-03-10"), chosen=known)
    assert searches == []
    assert later.model.facts["chosen_on"] == "2026-03-04"
    for task, scorer in later.model.recommender.scorers_.items():
        old = before.model.recommender.scorers_[task]
        assert scorer.choice.blend == old.choice.blend
        assert not np.array_equal(scorer.layers[0].weights, old.layers[0].weights)


@pytest.mark.parametrize(
    "changed",
    [
        {"day": "2026-03-11"},
        {"day": "2026-03-03"},
        {"include_familiar": False},
        {"settings_days": 0},
        {"settings_from": 261},
    ],
)
def test_settings_of_another_time_or_build_are_searched_anew(
    tables, searched, searches, changed
):
    root, _ = searched
    chosen = partial(store.chosen, root)
    (made,) = each_district(**large(tables, **changed), chosen=chosen)
    assert searches == ["next"]
    told = made.model.facts.get("chosen_on")
    # where nothing is kept no day is named: the model depends on the data alone
    nothing = {"settings_from", "settings_days"} & changed.keys()
    assert told == (None if nothing else changed.get("day", "2026-03-04"))


@pytest.fixture
def night(searches, tmp_path):
    """Build what `large` gives, after the nights before; say what was searched."""

    def night(tables, *day, **options):
        searches.clear()
        given = large(tables, *day, **options)
        (made,) = each_district(**given, chosen=partial(store.chosen, str(tmp_path)))
        store.save(str(tmp_path), made.model)
        return made.model.files(), searches.copy()

    return night


def test_what_a_small_district_recommends_depends_on_its_data_alone(tables, night):
    files, tasks = night(tables, settings_from=1000)
    assert tasks == ["next"]
    assert night(tables, "2026-06-01", settings_from=1000) == (files, ["next"])
    assert b"chosen_with" not in files["model.json"], "by its own students alone"
    assert b"chosen_on" not in files["model.json"]


def test_without_an_order_a_small_district_is_searched_by_itself(tables, night):
    start = pd.Timestamp("2026-01-05")
    history = tables["histories"].assign(first_used_on=start, last_used_on=start)
    together = tables | {"histories": history}
    files, tasks = night(together, settings_from=1000)
    assert tasks == ["complete"]
    assert b"chosen_with" not in files["model.json"]


def test_the_day_of_a_large_district_comes_whether_its_data_have_changed_or_not(
    tables, fewer, night
):
    night(tables)
    kept, tasks = night(fewer, "2026-03-05")
    assert tasks == []
    assert night(fewer, "2026-03-10") == (kept, [])
    assert night(fewer, "2026-03-11")[1] == ["next"]


def test_a_district_that_is_no_longer_large_is_searched(tables, fewer, night):
    size = int(asked(tables)["north"])
    assert b"chosen_on" in night(tables, settings_from=size)[0]["model.json"]
    files, tasks = night(fewer, settings_from=size)
    assert tasks == ["next"]
    assert b"chosen_on" not in files["model.json"]


def test_a_search_does_not_stand_before_its_day():
    sixth, seventh = date(2026, 3, 6), date(2026, 3, 7)
    assert settings._is_recent(sixth, seventh, "north", 7)
    assert not settings._is_recent(seventh, sixth, "north", 7)


def test_days_for_a_search_are_spread_over_the_week():
    first = date(2026, 3, 2)
    days = [first + timedelta(days=i) for i in range(14)]
    found = Counter()
    for district in (f"d{i}" for i in range(70)):
        own = [
            later
            for day, later in pairwise(days)
            if not settings._is_recent(day, later, district, 7)
        ]
        assert own in ([own[0]], [own[0], own[0] + timedelta(days=7)])
        found[own[0].weekday()] += 1
    assert len(found) == 7
    assert max(found.values()) < 20


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("model.json", lambda content: b""),
        (
            "model.json",
            lambda content: re.sub(rb'"release": ".', b'"release": "', content),
        ),
        ("validation.csv", lambda content: content.splitlines()[0]),
        ("validation.csv", None),
    ],
    ids=["half written", "another release", "nothing tried", "missing"],
)
def test_settings_that_cannot_be_read_are_searched_anew(
    tables, searched, searches, tmp_path, name, broken
):
    shutil.copytree(searched[0], tmp_path / "models")
    root = str(tmp_path / "models")
    path = next((tmp_path / "models").rglob(name))
    path.unlink() if broken is None else path.write_bytes(broken(path.read_bytes()))
    list(each_district(**large(tables), chosen=partial(store.chosen, root)))
    assert searches == ["next"]


def test_settings_that_nobody_has_searched_do_not_serve_a_week(tables):
    given = large(tables, settings_from=10)
    given["students"] = given["students"].iloc[:15]
    given["sizes"] = asked(given)
    (made,) = each_district(**given)
    assert (
        made.model.recommender.scorers_["complete"].choice.blend[0][0].member
        == "cosine"
    )
    assert "chosen_on" not in made.model.facts


def test_a_removed_district_has_no_versions(searched, tmp_path):
    shutil.copytree(searched[0], tmp_path / "models")
    root = str(tmp_path / "models")
    store.remove(root, "north")
    assert store.versions(root, "north") == []
    assert store.chosen(root, "north") is None
    store.remove(root, "north")


def test_reasons_do_not_depend_on_how_many_are_looked_at_together(
    tables, result, monkeypatch
):
    monkeypatch.setattr(reasons, "_ENTRIES", 7)
    again = recommend_districts(**tables)
    pd.testing.assert_frame_equal(again.recommendations, result.recommendations)


def test_another_selection_of_apps_is_searched_anew(tables, searched, searches):
    root, _ = searched
    given = large(tables)
    given["apps"] = given["apps"][given["apps"].app_id != "app03"]
    (made,) = each_district(**given, chosen=partial(store.chosen, root))
    assert searches == ["next"]
    assert "app03" not in made.recommendations["app_id"].to_pylist()


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


def scorers(result):
    return {m.district_id: m.recommender.scorers_["next"] for m in result.models}


def test_small_districts_share_one_search(tables, result, searches):
    again = scorers(recommend_districts(**tables))
    assert searches == ["next"]
    north, south, tiny = (again[d] for d in ("north", "south", "tiny"))
    assert north.choice == south.choice == tiny.choice
    # learned from their own rows, all the same
    layers = [scorer.layers[0].weights for scorer in (north, south, tiny)]
    assert not np.array_equal(layers[0], layers[1])
    for stored in result.models:
        assert stored.facts["chosen_with"] == 3
        card = stored.files()["card.md"].decode()
        assert "by the students of the largest of them (3)" in card


def test_nobody_is_told_the_bands_of_another_district(tables, monkeypatch):
    # north alone is asked
    monkeypatch.setattr(settings, "_TOGETHER", 200)
    for name in ("students", "histories"):
        own = tables[name].copy()
        is_north = own["district_id"] == "north"
        own["band"] = own["band"].mask(is_north, "north " + own["band"].astype(str))
        tables = tables | {name: own}
    found = {m.district_id: m for m in recommend_districts(**tables).models}
    assert "chosen_with" not in found["north"].facts
    assert b"| north " in found["north"].files()["card.md"], "its own students"
    for other in ("south", "tiny"):
        files = found[other].files()
        assert not any(b"north" in content for content in files.values())
        assert b"by the students of the largest of them (1)" in files["card.md"]


def test_a_wide_search_asks_every_district_from_its_first_round(monkeypatch):
    # more than half a million cells: the first round asks a part of the students
    made = warehouse({"a": 900, "b": 700, "c": 600})["histories"]
    names = [f"app{i}" for i in range(400)]
    rng = np.random.default_rng(0)
    samples = []
    for _, own in made.groupby("district_id"):
        used_at = own["first_used_on"]
        rows = encode(own.assign(used_at=used_at, app_id=rng.choice(names, len(own))))
        samples.append(rows)
    asked = []
    scores = Part.scores

    def watched(part, candidate):
        asked.append((id(part.gram), len(part.n_wanted)))
        return scores(part, candidate)

    monkeypatch.setattr(Part, "scores", watched)
    selection.choose_next(samples)
    of_districts = [n for _, n in asked[:3]]
    assert len({gram for gram, _ in asked[:3]}) == 3
    whole = [min(len(rows.students), 2500) for rows in samples]
    shares = np.array(of_districts) / whole
    assert sum(of_districts) < sum(whole)
    assert shares.max() < 1.2 * shares.min()


def test_a_shared_search_asks_the_students_of_every_district(tables):
    rows = tables["histories"].merge(tables["students"][["district_id", "student_id"]])
    samples = [
        sample_of(encode(own.assign(used_at=own["first_used_on"])))
        for _, own in rows.groupby("district_id")
    ]
    alone = [selection.choose_next([sample]) for sample in samples]
    assert alone[2] is None, "five students choose by chance"
    together = selection.choose_next(samples)

    def told(*found):
        return sum(n for one in found for n, _ in one.by_band.values())

    assert told(together) >= told(alone[0], alone[1])


def test_without_pooling_every_district_is_searched_by_itself(tables, searches):
    made = recommend_districts(**tables, options=Options(pooling=False))
    assert searches == ["next", "next"], "five students choose by chance"
    assert all("chosen_with" not in one.facts for one in made.models)


def test_the_cost_of_a_search_does_not_grow_with_the_districts():
    apps = {f"d{i:03}": 50 for i in range(500)}

    def searched(students, **options):
        sizes = {d: students + (d == "d007") for d in apps}
        return Small.of(sizes, apps, Options(**options))

    assert searched(10).searched == ["d007", *(f"d{i:03}" for i in range(12) if i != 7)]
    assert searched(1000).searched == ["d007", "d000"]
    assert searched(1000).districts == {*apps}
    for options in ({"pooling": False}, {"settings_from": 1000}):
        assert searched(1000, **options) == Small(set(), [])
    assert searched(3000, settings_days=0) == Small(set(), [])
    wide = Small.of({"a": 9, "b": 8}, {"a": 1001, "b": 1000}, Options())
    assert wide == Small({"b"}, ["b"])
    assert Small.of({}, {"a": 1}, Options()).searched == ["a"]


def test_who_used_nothing_does_not_make_a_district_one_to_search(tables, searches):
    # 3,000 more students, assessed and idle: by them no settings can be chosen
    tiny = tables["students"].query("district_id == 'tiny'").iloc[[0]]
    idle = tiny.loc[tiny.index.repeat(3000)].assign(
        student_id=[f"idle{i}" for i in range(3000)]
    )
    more = tables | {"students": pd.concat([tables["students"], idle])}
    found = recommend_districts(**more).models
    assert searches == ["next"]
    assert [one.facts["chosen_with"] for one in found] == [3, 3, 3]


def test_districts_that_can_ask_nobody_are_not_counted(tables):
    history = tables["histories"]
    start = pd.Timestamp("2026-01-05")
    at_once = history["district_id"] == "south"
    changed = history.assign(
        first_used_on=history["first_used_on"].mask(at_once, start),
        last_used_on=history["last_used_on"].mask(at_once, start),
    )
    found = recommend_districts(**tables | {"histories": changed}).models
    with_others = {m.district_id: m.facts.get("chosen_with") for m in found}
    assert with_others == {"north": 2, "south": None, "tiny": 2}
