"""Models on disk and on S3: whole or absent, and never lost to a neighbour."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from starlette.testclient import TestClient

from trackline.predictions.archive import pack, unpack
from trackline.predictions.auth import Users
from trackline.predictions.learner import fit
from trackline.predictions.limits import LimitError, Limits
from trackline.predictions.server import ServerSettings, build
from trackline.predictions.storage import (
    DAMAGED,
    ChangedError,
    Rows,
    State,
    Storage,
    UploadError,
    file_lock,
)

from .conftest import SEPARABLE, USERS, Site, labelled, unlabelled

X, Y = np.array([[0.0], [1.0]], "f4"), np.array([0, 1])


def state(*labels: int) -> State:
    y = np.array(labels or (0, 1))
    x = np.arange(len(y), dtype="f4")[:, None]
    return State(fit(x, y, (0, 1)), Rows(x, y))


def test_round_trip(tmp_path):
    folder = Storage(str(tmp_path)).folder("a", "b")
    assert folder.read() == (None, None)
    assert folder.classifier() is None
    folder.write(State(state().classifier, state().rows, state(1, 0).classifier))
    found, _ = folder.read()
    assert found.rows.labels.tolist() == [0, 1]
    assert found.rows.features.tolist() == [[0], [1]]
    assert found.inherited.predict(X)[0].tolist() == [1, 0]
    assert found.classifier.predict(X)[0].tolist() == [0, 1]


def test_rows_are_bounded_and_the_newest_stay():
    old = Rows(np.zeros((5, 2), "f4"), np.zeros(5, int))
    new = Rows(np.ones((3, 2), "f4"), np.ones(3, int))
    kept = old.followed_by(new, cells=8)
    assert kept.labels.tolist() == [0, 1, 1, 1]
    # what was just sent is learned whole, however small the bound
    assert old.followed_by(new, cells=1).labels.tolist() == [1, 1, 1]


def test_a_failed_write_leaves_the_old_model(tmp_path, monkeypatch):
    folder = Storage(str(tmp_path)).folder("a", "b")
    folder.write(state())
    before = {p.name: p.read_bytes() for p in (tmp_path / "a" / "b").iterdir()}

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space"):
        folder.write(state(1, 0, 1))
    after = {p.name: p.read_bytes() for p in (tmp_path / "a" / "b").iterdir()}
    assert after == before


def test_a_full_disk_is_an_answer(site, monkeypatch):
    site.train(labelled(SEPARABLE))
    asked = unlabelled([(1, -1)])
    before = site.predict(asked).json()

    def full(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr("os.fsync", full)
        answer = site.train(labelled(SEPARABLE))
    assert (answer.status_code, answer.json()["status"]) == (200, 1)
    assert "Traceback" not in answer.text
    assert "No space" not in answer.text
    assert site.predict(asked).json() == before


def test_a_killed_training_leaves_the_old_model(tmp_path):
    """Kill a process that replaces the model without pause, many times."""
    storage = Storage(str(tmp_path))
    folder = storage.folder("a", "b")
    folder.write(state())
    script = (
        "import sys; sys.path.insert(0, '.')\n"
        "from trackline.predictions.storage import Storage\n"
        f"storage = Storage({str(tmp_path)!r})\n"
        "folder = storage.folder('a', 'b')\n"
        "found, _ = folder.read()\n"
        "print('ready', flush=True)\n"
        "while True:\n"
        "    with storage.lock('a'):\n"
        "        folder.write(found)\n"
    )
    for delay in (0.0, 0.011, 0.03):
        child = subprocess.Popen(
            [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout.readline() == "ready\n"
        time.sleep(delay)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        assert folder.read()[0].rows.labels.tolist() == [0, 1]
        with storage.lock("a"):  # the kernel freed the lock
            folder.write(state())
        # nor is its half-written copy, of rows learned from, left beside the model
        assert os.listdir(folder.path) == ["classifier.zip"]


def test_the_next_deletion_ends_one_that_was_killed(tmp_path, monkeypatch):
    """The same request again must not be told that all is gone when it is not."""
    storage = Storage(str(tmp_path))
    storage.folder("a", "b").write(state())

    def kill(*arguments, **more):
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr("shutil.rmtree", kill)
        with pytest.raises(KeyboardInterrupt):
            storage.delete("a")
    storage.delete("a")
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("damage", ["garbage", "foreign", "short", "half a model"])
@pytest.mark.parametrize("place", ["disk", "s3"])
def test_a_damaged_model_is_told_and_can_be_replaced(place, damage, site, request):
    if place == "s3":
        root = request.getfixturevalue("bucket")
        settings = ServerSettings(Users(USERS), root, Limits())
        site = Site(TestClient(build(settings)), site.root)
    else:
        root = str(site.root)
    site.train(labelled(SEPARABLE))
    exported = site.get("/export", uniqueid="model", dirhash="dir").content
    folder = Storage(root).folder("model", "dir")
    path = f"{folder.path}/classifier.zip"
    whole = folder.fs.cat_file(path)
    files = unpack(whole, Limits())
    damaged = {
        "garbage": b"no zip",
        "foreign": pack({"classifier.pkl": b"a pickle"}),
        "short": whole[:-40],
        "half a model": pack({**files, "model.npz": files["model.npz"][:-40]}),
    }[damage]
    folder.fs.pipe_file(path, damaged)
    asked = unlabelled([(1, -1)])
    assert site.predict(asked).json()["errors"] == DAMAGED
    assert site.train(labelled(SEPARABLE)).json()["errors"] == DAMAGED
    rated = site.evaluate(labelled(SEPARABLE), trainedmodeldirhash="dir").json()
    assert (rated["status"], rated["info"]) == (1, [DAMAGED])
    sent = site.get("/export", uniqueid="model", dirhash="dir")
    assert (sent.status_code, sent.text) == (400, DAMAGED)
    assert folder.fs.cat_file(path) == damaged
    sent = site.post(
        "/import", files={"importzip": exported}, uniqueid="model", dirhash="dir"
    )
    assert sent.text == "Ok"
    assert site.predict(asked).json()["status"] == 0


def test_lock_keeps_others_out_and_times_out(tmp_path):
    path = tmp_path / "lock"
    order = []

    def second():
        with file_lock(path, 10):
            order.append("second")

    with file_lock(path, 1):
        thread = threading.Thread(target=second)
        thread.start()
        with pytest.raises(LimitError), file_lock(path, 0.05):
            pass
        order.append("first")
    thread.join()
    assert order == ["first", "second"]


def test_readers_see_whole_models_while_they_are_replaced(tmp_path):
    folder = Storage(str(tmp_path)).folder("a", "b")
    models = [state(*([0] * 50 + [1] * n)) for n in (1, 400)]
    folder.write(models[0])
    stop = threading.Event()

    def replace():
        while not stop.is_set():
            for model in models:
                folder.write(model)

    thread = threading.Thread(target=replace)
    thread.start()
    try:
        seen = {sum(folder.classifier().rows) for _ in range(100)}
    finally:
        stop.set()
        thread.join()
    assert seen <= {51, 450}


def test_old_logs_are_removed(tmp_path, monkeypatch):
    # six runs in one millisecond: the id of a removed run is never given again
    monkeypatch.setattr("time.time_ns", lambda: 1_700_000_000_000_000_000)
    folder = Storage(str(tmp_path), Limits(kept_runs=3)).folder("a", "b")
    runs = []
    for _ in range(6):
        runs.append(folder.reserve_run())
        folder.write_run(runs[-1], {"report.md": b"x"})
    assert [bool(folder.run(str(run))) for run in runs] == [False] * 3 + [True] * 3
    assert runs == sorted(set(runs))
    assert folder.run("..") == {}


@pytest.mark.parametrize("place", ["disk", "s3"])
def test_a_log_may_have_folders(place, tmp_path, request):
    """The reference's logs have tensor/."""
    root = request.getfixturevalue("bucket") if place == "s3" else str(tmp_path)
    folder = Storage(root).folder("a", "b")
    log = {"info.log": b"1", "tensor/train/events": b"2"}
    runid = folder.reserve_run()
    folder.write_run(runid, log)
    assert folder.run(str(runid)) == log
    assert folder.run("7") == {}


