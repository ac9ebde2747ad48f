"""Eight sites and 200 requests at once over two workers."""

from __future__ import annotations

import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import pytest

from trackline.predictions.client import PredictionClient, ServerError
from trackline.predictions.storage import Storage

from .conftest import SEPARABLE, labelled, unlabelled
from .processes import server

SITES = 8
TRAININGS, PREDICTIONS, EVALUATIONS = 5, 19, 1


def columns(site: int) -> list[str]:
    return [f"site{site}_a", f"site{site}_b"]


def dataset(site: int, batch: int = 0) -> bytes:
    """Odd sites have the classes the other way round; a batch brings its own rows."""
    flip = site % 2
    rows = [(batch, b, c ^ flip) for _, b, c in SEPARABLE]
    return labelled(rows, columns=columns(site))


def test_no_wrong_model_no_lost_update_no_error(tmp_path):
    root, log = tmp_path / "models", tmp_path / "log"
    root.mkdir()
    asked = [unlabelled([(0, -1), (0, -0.2)], columns=columns(i)) for i in range(SITES)]
    with server(root, workers=2, log=log) as (url, _):

        def client() -> PredictionClient:
            return PredictionClient(url, "default", "secret")

        for site in range(SITES):
            assert client().train(f"site{site}", "dir", dataset(site))["status"] == 0

        def train(site: int, number: int) -> None:
            answer = client().train(f"site{site}", "dir", dataset(site, number + 1))
            assert answer == {"status": 0, "info": []}

        def predict(site: int, number: int) -> None:
            found = client().predict(f"site{site}", "dir", asked[site])
            values = [prediction.value for prediction in found]
            assert values == ([0, 1] if site % 2 else [1, 0]), "another site's model"

        def evaluate(site: int, number: int) -> None:
            answer = client().evaluate(
                f"site{site}", "evaluation", dataset(site), iterations=2
            )
            assert (answer["status"], answer["score"]) == (0, 1.0)
            packed = client().evaluation_log(
                f"site{site}", "evaluation", answer["runid"]
            )
            archive = zipfile.ZipFile(io.BytesIO(packed))
            told = json.loads(archive.read("metrics.json"))["answer"]
            assert told["score"] == 1.0
            runids.append((site, answer["runid"]))

        runids: list[tuple[int, int]] = []
        work = [
            (do, site, number)
            for do, times in (
                (train, TRAININGS),
                (predict, PREDICTIONS),
                (evaluate, EVALUATIONS),
            )
            for number in range(times)
            for site in range(SITES)
        ]
        assert len(work) == 200
        with ThreadPoolExecutor(len(work)) as pool:
            for done in [pool.submit(*item) for item in work]:
                done.result()
        metrics = client()._ask("GET", "/metrics").text
    assert len(set(runids)) == SITES * EVALUATIONS

    storage = Storage(str(root))
    for site in range(SITES):
        state, _ = storage.folder(f"site{site}", "dir").read()
        batches = sorted(set(state.rows.features[:, 0].tolist()))
        assert batches == list(range(TRAININGS + 1)), "a training was lost"
        assert len(state.rows.labels) == len(SEPARABLE) * (TRAININGS + 1)
        assert state.classifier.columns == tuple(columns(site))

    logged = [json.loads(line) for line in log.read_text().splitlines()]
    workers = {line["worker"] for line in logged}
    assert len(workers) == 2, "one worker did everything"
    assert all(line["http_status"] == 200 for line in logged)
    assert not any("feature" in json.dumps(line) for line in logged)
    counted = sum(
        float(line.rsplit(" ", 1)[1])
        for line in metrics.splitlines()
        if line.startswith("trackline_requests_total")
        and 'route="/training"' in line
        and 'status="0"' in line
    )
    assert counted == SITES * (TRAININGS + 1), "metrics miss a worker"


def test_client_tells_what_the_server_says(tmp_path):
    root = tmp_path / "models"
    root.mkdir()
    with server(root) as (url, _):
        client = PredictionClient(url, "default", "secret")
        assert client.version() == "3.0.5"
        asked = unlabelled([(1, -1)])
        with pytest.raises(ServerError, match="have not been trained"):
            client.predict("model", "dir", asked)
        with pytest.raises(ServerError, match="nothing to export"):
            client.export("model", "dir")
        with pytest.raises(ServerError, match="no readable zip"):
            client.import_("model", "dir", b"x")
        assert client.train("model", "dir", labelled(SEPARABLE))["status"] == 0
        client.import_("copy", "dir", client.export("model", "dir"))
        assert client.predict("copy", "dir", asked) == client.predict(
            "model", "dir", asked
        )
        client.delete("copy")
        with pytest.raises(ServerError, match="have not been trained"):
            client.predict("copy", "dir", asked)
        wrong = PredictionClient(url, "default", "wrong")
        with pytest.raises(ServerError, match="401"):
            wrong.train("model", "dir", labelled(SEPARABLE))
    with pytest.raises(ServerError, match="cannot be reached"):
        client.version()
