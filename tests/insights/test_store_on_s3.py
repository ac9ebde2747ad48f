"""What learning analytics keeps below TRACKLINE_MODELS, on a real S3 server."""

from __future__ import annotations

import numpy as np
import pandas as pd

from trackline.insights.datasets import to_csv
from trackline.insights.processors import InProcess, Unknown
from trackline.insights.store import SAMPLES, Store
from trackline.predictions.dataset import Dataset
from trackline.settings import ROOT, Settings

NOBODY = Unknown("no server")
X = np.array([[-1.0], [1.0]] * 10, "f4")
LABELLED = Dataset(("active",), X, (0, 1), labels=np.array([1, 0] * 10))
ASKED = Dataset(("active",), X[:2], (0, 1), sample_ids=("7-0", "8-0"))


def test_a_model_lives_on_s3(bucket, monkeypatch):
    monkeypatch.setenv("TRACKLINE_SEEDS", str(ROOT / "seeds"))
    monkeypatch.setenv("TRACKLINE_MODELS", f"{bucket}/some/models")
    model = Store(Settings.from_environment()).model("north", "course_dropout")
    processor = InProcess(seconds=60)
    assert (model.version, model.evaluations()) == (0, [])

    version = model.prepare("first", NOBODY)
    trained = processor.train(model, version, to_csv(LABELLED))
    assert trained == {"status": 0, "info": []}
    row = dict.fromkeys(SAMPLES.names, "1") | {"range_index": 0, "analysed_at": 1}
    for user in ("7", "8"):
        model.append(
            "samples", SAMPLES, version, pd.DataFrame([row | {"user_id": user}])
        )
    # another process sees all of it
    other = Store(Settings.from_environment()).model("north", "course_dropout")
    assert other.version == version
    kept = Store(Settings.from_environment()).kept("north")
    assert [one.folder for one in kept] == [model.folder]
    assert other.read("samples", SAMPLES, version).user_id.tolist() == ["7", "8"]
    answer, rows = processor.predict(other, version, to_csv(ASKED))
    assert answer["status"] == 0
    assert [row[:2] for row in rows] == [("7-0", 1), ("8-0", 0)]
    rated = processor.evaluate(other, "quarters", to_csv(LABELLED))
    assert other.fs.exists(f"{rated['dir']}/roc-curve.png")
    other.add_evaluation({"score": rated["score"]})
    pages = set(other.fs.find(rated["dir"]))
    assert model.evaluations() == [{"score": 1.0}]

    # a changed definition clears what the old one learned, and no evaluation
    assert model.prepare("second", NOBODY) == version + 1
    assert other.read("samples", SAMPLES, version).empty
    answer, _ = processor.predict(other, version, to_csv(ASKED))
    assert answer["status"] == 2
    assert model.evaluations() == [{"score": 1.0}]
    kept = set(other.fs.find(other.folder))
    assert pages < kept
    assert {path.rsplit("/", 1)[-1] for path in kept - pages} == {
        "model.json",
        "evaluations.json",
    }
