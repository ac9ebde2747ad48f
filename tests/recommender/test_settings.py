"""Searched, kept for a week, or shared: where settings come from."""

import re
import shutil
from collections import Counter
from datetime import date, timedelta
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from recommender_data import asked, large, warehouse

from trackline.recommender import (
    Options,
    model,
    selection,
    settings,
    store,
)
from trackline.recommender.districts import (
    each_district,
    recommend_districts,
)
from trackline.recommender.frames import encode
from trackline.recommender.model import sample_of
from trackline.recommender.settings import Small
from trackline.recommender.tasks import Part


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


def test_what_a_small_district_recommends_does_not_depend_on_the_day(tables, night):
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


def test_another_selection_of_apps_is_searched_anew(tables, searched, searches):
    root, _ = searched
    given = large(tables)
    given["apps"] = given["apps"][given["apps"].app_id != "app03"]
    (made,) = each_district(**given, chosen=partial(store.chosen, root))
    assert searches == ["next"]
    assert "app03" not in made.recommendations["app_id"].to_pylist()


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