def test_s3_refuses_a_write_over_a_changed_model(bucket):
    folder = Storage(bucket).folder("changed", "b")
    folder.write(state())
    with pytest.raises(ChangedError):
        folder.write(state())  # somebody was there first
    _, version = folder.read()
    folder.write(state(1, 0, 1), version)
    with pytest.raises(ChangedError):
        folder.write(state(), version)
    assert folder.read()[0].rows.labels.tolist() == [1, 0, 1]
    folder.overwrite(state())
    assert folder.read()[0].rows.labels.tolist() == [0, 1]


def test_s3_two_machines_lose_no_rows(bucket, monkeypatch):
    """Two machines share no lock: the loser of a race learns from both datasets."""
    import io

    from trackline.predictions import service

    folder = Storage(bucket).folder("race", "b")
    real, raced = service._learn, []

    def slow(state, dataset, limits, deadline):
        learned = real(state, dataset, limits, deadline)
        if not raced:
            raced.append(True)
            service.train(folder, io.BytesIO(labelled([(0, 5, 0), (1, 5, 1)])), limits)
        return learned

    monkeypatch.setattr(service, "_learn", slow)
    answer = service.train(folder, io.BytesIO(labelled(SEPARABLE)), Limits())
    assert answer == {"status": 0, "info": []}
    assert len(folder.read()[0].rows.labels) == len(SEPARABLE) + 2


