"""Each defect of the reference (PROTOCOL section 5), as a test that it would fail."""

from __future__ import annotations

import hashlib
import io
import json
import pickle
import zipfile

import numpy as np
import pytest

from .conftest import SEPARABLE, labelled, unlabelled


def tree(root):
    return {p.relative_to(root): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.mark.parametrize("uniqueid", ["..", ".", "", "/", "../..", "%2e%2e", "*"])
def test_1_deleting_nothing_deletes_nothing(site, uniqueid):
    site.train(labelled(SEPARABLE))
    before = tree(site.root)
    site.post("/deletemodel", uniqueid=uniqueid)
    after = tree(site.root)
    assert {k: v for k, v in after.items() if ".locks" not in str(k)} == {
        k: v for k, v in before.items() if ".locks" not in str(k)
    }


def test_2_imports_run_no_code(site, tmp_path):
    class Runs:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    objects = np.empty(1, dtype=object)
    objects[0] = Runs()
    packed = io.BytesIO()
    np.savez(packed, **{"0.kept": objects})
    site.train(labelled(SEPARABLE))
    exported = site.get("/export", uniqueid="model", dirhash="dir").content
    about = json.loads(zipfile.ZipFile(io.BytesIO(exported)).read("model.json"))
    about["sha256"] = hashlib.sha256(packed.getvalue()).hexdigest()
    for files in (
        {"classifier.pkl": pickle.dumps(Runs())},
        {"model.json": json.dumps(about).encode(), "model.npz": packed.getvalue()},
        {"model.json": json.dumps(about).encode(), "model.npz": pickle.dumps(Runs())},
    ):
        answer = send_import(site, files)
        assert answer.status_code == 400
    assert not (tmp_path / "ran").exists()


def send_import(site, files, uniqueid="model"):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return site.post(
        "/import",
        files={"importzip": packed.getvalue()},
        uniqueid=uniqueid,
        dirhash="dir",
    )


def test_3_auc_is_that_of_class_one(site):
    random = np.random.default_rng(0)
    x = random.normal(size=(300, 2))
    y = (x[:, 0] + random.normal(scale=0.5, size=300) > 0).astype(int)
    rows = [(*row.round(3), label) for row, label in zip(x, y, strict=True)]
    answer = site.evaluate(labelled(rows), niterations=2).json()
    assert answer["auc"] > 0.9
    assert answer["auc"] > answer["accuracy"]


def test_4_evaluation_leaves_the_live_model_alone(site):
    site.train(labelled(SEPARABLE))
    stored = (site.root / "model" / "dir" / "classifier.zip").read_bytes()
    asked = unlabelled([(1, -1), (1, -0.2)])
    before = site.predict(asked).json()
    three = [(1, 0, 0), (2, 0, 1), (3, 0, 2)] * 10
    assert site.evaluate(labelled(three, classes="[0,1,2]")).json()["status"] == 0
    assert site.predict(asked).json() == before
    assert (site.root / "model" / "dir" / "classifier.zip").read_bytes() == stored


def test_5_another_column_count_is_refused(site):
    site.train(labelled(SEPARABLE))
    wider = [(*row[:-1], 5, row[-1]) for row in SEPARABLE]
    for answer in (
        site.train(labelled(wider)),
        site.predict(unlabelled([(1, -1, 5)])),
        site.predict(unlabelled([(1, -1)], columns=["f0", "other"])),
        site.evaluate(labelled(wider), trainedmodeldirhash="dir"),
    ):
        assert answer.json()["status"] == 1
    lying = labelled(SEPARABLE).replace(b"\n2,", b"\n9,")
    assert site.train(lying).json()["status"] == 1


def test_5_columns_in_another_order_are_put_in_order(site):
    site.train(labelled(SEPARABLE, columns=["a", "b"]))
    there = site.predict(unlabelled([(1, -1)], columns=["a", "b"])).json()
    back = site.predict(unlabelled([(-1, 1)], columns=["b", "a"])).json()
    assert there == back


def test_7_evaluation_log_is_of_its_own_request(site):
    first = site.evaluate(labelled(SEPARABLE), dirhash="one").json()
    ids = {"uniqueid": "model", "runid": first["runid"]}
    own = site.get("/evaluationlog", dirhash="one", **ids).content
    other = site.get("/evaluationlog", dirhash="two", **ids).content
    assert zipfile.ZipFile(io.BytesIO(own)).namelist()
    assert not zipfile.ZipFile(io.BytesIO(other)).namelist()


def test_8_columns_that_vary_later_are_learned(site):
    """At first only f0 varies; then f1 alone decides."""
    site.train(labelled([(0, 5, 0), (1, 5, 1)] * 5))
    site.train(labelled([(0, 4, 0), (0, 6, 1)] * 50))
    rows = site.predict(unlabelled([(0, 4), (0, 6)])).json()["predictions"]
    assert [row[1] for row in rows] == ["0", "1"]


def test_8_retraining_forgets_nothing(site):
    """The second training has no row of the first one's kind."""
    site.train(labelled([(0, 0, 0), (1, 0, 1)] * 20))
    site.train(labelled([(0, 5, 1), (0, 6, 0)] * 3))
    rows = site.predict(unlabelled([(0, 0), (1, 0)])).json()["predictions"]
    assert [row[1] for row in rows] == ["0", "1"]


def test_8_one_training_or_two_make_the_same_model(site):
    rows = [(a + i % 3, b, c) for i, (a, b, c) in enumerate(SEPARABLE)]
    site.train(labelled(rows), uniqueid="once")
    site.train(labelled(rows[::2]), uniqueid="twice")
    site.train(labelled(rows[1::2]), uniqueid="twice")
    asked = unlabelled([(1, -1), (2, -0.2), (3, -0.5)])
    once, twice = (
        site.predict(asked, uniqueid=u).json()["predictions"] for u in ("once", "twice")
    )
    for a, b in zip(once, twice, strict=True):
        assert a[1] == b[1]
        assert float(a[2]) == pytest.approx(float(b[2]), abs=0.02)


def test_8_an_imported_model_keeps_what_it_knew(site):
    site.train(labelled([(0, 0, 0), (1, 0, 1)] * 50), uniqueid="source")
    exported = site.get("/export", uniqueid="source", dirhash="dir").content
    site.post(
        "/import", files={"importzip": exported}, uniqueid="target", dirhash="dir"
    )
    for _ in range(2):
        new = labelled([(0.5, 4, 0), (0.5, 6, 1)] * 5)
        assert site.train(new, uniqueid="target").json()["status"] == 0
    asked = unlabelled([(0, 5), (1, 5)])
    rows = site.predict(asked, uniqueid="target").json()["predictions"]
    assert [row[1] for row in rows] == ["0", "1"]


def test_10_same_requests_same_bytes(make_site, tmp_path):
    random = np.random.default_rng(1)
    rows = [(*r.round(2), int(r[0] * r[1] > 0)) for r in random.normal(size=(400, 5))]
    stored = []
    for name in ("a", "b"):
        site = make_site()
        site.train(labelled(rows), uniqueid=name)
        stored.append((site.root / name / "dir" / "classifier.zip").read_bytes())
        answer = site.evaluate(labelled(rows), uniqueid=name, niterations=1).json()
        stored.append(answer["score"])
    assert stored[:2] == stored[2:]


def test_predictions_are_class_values_not_positions(site):
    rows = [(0, 0, 5), (1, 0, -2), (2, 0, 9)] * 10
    site.train(labelled(rows, classes="[5,-2,9]"))
    answers = site.predict(unlabelled([(0, 0), (1, 0), (2, 0)])).json()["predictions"]
    assert [row[1] for row in answers] == ["5", "-2", "9"]
