"""The model store: files, versions, the card."""

import copy
import json
import shutil
from dataclasses import replace

import fsspec
import numpy as np
import pandas as pd
import pytest

from trackline.recommender import (
    Recommender,
    store,
)
from trackline.recommender.tasks import Candidate


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
    north = tmp_path / "models" / "recommender" / "north"
    assert (north / "north-x").exists()
    store.save(root, replace(other, model_id="north-y"))
    assert not (north / "north-x").exists(), "what was left by the killed build"
    assert (north / "north-y").exists()


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


def test_a_removed_district_has_no_versions(searched, tmp_path):
    shutil.copytree(searched[0], tmp_path / "models")
    root = str(tmp_path / "models")
    store.remove(root, "north")
    assert store.versions(root, "north") == []
    assert store.chosen(root, "north") is None
    store.remove(root, "north")
