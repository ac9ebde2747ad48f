"""Section 1.6 of the protocol, row by row, and the rules of 1.1 to 1.5."""

from __future__ import annotations

import io
import zipfile

import pytest

from .conftest import SEPARABLE, basic, labelled, unlabelled

MISSING = "Training data needs to include samples belonging to all classes"
UNTRAINED = "Provided model have not been trained yet"


@pytest.mark.parametrize(
    "rows",
    [[], [(1, 0, 0)], [(1, 0, 0), (1, 1, 0)]],
    ids=["none", "one", "one class"],
)
def test_training_without_every_class(site, rows):
    answer = site.train(labelled(rows))
    assert answer.status_code == 200
    assert answer.json() == {"status": 8, "info": [], "errors": MISSING}
    assert site.predict(unlabelled([(1, 0)])).json()["status"] == 2


@pytest.mark.parametrize(
    "csv",
    [
        b"",
        b"garbage",
        b"\xff\xfe\x00\x01" * 50,
        b"a,b\n1\n\n",
        b"nfeatures,targetclasses\n2,[0,1]\n",
        b'nfeatures,targetclasses\n2,"[0]"\na,b,t\n1,2,0\n',
        b'nfeatures,targetclasses\n2,"{}"\na,b,t\n1,2,0\n',
        b"nfeatures,targetmin,targetmax\n2,0,1\na,b,t\n1,2,0\n1,1,1\n",
        b'nfeatures,targetclasses\n2,"[0,1]"\na,b,t\n1,x,0\n1,1,1\n',
        b'nfeatures,targetclasses\n2,"[0,1]"\na,b,t\n1,nan,0\n1,1,1\n',
        b'nfeatures,targetclasses\n2,"[0,1]"\na,b,t\n1,1e99,0\n1,1,1\n',
        b'nfeatures,targetclasses\n2,"[0,1]"\na,b,t\n1,1\n',
        b'nfeatures,targetclasses\n2,"[0,1]"\na,b,t\n1,1,0.5\n',
        b'nfeatures,targetclasses\n3,"[0,1]"\na,b,t\n1,1,0\n1,2,1\n',
    ],
)
def test_training_garbage_is_an_answer(site, csv):
    answer = site.train(csv)
    assert answer.status_code == 200
    assert answer.json()["status"] == 1
    assert answer.json()["errors"], "PHP reads an undefined variable otherwise"


def test_training_label_outside_the_classes(site):
    answer = site.train(labelled([(1, 0, 0), (1, 1, 1), (1, 1, 7)]))
    assert (answer.status_code, answer.json()["status"]) == (200, 1)
    assert answer.json()["errors"]


def test_identical_rows_with_both_labels(site):
    assert site.train(labelled([(1, 0, 0), (1, 0, 1)])).json()["status"] == 0
    [row] = site.predict(unlabelled([(1, 0)])).json()["predictions"]
    assert float(row[2]) == pytest.approx(0.5)


def test_prediction_of_an_untrained_model(site):
    assert site.predict(unlabelled([(1, 0)])).json() == {
        "status": 2,
        "info": [UNTRAINED],
    }
    site.train(labelled(SEPARABLE))
    other = site.predict(unlabelled([(1, 0)]), dirhash="other")
    assert other.json()["status"] == 2


def test_empty_cells_count_as_zero(site):
    site.train(labelled([(0, 5, 0), (1, 5, 1)] * 10))
    empty, zero = site.predict(unlabelled([("", 5), (0, 5)])).json()["predictions"]
    assert empty[1:] == zero[1:]
    assert empty[1] == "0"


def test_prediction_without_rows(site):
    site.train(labelled(SEPARABLE))
    header = unlabelled([(1, 2)]).rsplit(b"\n", 2)[0] + b"\n"
    answer = site.predict(header)
    assert (answer.status_code, answer.json()["status"]) == (200, 8)
    assert answer.json()["errors"]


