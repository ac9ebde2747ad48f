"""What leaves the store, by what lies in it alone: no build, no warehouse."""

from __future__ import annotations

import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace

import pandas as pd
import pytest

from trackline.insights import lock as locks
from trackline.insights.cleaning import forget_user
from trackline.insights.processors import InProcess, NotReadyError, Unknown
from trackline.insights.store import PREDICTIONS, SAMPLES, Model, Store, definition
from trackline.insights.training import _train
from trackline.predictions.client import PredictionClient, ServerError
from trackline.predictions.dataset import Dataset
from trackline.settings import RefusedError, Settings

NOBODY = Unknown("no server")


def learned(model: Model) -> Model:
    """A model that has learned from and predicted of users 7 and 8."""
    version = model.prepare("first", NOBODY)
    for name, schema in (("samples", SAMPLES), ("predictions", PREDICTIONS)):
        row = {field.name: "1" if field.type == "string" else 1 for field in schema} | {
            "purpose": "train"
        }
        rows = pd.DataFrame([row | {"user_id": user} for user in ("7", "8")])
        model.append(name, schema, version, rows)
    model.write_state({**model.state(), "is_trained": True})
    return model


def users_of(model: Model, name: str = "samples", schema=SAMPLES) -> list[str]:
    return model.read(name, schema, model.version).user_id.tolist()


@pytest.fixture
def server(project, monkeypatch):
    """A prediction server that does not answer at first; what it was to forget."""
    settings = [("predictionsprocessor", "server"), ("host", "h"), ("port", "1")]
    project.write_seed(
        "analytics_settings",
        [{"district_id": "*", "name": n, "value": v} for n, v in settings],
    )
    monkeypatch.delenv("TRACKLINE_SERVER_PASSWORD", raising=False)
    deleted = []

    def delete(client, uniqueid):
        if not deleted:
            deleted.append(None)
            raise ServerError("h:1 cannot be reached")
        deleted.append(uniqueid)

    monkeypatch.setattr(PredictionClient, "delete", delete)
    return deleted


def test_what_a_server_learned_is_forgotten_or_told(server, monkeypatch):
    """Otherwise the server keeps the student, and counts everybody else twice."""
    settings = Settings.from_environment()
    model = learned(Store(settings).model("north", "course_dropout"))
    model.enter_server(1)
    for reason in ("TRACKLINE_SERVER_PASSWORD", "cannot be reached"):
        with pytest.raises(RefusedError, match=f"{reason}.*Run the same command again"):
            forget_user(settings, "north", "7")
        assert users_of(model) == ["7", "8"]
        assert model.state()["is_trained"]
        monkeypatch.setenv("TRACKLINE_SERVER_PASSWORD", "secret")
    forget_user(settings, "north", "9")  # it has not learned from 9
    assert server == [None]
    forget_user(settings, "north", "7")
    assert server == [None, model.uniqueid(1)]
    assert users_of(model) == []
    assert not model.state()["is_trained"]


def test_a_server_that_is_gone_keeps_no_other_model_from_forgetting(server):
    """And the way out is told: whoever must forget cannot go on without it."""
    settings = Settings.from_environment()
    first, second = (
        learned(Store(settings).model("north", name)) for name in ("first", "second")
    )
    first.enter_server(1)
    way = f"empty at_server in {first.folder}/model.json. Run the same command again"
    with pytest.raises(RefusedError, match=way):
        forget_user(settings, "north", "7")
    assert (users_of(first), users_of(second)) == (["7", "8"], [])
    first.write_state({**first.state(), "at_server": []})
    forget_user(settings, "north", "7")
    assert users_of(first) == []


def test_a_server_is_asked_again_to_forget_an_old_version(server, monkeypatch):
    """And holds up no new one, wherever that is learned."""
    monkeypatch.setenv("TRACKLINE_SERVER_PASSWORD", "secret")
    store = Store()
    model = learned(store.model("north", "course_dropout"))
    model.enter_server(1)
    assert model.prepare("second", store.server("north")) == 2
    assert model.state()["at_server"] == [1]
    model.enter_server(2)
    assert model.prepare("second", store.server("north")) == 2
    assert (server, model.state()["at_server"]) == ([None, model.uniqueid(1)], [2])


@pytest.mark.parametrize("is_here", [True, False])
def test_a_model_of_an_earlier_release_may_be_at_a_server(project, is_here):
    """Its model.json does not say so: it has no classifier here."""
    model = learned(Store().model("north", "course_dropout"))
    state = model.state()
    del state["at_server"]
    model.write_state(state)
    if is_here:
        model.fs.makedirs(model.files(1).path)
    assert model.prepare("second", NOBODY) == 2
    assert model.state()["at_server"] == ([] if is_here else [1])


