"""Recommendations through whole builds: who gets them, of what, and what is said."""

from __future__ import annotations

import csv
import io
import json
from datetime import date, timedelta

import numpy as np
import pytest

from trackline.recommender import districts
from trackline.recommender.table import recommendation_table

APPS = [f"app{i}" for i in range(8)]
START = date(2025, 1, 1)
# data tests and unit tests have runs of their own
ONLY = ("--select", "resource_type:seed", "+rpt_recommendations")
ONLY += ("--exclude-resource-type", "test", "unit_test")


def deliver(project, district, n, apps=APPS, score=None, extra=()):
    """Students of two tastes: even ones use even apps; the last app is nobody's."""
    rng = np.random.default_rng(7)
    use, scores = [], []
    for student in range(n):
        name = f"{student:04d}"
        for position, app in enumerate(apps[:-1] if len(apps) > 1 else apps):
            if rng.random() < (0.7 if position % 2 == student % 2 else 0.2):
                day = START + timedelta(days=5 * position + int(rng.integers(0, 9)))
                # app0 is used heavily to the last day, the others a little
                use.append((name, app, day, 10))
                if app == "app0":
                    use.append((name, app, date(2025, 2, 27), 90))
        value = 40 + int(rng.integers(0, 60)) if score is None else score
        scores.append((name, "assessment", value, date(2025, 2, 1)))
    for student, app in extra:
        use.append((student, app, START, 20))
        scores.append((student, "assessment", 70, date(2025, 2, 1)))
    write(project, district, use, scores)


def write(project, district, use, scores, name="1"):
    project.deliver(
        f"{district}/app_usage/{name}.csv",
        text(("student_id", "app_id", "usage_date", "usage_minutes"), use),
    )
    project.deliver(
        f"{district}/scores/{name}.csv",
        text(("student_id", "measure", "score", "measured_on"), scores),
    )


def text(header, rows):
    stream = io.StringIO(newline="")
    csv.writer(stream).writerows([header, *rows])
    return stream.getvalue()


def notes(project):
    root = project.models / "recommender"
    return {p.parent.name: p.read_text() for p in root.glob("*/note.txt")}


def stored(project, district):
    root = project.models / "recommender" / district
    return {
        str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()
    }


def test_who_gets_what_and_tiny_districts_say_what_they_did(project):
    of = {
        "big": APPS, "five": APPS, "single": ["app0"], "nobody": APPS, "equal": APPS,
        "none": APPS, "off": APPS,
    }  # fmt: skip
    project.configure(
        [
            {"district_id": d, "enabled": "false" if d == "off" else "", "top_n": "3"}
            for d in of
        ],
        of,
    )
    rows = [
        {
            "district_id": d, "app_id": a, "app_name": a.title(),
            "recommendable": "false" if d == "none" or a == "app3" else "true",
        }
        for d, apps in of.items()
        for a in apps
    ]  # fmt: skip
    project.write_seed("district_apps", rows)
    deliver(project, "big", 60)
    deliver(project, "five", 5)
    deliver(project, "single", 30, apps=["app0"])
    deliver(project, "equal", 40, score=75)
    deliver(project, "none", 20)
    deliver(project, "off", 20)
    # a student with a forecast only, and one with an assessment and no use at all
    use = [("fore", "app1", START, 20), ("fore", "app2", START, 20)]
    write(
        project, "big", use,
        [("fore", "forecast", 80, START), ("idle", "assessment", 80, START)], "2",
    )  # fmt: skip
    # nobody used anything here
    write(project, "nobody", [], [("0001", "assessment", 80, START)])
    project.build(*ONLY)

    made = project.rows(
        "select district_id, student_id, app_id from rpt_recommendations"
    )
    assert {d for d, *_ in made} == {"big", "five", "equal", "single"}
    big = {(s, a) for d, s, a in made if d == "big"}
    assert "fore" not in {s for s, _ in big}, "no assessment, no recommendation"
    assert "idle" in {s for s, _ in big}, "no use: what the band uses"
    apps = {a for _, _, a in made}
    assert "app3" not in apps, "not recommendable"
    assert "app7" not in apps, "nobody used it"
    used = set(
        project.rows(
            "select district_id, student_id, app_id from int_student_apps where is_used"
        )
    )
    assert used, "app0 is used heavily by many"
    assert not used & set(made)
    # who uses app0 heavily still gets others, and as many as those who do not
    heavy = {s for d, s, a in used if d == "big" and a == "app0"}
    counts = {s: sum(s == x for x, _ in big) for s, _ in big}
    assert {counts[s] for s in heavy} == {3}
    # the single app goes to those only who do not use it
    single = {s for d, s, _ in made if d == "single"}
    assert single == {f"{i:04d}" for i in range(30)} - {
        s for d, s, _ in used if d == "single"
    }

    said = notes(project)
    assert "from 62 students" in said["big"] or "from 61 students" in said["big"]
    assert "students" in said["five"]
    assert "nobody used" in said["nobody"]
    assert not {"off", "none"} & set(said)
    ranks = project.rows(
        """select max(rank), min(rank), max(rank) - count(*) from rpt_recommendations
        group by district_id, student_id"""
    )
    assert all(most <= 3 and least == 1 and not gaps for most, least, gaps in ranks)
    ids = dict(
        project.rows("select distinct district_id, model_id from rpt_recommendations")
    )
    for district, model_id in ids.items():
        files = stored(project, district)
        assert json.loads(files["versions.json"]) == [model_id]
        card = files[f"{model_id}/card.md"].decode()
        assert card.startswith(f"# Recommendation model of {district}")