def test_s3_whole_protocol(bucket, tmp_path):
    settings = ServerSettings(Users(USERS), bucket, Limits(kept_runs=2))
    site = Site(TestClient(build(settings)), tmp_path)
    ids = {"uniqueid": "model", "dirhash": "dir"}
    assert site.get("/export", **ids).status_code == 503
    assert site.train(labelled(SEPARABLE)).json()["status"] == 0
    asked = unlabelled([(1, -1), (1, -0.2)])
    predicted = site.predict(asked).json()
    assert [row[1] for row in predicted["predictions"]] == ["1", "0"]
    exported = site.get("/export", **ids).content
    sent = site.post(
        "/import", files={"importzip": exported}, uniqueid="other", dirhash="dir"
    )
    assert sent.text == "Ok"
    assert site.predict(asked, uniqueid="other").json() == predicted
    runs = [
        site.evaluate(labelled(SEPARABLE), niterations=1).json()["runid"]
        for _ in range(3)
    ]
    logs = [site.get("/evaluationlog", runid=run, **ids).content for run in runs]
    assert [len(log) > 1000 for log in logs] == [False, True, True]
    assert site.post("/deletemodel", uniqueid="model").text == "Ok"
    assert site.post("/deletemodel", uniqueid="model").text == "Ok"
    assert site.predict(asked).json()["status"] == 2
    assert site.predict(asked, uniqueid="other").json()["status"] == 0
    assert Storage(bucket).fs.find(f"{bucket}/model") == []


def test_s3_that_refuses_is_an_answer(bucket, monkeypatch):
    import io

    from trackline.predictions import service

    folder = Storage("s3://no-such-bucket-here").folder("a", "b")
    with pytest.raises(UploadError):
        folder.write(state())
    answer = service.train(folder, io.BytesIO(labelled(SEPARABLE)), Limits())
    assert answer["status"] == 1
    assert answer["errors"] == "Can't upload classifier to S3."