def test_a_server_may_know_a_student_by_an_old_version(server, monkeypatch):
    monkeypatch.setenv("TRACKLINE_SERVER_PASSWORD", "secret")
    store = Store()
    model = learned(store.model("north", "course_dropout"))
    model.enter_server(1)
    model.prepare("second", NOBODY)
    with pytest.raises(RefusedError, match="may still know the student"):
        forget_user(Settings.from_environment(), "north", "7")
    forget_user(Settings.from_environment(), "north", "7")
    assert (server, model.state()["at_server"]) == ([None, model.uniqueid(1)], [])


def test_an_evaluation_that_a_server_may_know_is_forgotten(server, monkeypatch):
    """One that was killed left everybody's rows there, under an id of its own."""
    monkeypatch.setenv("TRACKLINE_SERVER_PASSWORD", "secret")
    store, name = Store(), "evaluation-quarters"
    model = store.model("north", "course_dropout")  # evaluated before its first night
    with model.alone():
        model.enter_server(name)
        # one that goes on is no old version
        assert model.prepare("second", store.server("north")) == 1
    model.enter_server(1)
    assert (server, model.state()["at_server"]) == ([], [name, 1])
    never_run = store.model("north", "never_run")
    never_run.enter_server(name)
    with pytest.raises(RefusedError, match="may still know the student"):
        forget_user(Settings.from_environment(), "north", "9")
    forget_user(Settings.from_environment(), "north", "9")
    assert set(server) == {None, model.uniqueid(name), never_run.uniqueid(name)}
    assert model.state()["at_server"] == [1]
    assert never_run.state()["at_server"] == []


def test_removed_models_and_districts_forget_too(project):
    """Their rows left the seeds; their files, and what they learned, did not."""
    store = Store()
    left = [
        learned(store.model(*names))
        for names in (("north", "no_such_model"), ("south", "course_dropout"))
    ]
    for model in left:
        model.fs.makedirs(model.files(1).path)
        forget_user(Settings.from_environment(), model.district_id, "7")
        assert users_of(model) == []
        assert users_of(model, "predictions", PREDICTIONS) == ["8"]
        assert not model.fs.exists(model.files(1).path)
    forget_user(Settings.from_environment(), "nowhere", "7")


def test_what_killed_writers_left_is_removed(project):
    """Copies with students in them, under names that no reader knows."""
    model = learned(Store().model("north", "course_dropout"))
    version = Path(model.folder, "1")
    left = [
        version / f"{name}.{uuid.uuid4().hex}"
        for name in (".samples.parquet", "execution/.classifier.zip")
    ]

    def killed() -> None:
        for path in left:
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(b"7")

    killed()
    with model.alone():
        assert not any(path.exists() for path in left)
    killed()
    forget_user(Settings.from_environment(), "north", "9")
    assert not any(path.exists() for path in left)
    assert users_of(model) == ["7", "8"]


def test_a_training_that_was_killed_is_forgotten_whole(project):
    """It had learned, and was to record from whom: anybody may be among them."""
    model = learned(Store().model("north", "course_dropout"))
    model.write_state({**model.state(), "is_learning": True})
    model.fs.makedirs(model.files(1).path)
    forget_user(Settings.from_environment(), "north", "9")
    assert not model.fs.exists(model.files(1).path)
    assert users_of(model) == []
    state = model.state()
    assert (state["is_trained"], state["is_learning"]) == (False, False)


def analysis_of(*users: str, **about: object) -> SimpleNamespace:
    """What a build hands to a training: two samples a user, of both classes."""
    keys = ["analysable_id", "sample_id", "user_id", "range_index", "now_at", "label"]
    rows = [("20", f"{u}{n}", u, 0, 1, n) for u in users for n in (0, 1)] * 10
    frame = pd.DataFrame(rows, columns=keys)
    labels = frame["label"].to_numpy()
    known = {
        "district_id": "north", "model_id": "course_dropout", "purpose": "train",
        "target": "course_dropout", "indicators": "active", "processor": "sklearn",
        "analysis_interval": "quarters", "kind": "parts", "parts": 4, "days": None,
        "months": None,
    }  # fmt: skip
    dataset = Dataset(("active",), labels[:, None].astype("f4"), (0, 1), labels=labels)
    return SimpleNamespace(
        rows=frame,
        about=SimpleNamespace(**known | about),
        dataset=lambda labelled: dataset,
    )


