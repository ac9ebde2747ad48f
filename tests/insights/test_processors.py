"""The same dataset through both processors; evaluation; cleaning and forgetting."""

from __future__ import annotations

import csv
import json
import socket
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pandas as pd
import pytest
import uvicorn

from tests.insights.site import build
from tests.insights.test_site import busy_site, enable
from trackline.insights import evaluate as evaluation
from trackline.insights.pages import carrying_features, write_pages
from trackline.insights.processors import Server
from trackline.insights.store import Store
from trackline.predictions.archive import pack
from trackline.predictions.auth import Users
from trackline.predictions.client import ServerError
from trackline.predictions.dataset import Dataset
from trackline.predictions.limits import Deadline, Limits
from trackline.predictions.server import ServerSettings
from trackline.predictions.server import build as build_server
from trackline.settings import RefusedError, Settings

PREDICTED = "sample_id, range_index, prediction, prediction_score"


@pytest.fixture
def server(tmp_path):
    """Serve predictions on a port of its own."""
    root = tmp_path / "server"
    root.mkdir()
    app = build_server(ServerSettings(Users("default:secret"), str(root), Limits()))
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="error")
    running = uvicorn.Server(config)
    thread = threading.Thread(target=running.run, daemon=True)
    thread.start()
    while not running.started:
        time.sleep(0.05)
    yield port
    running.should_exit = True
    thread.join(10)


def settings_of(project, **values: object) -> None:
    project.write_seed(
        "analytics_settings",
        [
            {"district_id": "*", "name": name, "value": str(value)}
            for name, value in values.items()
        ],
    )


def test_sklearn_and_server_predict_alike(project, server, monkeypatch):
    busy_site().deliver(project)
    enable(project)
    build(project)
    predicted = project.table("rpt_predictions", PREDICTED)
    assert any(row[0] == "20108" for row in predicted)  # course_dropout said something

    # nobody answers at this port: an error of its model, and of no other
    monkeypatch.setenv("TRACKLINE_SERVER_PASSWORD", "secret")
    settings_of(project, predictionsprocessor="server", host="127.0.0.1", port=1)
    static = "model_id <> 'course_dropout'"
    before = project.rows(f"select count(*) from rpt_predictions where {static}")
    build(project)
    assert project.rows(
        "select status, info like '%cannot be reached%' from int_trainings"
    ) == [(1, True)]
    assert (
        project.rows(f"select count(*) from rpt_predictions where {static}") == before
    )

    settings_of(
        project, predictionsprocessor="server", host="127.0.0.1", port=server,
    )  # fmt: skip
    build(project)
    assert project.rows("select status, info, samples from int_trainings") == [
        (0, "", 64)
    ]
    assert project.table("rpt_predictions", PREDICTED) == predicted
    # once another processor learns, it has to be asked to forget
    model = Store().model("north", "course_dropout")
    assert model.state()["at_server"] == [model.version]


def test_evaluation_writes_pages_and_the_best_interval(project):
    busy_site().deliver(project)
    build(project)
    settings = Settings.from_environment()
    # the nightly build's tables are left alone
    values = project.table("int_indicator_values")
    evaluated = evaluation.evaluate(settings, ["course_dropout"], ["north"])
    assert [row.analysis_interval for row in evaluated] == [
        "quarters",
        "quarters_accum",
        "single_range",
    ]
    assert project.table("int_indicator_values") == values
    assert project.rows(
        "select count(*) from int_analyses where purpose = 'evaluate'"
    ) == [(0,)]
    # over the whole course 12 rows each tell nobody apart: half are right, all of
    # one class, a weighted F1 of 1/3; in quarters those who left leave nothing behind
    by = {row.analysis_interval: row for row in evaluated}
    assert by["single_range"].score == pytest.approx(1 / 3)
    assert by["single_range"].status & 4
    assert by["quarters"].auc > 0.8
    for row in evaluated:
        folder = project.models.parent / row.dir
        names = {path.name for path in folder.iterdir()}
        assert {"index.html", "roc-curve.png", "calibration.png"} <= names
        assert "AUC lost" in (folder / "index.html").read_text()
    assert project.rows(
        "select analysis_interval, processor, status, score is not null"
        " from rpt_model_evaluations order by 1"
    ) == [(row.analysis_interval, "sklearn", row.status, True) for row in evaluated]

    def rated(interval: str, score: float, status: int) -> evaluation.Evaluated:
        return evaluation.Evaluated(
            "north", "course_dropout", interval, score, 0.01, 0.9, status, "", None
        )

    # the best of those that are good enough; a site that follows everybody's row gets
    # one of its own
    good = [rated("quarters", 0.8, 0), rated("quarters_accum", 0.85, 0)]
    poor = rated("single_range", 0.9, 8)
    assert evaluation.apply(settings, [poor]) == []
    assert evaluation.apply(settings, [*good, poor]) == [good[1]]
    with (project.seeds / "prediction_models.csv").open() as stream:
        own = [r for r in csv.DictReader(stream) if r["district_id"] == "north"]
    assert [(r["model_id"], r["analysis_interval"], r["enabled"]) for r in own] == [
        ("course_dropout", "quarters_accum", "false")
    ]
    with pytest.raises(RefusedError, match="rests on assumptions"):
        evaluation.evaluate(settings, ["no_teaching"])
    with pytest.raises(RefusedError, match="nonsense"):
        evaluation.evaluate(settings, ["nonsense"])
    # what a site is told stays in its files, and is not shown once it is disabled
    project.configure([{"district_id": "north", "enabled": "false"}])
    build(project)
    assert project.table("int_model_evaluations")
    assert project.table("rpt_model_evaluations") == []


