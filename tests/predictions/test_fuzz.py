"""Anything at all, to every route: no 5xx, no traceback, nothing outside the model."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import SEPARABLE, basic, labelled, unlabelled

ROUTES = (
    "/version",
    "/training",
    "/prediction",
    "/evaluation",
    "/evaluationlog",
    "/export",
    "/import",
    "/deletemodel",
    "/metrics",
    "/",
    "/../training",
)
JSON_ROUTES = {"/training", "/prediction", "/evaluation"}
FIELDS = (
    "uniqueid",
    "dirhash",
    "minscore",
    "maxdeviation",
    "niterations",
    "runid",
    "trainedmodeldirhash",
    "dataset",
    "importzip",
)
VALID = (
    labelled(SEPARABLE),
    labelled([(0, 0, 0), (1, 0, 1), (2, 0, 2)] * 5, classes="[0,1,2]"),
    unlabelled([(1, -1)]),
)
IDS = st.sampled_from(["model", "dir", "..", "", "$", "a/b", "-", "0"])
TEXT = st.one_of(
    IDS,
    st.text(max_size=40),
    st.sampled_from(["0.7", ".", "1e400", "-1", "9" * 40, "3", "NaN"]),
)


@st.composite
def mutated(draw) -> bytes:
    """Replace a piece of a valid dataset."""
    data = draw(st.sampled_from(VALID))
    start = draw(st.integers(0, len(data)))
    end = draw(st.integers(start, min(len(data), start + 30)))
    return data[:start] + draw(st.binary(max_size=20)) + data[end:]


CONTENT = st.one_of(st.binary(max_size=200), st.sampled_from(VALID), mutated())
QUIET = {
    "deadline": None,
    "derandomize": True,
    "suppress_health_check": list(HealthCheck),
}


def run(site, method, route, query, fields, files, raw, kept):
    form = {name: (None, value) for name, value in fields.items()}
    form |= {name: ("x", content) for name, content in files.items()}
    headers = basic()
    if raw is not None:
        body = {"content": raw[1]}
        headers |= {"Content-Type": raw[0]} if raw[0] else {}
    else:
        body = {"files": form} if form else {}
    if method == "GET":
        body = {}
    answer = site.client.request(method, route, params=query, headers=headers, **body)
    # "nothing to export" is the one 503 that Moodle expects
    if answer.text != "There is nothing to export.":
        assert answer.status_code < 500
    assert "Traceback" not in answer.text
    assert "The server failed" not in answer.text
    if (
        route in {"/training", "/prediction", "/evaluation"}
        and answer.status_code == 200
    ):
        told = json.loads(answer.content)
        assert type(told["status"]) is int
        assert told["status"] == 0 or told.get("errors") or told["info"]
        assert route != "/evaluation" or type(told["runid"]) is int
        assert route != "/prediction" or told["status"] or told["predictions"]
    bystander = site.root / "bystander" / "dir" / "classifier.zip"
    assert bystander.read_bytes() == kept
    assert {p.name for p in site.root.parent.iterdir()} == {"models"}


@pytest.fixture
def kept(site):
    site.train(labelled(SEPARABLE), uniqueid="bystander")
    return (site.root / "bystander" / "dir" / "classifier.zip").read_bytes()


FUZZ = {
    "method": st.sampled_from(["GET", "POST", "POST", "PUT", "DELETE", "HEAD"]),
    "route": st.sampled_from(ROUTES),
    "query": st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=4),
    "fields": st.dictionaries(st.sampled_from(FIELDS), TEXT, max_size=7),
    "files": st.dictionaries(
        st.sampled_from(["dataset", "importzip", "other"]), CONTENT, max_size=2
    ),
    "raw": st.one_of(
        st.none(),
        st.none(),
        st.tuples(
            st.sampled_from(
                [
                    "",
                    "multipart/form-data",
                    "multipart/form-data; boundary=b",
                    "application/x-www-form-urlencoded",
                    "application/json",
                ]
            ),
            st.binary(max_size=300),
        ),
    ),
}


def test_anything(site, kept):
    @settings(max_examples=150, **QUIET)
    @given(**FUZZ)
    def check(**given):
        run(site, kept=kept, **given)

    check()


@pytest.mark.long
def test_anything_for_longer(site, kept):
    @settings(max_examples=5000, **QUIET)
    @given(**FUZZ)
    def check(**given):
        run(site, kept=kept, **given)

    check()


@pytest.mark.parametrize("route", ["/training", "/prediction", "/evaluation"])
def test_any_dataset(site, kept, route):
    """Complete requests with a broken dataset, to a trained model."""
    site.train(labelled(SEPARABLE))
    fields = {
        "uniqueid": "model",
        "dirhash": "dir",
        "minscore": "0.7",
        "maxdeviation": "0.05",
        "niterations": "1",
    }

    @settings(max_examples=8 if route == "/evaluation" else 50, **QUIET)
    @given(content=mutated())
    def check(content):
        run(site, "POST", route, {}, fields, {"dataset": content}, None, kept)

    check()


def test_any_change_to_an_export_is_refused_or_harmless(site, kept):
    """Flip bytes of a model: it is refused, or predicts probabilities."""
    from trackline.predictions.model import Classifier, ModelError

    site.train(labelled(SEPARABLE))
    from trackline.predictions.archive import unpack
    from trackline.predictions.limits import Limits

    packed = site.get("/export", uniqueid="model", dirhash="dir").content
    files = unpack(packed, Limits())

    @settings(max_examples=200, **QUIET)
    @given(
        name=st.sampled_from(sorted(files)),
        place=st.floats(0, 1, exclude_max=True),
        new=st.binary(min_size=1, max_size=8),
        honest=st.booleans(),
    )
    def check(name, place, new, honest):
        import hashlib

        changed = dict(files)
        start = int(place * len(changed[name]))
        content = changed[name]
        changed[name] = content[:start] + new + content[start + len(new) :]
        if honest and name == "model.npz":
            about = json.loads(changed["model.json"])
            about["sha256"] = hashlib.sha256(changed["model.npz"]).hexdigest()
            changed["model.json"] = json.dumps(about).encode()
        try:
            model = Classifier.from_files(changed)
        except ModelError:
            return
        import numpy as np

        with np.errstate(all="ignore"):
            found = model.predict_proba(np.zeros((2, len(model.columns)), "f4"))
        assert found.shape == (2, len(model.classes))

    check()