def rows_learned(model: Model) -> int:
    return len(model.files(model.version).read()[0].rows.labels)


def test_a_training_that_was_killed_teaches_nobody_twice(project, monkeypatch):
    store = Store()
    model = store.model("north", "course_dropout")

    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Model, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            _train(store, analysis_of("7"))
    assert model.state()["is_learning"]
    assert _train(store, analysis_of("7"))["status"] == 0
    assert rows_learned(model) == 20
    with monkeypatch.context() as patch:
        patch.setattr(Model, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            _train(store, analysis_of("8"))
    # the build that comes offers 8 alone: of 7 the store said that it was learned from
    assert "anew" in _train(store, analysis_of("8"))["info"]
    assert not model.state()["is_trained"]
    assert users_of(model) == []
    assert _train(store, analysis_of("7", "8"))["status"] == 0
    assert rows_learned(model) == 40


def test_other_columns_or_ranges_make_another_model(project):
    first = analysis_of("7", indicators="one two").about
    again = analysis_of("7", indicators="one two", parts=4.0, days=float("nan")).about
    assert definition(again) == definition(first), "an engine tells numbers otherwise"
    for change in ({"indicators": "two one"}, {"parts": 5}, {"kind": "parts_accum"}):
        about = analysis_of("7", **{"indicators": "one two"} | change).about
        assert definition(about) != definition(first)


def test_every_row_that_was_learned_is_kept():
    """A server forgets the oldest rows of a stranger; a site's own are not too many."""
    limits = InProcess(60)._limits
    assert limits.kept_cells >= limits.max_cells


def test_two_evaluations_at_once_are_both_remembered(project):
    model = Store().model("north", "course_dropout")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda n: model.add_evaluation({"n": n}), range(24)))
    assert sorted(one["n"] for one in model.evaluations()) == list(range(24))


def test_a_model_that_another_process_works_on(project, monkeypatch):
    """A build goes on without its new version; forgetting must not."""
    monkeypatch.setattr(locks, "WAIT_SECONDS", 0.1)
    store = Store()
    held, free = (store.model("north", name) for name in ("held", "free"))
    analysis = {
        "purpose": "predict", "district_id": "north", "target": "t", "indicators": "i",
        "analysis_interval": "quarters", "processor": "sklearn", "kind": "parts",
        "parts": 4, "days": None, "months": None,
    }  # fmt: skip
    analyses = pd.DataFrame(
        [analysis | {"model_id": model.model_id} for model in (learned(held), free)]
    )
    with locks.lock(held.fs, held.folder):
        store.renew(analyses)
        with pytest.raises(RefusedError, match=r"held .*Run the same command again"):
            forget_user(Settings.from_environment(), "north", "7")
    assert (held.state()["definition"], free.version) == ("first", 1)
    store.renew(analyses)
    assert held.version == 2


def test_a_removed_model_is_gone_once_no_server_knows_it(server, monkeypatch):
    """Its predictions go at once, whatever the server says."""
    store = Store()
    model = learned(store.model("north", "course_dropout"))
    model.enter_server(1)
    model.add_evaluation(InProcess(60).evaluate(model, "quarters", b""))
    with pytest.raises(NotReadyError):
        model.remove(store.server("north"))
    assert [path.name for path in Path(model.folder).iterdir()] == ["model.json"]
    assert [one.model_id for one in store.kept("north")] == ["course_dropout"]
    monkeypatch.setenv("TRACKLINE_SERVER_PASSWORD", "secret")
    model.remove(store.server("north"))
    assert server == [None, model.uniqueid(1)]
    assert model.state()["at_server"] == []
    left = model.version
    model.remove(store.server("north"))  # a night later: nothing is left to do
    assert (server, model.version) == ([None, model.uniqueid(1)], left)
    # the ids of insights have the version in them, and users have been told of the old
    assert model.prepare("first", store.server("north")) > left


def test_an_evaluation_is_no_version_s_own(project):
    """Otherwise rpt_model_evaluations names pages that the next interval removed."""
    model = learned(Store().model("north", "course_dropout"))
    rated = InProcess(60).evaluate(model, "quarters", b"")
    model.add_evaluation({"dir": rated["dir"]})
    pages = model.fs.find(rated["dir"])
    assert pages
    assert model.prepare("second", NOBODY) == 2
    assert not model.fs.exists(f"{model.folder}/1")
    assert model.fs.find(model.evaluations()[0]["dir"]) == pages
