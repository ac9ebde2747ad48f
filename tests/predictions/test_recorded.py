"""All recorded requests of real Moodle sites, replayed in order.

A site would break if one status, shape or separable prediction differed. Recorded
imports hold another server's pickled model: they must be refused, and are then replayed
with our own export of the model that was trained before.
"""

from __future__ import annotations

import csv
import io
import json
import zipfile

import pytest

from .conftest import basic, recorded

EVALUATION_KEYS = {
    "auc",
    "auc_deviation",
    "balanced accuracy",
    "accuracy",
    "precision",
    "recall",
    "f1_score",
    "score_deviation",
    "score",
    "min_score",
    "accepted_deviation",
    "dir",
    "status",
    "info",
    "runid",
}


# the recordings hold no Authorization header: their answer tells what it was
WRONG = {
    b"Incorrect user and/or password provided by Moodle.": basic(password="wrong"),
    b"No user and/or password included in the request.": {},
}


def send(site, request, **changed):
    headers = changed.get("headers", basic())
    fields = {**request["fields"], **changed.get("fields", {})}
    files = {**request["files"], **changed.get("files", {})}
    if request["method"] == "GET":
        return site.client.get(request["route"], params=fields, headers=headers)
    form = {name: (None, value) for name, value in fields.items()}
    return site.client.post(request["route"], files={**form, **files}, headers=headers)


def test_replay(site):
    replay(site, recorded())


def replay(site, requests):
    """Send recorded requests, in order, and compare the answers."""
    exported, runids, seen = None, {}, set()
    for request in requests:
        name, route = request["name"], request["route"]
        seen.add(route)
        changed = {}
        first, _, expected = (request["answer"] or b"200 OK\n").partition(b"\n")
        expected = expected.strip()
        if first.startswith(b"401"):
            answer = send(site, request, headers=WRONG[expected])
            assert (answer.status_code, answer.content) == (401, expected)
            continue
        if route == "/import":
            assert send(site, request).status_code == 400, "a pickle was accepted"
            changed = {"files": {"importzip": ("import.zip", exported)}}
        if route == "/evaluationlog":
            changed = {"fields": {"runid": str(runids[request["fields"]["runid"]])}}
        answer = send(site, request, **changed)
        assert answer.status_code == 200, name
        if route == "/export":
            exported = answer.content
        if route in {"/export", "/evaluationlog"}:
            archive = zipfile.ZipFile(io.BytesIO(answer.content))
            assert archive.testzip() is None
            if route == "/evaluationlog":
                assert {"report.md", "roc-curve.png"} <= set(archive.namelist())
            continue
        if route in {"/version", "/import", "/deletemodel"}:
            assert answer.content == expected, name
            continue
        ours, theirs = answer.json(), json.loads(expected)
        if route == "/training":
            assert ours == theirs, name
        elif route == "/prediction":
            assert ours["status"] == theirs["status"] == 0
            assert ours["info"] == []
            pairs = list(zip(ours["predictions"], theirs["predictions"], strict=True))
            for own, other in pairs:
                assert own[:2] == other[:2], name
                assert all(type(cell) is str for cell in own)
                assert 0.6 <= float(own[2]) <= 1, "Moodle drops scores below 0.6"
        elif route == "/evaluation":
            assert set(ours) == EVALUATION_KEYS
            assert set(theirs) <= EVALUATION_KEYS
            # random indicators must score low; whether they vary much is chance
            assert ours["status"] & 4 == theirs["status"] & 4, name
            if theirs["status"] == 0:
                assert ours["status"] == 0
                assert (ours["score"], ours["score_deviation"]) == (1.0, 0.0)
            assert ours["runid"] not in runids.values()
            runids[str(theirs["runid"])] = ours["runid"]
    assert len(seen) == 8, "a route was never recorded"


def test_real_data_is_learned(site):
    """The thresholds of the reference's own tests, on its real data set."""
    from .conftest import fixtures

    text = fixtures("datasets", "test-366-1904-training.csv").read_text()
    lines = text.splitlines(keepends=True)
    header, rows = lines[:3], lines[3:]
    held_out, kept = rows[::5], [r for i, r in enumerate(rows) if i % 5]
    assert site.train("".join(header + kept).encode()).json()["status"] == 0
    names = header[2].strip().split(",")
    asked = "".join(
        [*header[:2], ",".join(["sampleid", *names[:-1]]) + "\n"]
        + [f"{i}-0,{row.rsplit(',', 1)[0]}\n" for i, row in enumerate(held_out)]
    )
    predictions = site.predict(asked.encode()).json()["predictions"]
    truth = [row[-1] for row in csv.reader(held_out)]
    hits = [p[1] == y for p, y in zip(predictions, truth, strict=True)]
    majority = max(truth.count(c) for c in set(truth)) / len(truth)
    assert sum(hits) / len(hits) >= max(0.8, majority)
    assert all(0.5 <= float(p[2]) <= 1 for p in predictions)


@pytest.mark.parametrize("name", ["tiny-data-set.csv", "tiny-data-set-2.csv"])
def test_tiny_sets_predict_a_half(site, name):
    from .conftest import fixtures

    data = fixtures("datasets", name).read_bytes()
    assert site.train(data).json() == {"status": 0, "info": []}
    asked = b'nfeatures,targetclasses\n3,"[0,1]"\nsampleid,feature1,feature2,feature3\n'
    [row] = site.predict(asked + b"7-0,1,0,1\n").json()["predictions"]
    assert row[0] == "7-0"
    assert float(row[2]) == pytest.approx(0.5)


def test_degenerate_multiclass(site):
    from .conftest import fixtures

    data = fixtures("datasets", "degenerate-multiclass-test.csv").read_bytes()
    assert site.train(data).json() == {"status": 0, "info": []}
    asked = b'nfeatures,targetclasses\n2,"[0,1,2]"\nsampleid,a,b\n'
    names = b'sampleid,"\\test_indicator_fullname","\\test_indicator_multiclass"'
    asked = (
        asked.replace(b"sampleid,a,b", names) + b"1-0,0.2,1\n2-0,-0.2,-1\n3-0,-1,1\n"
    )
    predictions = site.predict(asked).json()["predictions"]
    assert [row[:2] for row in predictions] == [
        ["1-0", "2"],
        ["2-0", "1"],
        ["3-0", "0"],
    ]
    answer = site.evaluate(data).json()
    assert (answer["status"], answer["score"]) == (0, 1.0)
    assert "auc" not in answer