def test_sample_ids_come_back_exactly_and_in_order(site):
    site.train(labelled(SEPARABLE))
    ids = ["142021-0", "9-3", "0007-11"]
    rows = site.predict(unlabelled([(1, -1)] * 3, ids=ids)).json()["predictions"]
    assert [row[0] for row in rows] == ids
    assert all(type(cell) is str for row in rows for cell in row)


def test_evaluation_with_other_labels(site):
    answer = site.evaluate(labelled([(1, 0, 0)] * 10)).json()
    assert answer["status"] == 1
    assert answer["info"] == [
        "The labels from the provided dataset do not match the targetclasses "
        "from the header"
    ]
    assert type(answer["runid"]) is int


def test_evaluation_of_two_rows(site):
    answer = site.evaluate(labelled([(1, 0, 0), (1, 1, 1)])).json()
    assert answer["status"] == 8
    assert answer["info"]
    assert type(answer["runid"]) is int


def test_evaluation_of_an_unknown_trained_model(site):
    answer = site.evaluate(labelled(SEPARABLE), trainedmodeldirhash="nothing").json()
    assert (answer["status"], answer["info"]) == (2, [UNTRAINED])
    assert type(answer["runid"]) is int


def test_evaluation_of_a_trained_model_rates_it_once(site):
    site.train(labelled(SEPARABLE), dirhash="execution")
    # the other way round: the model is wrong on every row
    wrong = [(a, b, 1 - c) for a, b, c in SEPARABLE]
    answer = site.evaluate(labelled(wrong), trainedmodeldirhash="execution").json()
    assert (answer["score"], answer["score_deviation"]) == (0.0, 0.0)
    assert answer["status"] == 4
    assert answer["auc"] == 0.0


def test_evaluation_sentences(site):
    import numpy as np

    random = np.random.default_rng(3)
    rows = [(*random.integers(-1, 2, 3), random.integers(0, 2)) for _ in range(60)]
    answer = site.evaluate(labelled(rows), maxdeviation=0.001).json()
    assert answer["status"] == 12
    varied, low = answer["info"]
    assert varied == (
        "The evaluation results varied too much, we might need more samples to check "
        "if this model is valid. "
        f"Model deviation = {answer['score_deviation']}, accepted deviation = 0.001"
    )
    assert low == (
        "The evaluated model prediction accuracy is not very good. "
        f"Model score = {answer['score']}, minimum score = 0.7"
    )
    few = {"niterations": 2}
    lenient = site.evaluate(labelled(rows), minscore=0, maxdeviation=1, **few).json()
    assert (lenient["status"], lenient["info"]) == (0, [])
    only_low = site.evaluate(labelled(rows), maxdeviation=1, **few).json()
    assert only_low["status"] == 4


def test_tiny_separable_data_evaluates_as_perfect(site):
    for rows in ([(0, 1, 0), (1, 1, 1)] * 3, SEPARABLE):
        answer = site.evaluate(labelled(rows)).json()
        assert (answer["status"], answer["score"]) == (0, 1.0)


def test_evaluation_log(site):
    answer = site.evaluate(labelled(SEPARABLE)).json()
    ids = {"uniqueid": "model", "dirhash": "dir"}
    log = site.get("/evaluationlog", runid=answer["runid"], **ids)
    assert log.headers["content-type"] == "application/zip"
    assert set(zipfile.ZipFile(io.BytesIO(log.content)).namelist()) == {
        "report.md",
        "metrics.json",
        "roc-curve.png",
        "calibration.png",
        "learning-curve.png",
    }
    unknown = site.get("/evaluationlog", runid=5, **ids)
    assert unknown.status_code == 200
    assert zipfile.ZipFile(io.BytesIO(unknown.content)).namelist() == []


def test_runids_differ(site):
    good, bad = labelled(SEPARABLE), b"garbage"
    runs = [site.evaluate(csv, niterations=1).json() for csv in (good, bad) * 2]
    runs += [site.post("/evaluation", uniqueid="model").json() for _ in range(20)]
    ids = [run["runid"] for run in runs]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize("body", [b"no zip", b"PK\x05\x06" + bytes(18)])