def test_a_page_takes_no_longer_than_the_model_may(tmp_path):
    labels = np.array([0, 1] * 50)
    dataset = Dataset(("active",), labels[:, None].astype("f4"), (0, 1), labels=labels)
    assert carrying_features(dataset)[0][0] == "active"
    analysis = SimpleNamespace(
        indicators=pd.DataFrame(columns=["class_name", "label"]),
        target=SimpleNamespace(label="Dropout"),
        about=SimpleNamespace(model_id="m", analysis_interval="quarters"),
    )
    answer = {"status": 0, "info": [], "score": 0.9}
    late = Deadline(0).check
    write_pages(
        fsspec.filesystem("file"), str(tmp_path), analysis, dataset, answer, late
    )
    assert [path.name for path in tmp_path.iterdir()] == ["index.html"]


@pytest.mark.parametrize(
    ("answer", "log", "written"),
    [
        ({"runid": 7}, pack({"info.log": b"1", "tensor/a": b"2"}), ["a", "info.log"]),
        ({"runid": 7}, b"<html>", []),
        ({"runid": 7}, ServerError("HTTP status 500"), []),
        ({"runid": "none"}, b"", []),
        ({}, b"", []),
    ],
)
def test_an_evaluation_counts_without_its_log(
    tmp_path, monkeypatch, answer, log, written
):
    """The reference sends folders, and on S3 no log at all."""
    known = set()

    class Client:
        def evaluate(self, uniqueid, dirhash, dataset, **bounds):
            # a run that is killed now has to be forgotten yet
            assert model.state()["at_server"] == ["evaluation-quarters"]
            known.add(uniqueid)
            return {"status": 0, "score": 0.8, **answer}

        def delete(self, uniqueid):
            known.remove(uniqueid)

        def evaluation_log(self, *ids):
            if isinstance(log, Exception):
                raise log
            return log

    monkeypatch.setenv("TRACKLINE_MODELS", str(tmp_path))
    model = Store(Settings.from_environment()).model("north", "course_dropout")
    rated = Server(Client()).evaluate(model, "quarters", b"")
    assert rated["score"] == 0.8
    # the reference keeps a model of every evaluation until it is told to forget it
    assert not known
    assert model.state()["at_server"] == []
    files = (path for path in Path(rated["dir"]).rglob("*") if path.is_file())
    assert sorted(path.name for path in files) == written


def test_a_site_of_its_own_row_starts_from_everybody_s(project):
    """Another site's row stands above the common one: it is none of this site's."""
    with (project.seeds / "prediction_models.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    common = next(row for row in rows if row["model_id"] == "course_dropout")
    other = {**common, "district_id": "south", "indicators": "theirs"}
    project.write_seed("prediction_models", [other, *rows])
    best = evaluation.Evaluated(
        "north", "course_dropout", "quarters", 0.8, 0.01, 0.9, 0, "", None
    )
    assert evaluation.apply(Settings.from_environment(), [best]) == [best]
    with (project.seeds / "prediction_models.csv").open() as stream:
        assert list(csv.DictReader(stream)) == [
            other,
            *rows,
            {**common, "district_id": "north", "analysis_interval": "quarters"},
        ]


def test_cleaning_and_forgetting(project):
    from trackline.insights import clean_up
    from trackline.insights.cleaning import forget_user

    site = busy_site()
    site.deliver(project)
    enable(project)
    build(project)
    settings = Settings.from_environment()
    assert clean_up(settings).empty
    # course 21 is deleted
    for name, key in (
        ("course", "id"),
        ("context", "instanceid"),
        ("enrol", "courseid"),
    ):
        site.tables[name] = [r for r in site.tables[name] if r[key] != 21]
    site.deliver(project, "2025-03-01T05:00:00")
    build(project)
    removed = clean_up(settings).set_index("model_id")
    assert removed.predictions["no_recent_accesses"] == 7
    assert removed.samples["no_recent_accesses"] == 8
    # another model is no longer wanted: it goes once a build has gone without it
    path = project.seeds / "prediction_models.csv"
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join(row for row in lines if "no_recent_accesses" not in row))
    assert clean_up(settings).empty

    # 101 is forgotten: what was learned from 101 is learned again without
    forget_user(settings, "north", "101")
    model = project.models / "insights" / "north" / "course_dropout"
    assert not json.loads((model / "model.json").read_text())["is_trained"]
    assert not (model / "1" / "execution").exists()
    from trackline.privacy import forget

    forget(settings, "north", "101")
    build(project, "--full-refresh")
    assert project.rows("select samples, status from int_trainings") == [(56, 0)]
    [removed] = clean_up(settings).itertuples()
    assert (removed.model_id, removed.predictions > 0) == ("no_recent_accesses", True)
    left = (model.parent / "no_recent_accesses").iterdir()
    assert sorted(path.name for path in left) == [".lock", "model.json"]
    assert clean_up(settings).empty
    for table in ("rpt_predictions", "rpt_insights", "rpt_insight_recipients"):
        assert project.rows(f"select count(*) from {table} where user_id = '101'") == [
            (0,)
        ]
    for path in model.rglob("*.parquet"):
        import pyarrow.parquet as pq

        assert "101" not in pq.read_table(path).column("user_id").to_pylist()