def test_a_large_district_keeps_its_settings_for_a_week(project, monkeypatch):
    project.configure([{"district_id": "north"}], {"north": APPS})
    deliver(project, "north", 60)
    large = (*ONLY, "--vars", "{settings_from: 40}")

    def night(as_of, *more):
        monkeypatch.setenv("TRACKLINE_AS_OF", as_of)
        project.build(*large, *more)
        ((model_id,),) = project.rows(
            "select distinct model_id from rpt_recommendations"
        )
        return model_id, json.loads(stored(project, "north")[f"{model_id}/model.json"])

    # the district's day for a search is Wednesday
    _, first = night("2025-03-05")
    assert first["chosen_on"] == "2025-03-05"
    assert first["options"]["settings_days"] == 7
    # another student's use: other weights by the same settings
    write(project, "north", [("new", "app1", START, 20)], [], "2")
    model_id, later = night("2025-03-11")
    assert model_id != first["model_id"]
    assert later["chosen_on"] == "2025-03-05"
    assert later["scorers"]["next"]["blend"] == first["scorers"]["next"]["blend"]
    incremental = read(project, "north", "*")
    night("2025-03-11", "--full-refresh")
    assert read(project, "north", "*") == incremental
    write(project, "north", [("newer", "app2", START, 20)], [], "3")
    _, next_week = night("2025-03-12")
    assert next_week["chosen_on"] == "2025-03-12"


def test_a_district_that_fails_keeps_the_last_nights_rows(project, monkeypatch):
    """Rows stream into the table while districts are trained: all of them, or none."""
    names = ("east", "north", "west")
    project.configure([{"district_id": d} for d in names], dict.fromkeys(names, APPS))
    for district in names:
        deliver(project, district, 40)
    project.build(*ONLY)
    before = project.table("rpt_recommendations")
    assert {row[0] for row in before} == set(names)

    def fails_in_the_second(model, rows, *rest):
        asked.append(model)
        if len(asked) == 2:
            raise ValueError("no such luck")
        return recommendation_table(model, rows, *rest)

    asked = []
    write(project, "east", [("new", "app1", START, 20)], [], "2")
    with monkeypatch.context() as patched:
        patched.setattr(districts, "recommendation_table", fails_in_the_second)
        outcome = project.dbt("build", *ONLY)
    assert not outcome.success
    assert "no such luck" in str(outcome)
    assert project.table("rpt_recommendations") == before

    project.build(*ONLY)
    assert {row[0] for row in project.table("rpt_recommendations")} == set(names)


@pytest.mark.parametrize("pooling", [True, False])
def test_a_canary_is_felt_at_home_and_nowhere_else(project, pooling):
    names = ("north", "south", "small")
    project.configure([{"district_id": d} for d in names], dict.fromkeys(names, APPS))
    deliver(project, "north", 120)
    deliver(project, "south", 110)
    deliver(project, "small", 8)
    options = [*ONLY, *([] if pooling else ["--vars", "{pooling: false}"])]
    project.build(*options)
    columns = "* exclude (model_id)"
    before = {d: read(project, d, columns) for d in names}
    files = {d: stored(project, d) for d in names}
    assert ("pooled" in notes(project)["small"]) == pooling
    pairs = project.rows("select * from int_co_use where app_id <> next_app_id")
    assert bool(pairs) == pooling, "counted for those who borrow"

    # one student of north uses what nobody else uses, and everything else
    deliver(project, "north", 120, extra=[("canary", a) for a in APPS])
    project.build(*options)
    assert read(project, "north", columns) != before["north"]
    assert "app7" in {row[3] for row in read(project, "north", columns)}
    for district in ("south", "small"):
        found = read(project, district, columns)
        assert "app7" not in {row[3] for row in found}
        if not pooling:
            assert found == before[district]
            assert stored(project, district) == files[district], "the same bytes"
    for district in ("south", "small"):
        for name, content in stored(project, district).items():
            assert b"canary" not in content, name


def read(project, district, columns):
    return project.rows(
        f"select {columns} from rpt_recommendations where district_id = ? order by all",
        [district],
    )