def test_import_of_no_model(site, body):
    answer = site.post(
        "/import", files={"importzip": body}, uniqueid="model", dirhash="dir"
    )
    assert answer.status_code == 400
    assert answer.text
    missing = site.post("/import", uniqueid="model", dirhash="dir")
    assert missing.status_code == 400


def test_export_untrained(site):
    answer = site.get("/export", uniqueid="model", dirhash="dir")
    assert (answer.status_code, answer.text) == (503, "There is nothing to export.")


def test_deleting_removes_every_dirhash_and_nothing_else(site):
    for uniqueid in ("one", "two"):
        site.train(labelled(SEPARABLE), uniqueid=uniqueid, dirhash="a")
        site.train(labelled(SEPARABLE), uniqueid=uniqueid, dirhash="b")
    for _ in range(2):
        answer = site.post("/deletemodel", uniqueid="one")
        assert (answer.status_code, answer.text) == (200, "Ok")
    asked = unlabelled([(1, -1)])
    statuses = [
        site.predict(asked, uniqueid=u, dirhash=d).json()["status"]
        for u in ("one", "two")
        for d in ("a", "b")
    ]
    assert statuses == [2, 2, 0, 0]


def test_ids_are_cleaned_alike_everywhere(site):
    """Moodle's own test sends such an id."""
    site.train(labelled(SEPARABLE), uniqueid="whatever0.61297100 1648683281")
    same = site.predict(unlabelled([(1, -1)]), uniqueid="whatever061297100 1648683281")
    assert same.json()["status"] == 0
    assert [p.name for p in site.root.iterdir() if p.name[0] != "."] == [
        "whatever0612971001648683281"
    ]


def test_fields_may_stand_in_the_query(site):
    answer = site.client.post(
        "/training",
        params={"uniqueid": "model", "dirhash": "dir"},
        files={"dataset": ("x.csv", labelled(SEPARABLE))},
        headers=basic(),
    )
    assert answer.json() == {"status": 0, "info": []}


@pytest.mark.parametrize(
    ("route", "fields"),
    [
        ("/training", {}),
        ("/training", {"uniqueid": "a", "dirhash": "b"}),
        ("/prediction", {"uniqueid": "a", "dirhash": "///"}),
        ("/evaluation", {"uniqueid": "a", "dirhash": "b"}),
        ("/training", {"uniqueid": "a" * 300, "dirhash": "b"}),
    ],
)
def test_missing_fields_are_answers(site, route, fields):
    answer = site.post(route, files={"other": b"x"}, **fields)
    assert (answer.status_code, answer.json()["status"]) == (200, 1)
    assert answer.json().get("errors") or answer.json()["info"]
    assert (route == "/evaluation") == ("runid" in answer.json())


def test_authentication_texts(site):
    for headers, text in (
        ({}, "No user and/or password included in the request."),
        ({"Authorization": "Bearer x"}, "No user and/or password included"),
        (basic("default", "wrong"), "Incorrect user and/or password provided by"),
        (basic("nobody", "secret"), "Incorrect user and/or password provided by"),
        ({"Authorization": "Basic ???"}, "Incorrect user and/or password provided"),
    ):
        for route in ("/training", "/deletemodel", "/metrics", "/unknown"):
            answer = site.client.post(route, headers=headers)
            assert answer.status_code == 401
            assert answer.text.startswith(text)
            assert "www-authenticate" not in answer.headers
    assert site.client.get("/version").text == "3.0.5"


def test_wrong_method_and_unknown_route(site):
    for route, status in (
        ("/training", 405),
        ("/nothing", 404),
        ("/openapi.json", 404),
    ):
        answer = site.client.get(route, headers=basic())
        assert answer.status_code == status
        assert answer.headers["content-type"] == "text/html; charset=utf-8"


def test_health_checks_may_ask_by_head(site):
    assert site.client.head("/version").status_code == 200
    assert site.client.head("/metrics", headers=basic()).status_code == 200
    assert site.client.head("/metrics").status_code == 401


def test_content_types(site):
    assert site.train(labelled(SEPARABLE)).headers["content-type"] == (
        "text/html; charset=utf-8"
    )
