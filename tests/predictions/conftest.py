"""A server in this process, the protocol's requests, and small datasets."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from trackline.predictions.auth import Users
from trackline.predictions.limits import Limits
from trackline.predictions.server import ServerSettings, build
from trackline.settings import ROOT

USERS = "default:secret,second:other"


def basic(user: str = "default", password: str = "secret") -> dict[str, str]:
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    return {"Authorization": f"Basic {token}"}


class Site:
    """One Moodle site: what its client sends."""

    def __init__(self, client: TestClient, root: Path) -> None:
        self.client, self.root = client, root

    def post(self, path: str, *, files=None, **fields):
        files = {k: ("x.csv", v) for k, v in (files or {}).items()}
        # Moodle posts multipart forms even without a file
        form = {name: (None, str(value)) for name, value in fields.items()}
        return self.client.post(path, files={**form, **files}, headers=basic())

    def get(self, path: str, **fields):
        return self.client.get(path, params=fields, headers=basic())

    def train(self, csv: bytes, uniqueid="model", dirhash="dir"):
        return self.post(
            "/training", files={"dataset": csv}, uniqueid=uniqueid, dirhash=dirhash
        )

    def predict(self, csv: bytes, uniqueid="model", dirhash="dir"):
        return self.post(
            "/prediction", files={"dataset": csv}, uniqueid=uniqueid, dirhash=dirhash
        )

    def evaluate(self, csv: bytes, uniqueid="model", dirhash="dir", **fields):
        defaults = {"minscore": 0.7, "maxdeviation": 0.05, "niterations": 10}
        return self.post(
            "/evaluation",
            files={"dataset": csv},
            uniqueid=uniqueid,
            dirhash=dirhash,
            **{**defaults, **fields},
        )


@pytest.fixture
def make_site(tmp_path):
    def make(**limits) -> Site:
        root = tmp_path / "models"
        root.mkdir(exist_ok=True)
        settings = ServerSettings(Users(USERS), str(root), Limits(**limits))
        return Site(TestClient(build(settings), raise_server_exceptions=True), root)

    return make


@pytest.fixture
def site(make_site) -> Site:
    return make_site()


def labelled(rows, classes="[0,1]", columns=None) -> bytes:
    width = len(columns) + 1 if columns else (len(rows[0]) if rows else 3)
    names = columns or [f"f{i}" for i in range(width - 1)]
    lines = [
        "nfeatures,targetclasses,targettype",
        f'{len(names)},"{classes}",discrete',
        ",".join([*names, "target"]),
        *(",".join(map(str, row)) for row in rows),
    ]
    return ("\n".join(lines) + "\n").encode()


def unlabelled(rows, columns=None, ids=None) -> bytes:
    names = columns or [f"f{i}" for i in range(len(rows[0]))]
    ids = ids or [f"{i}-0" for i in range(len(rows))]
    lines = [
        "nfeatures,targetclasses,targettype",
        f'{len(names)},"[0,1]",discrete',
        ",".join(["sampleid", *names]),
        *(",".join([i, *map(str, row)]) for i, row in zip(ids, rows, strict=True)),
    ]
    return ("\n".join(lines) + "\n").encode()


SEPARABLE = [(1, -0.2, 0)] * 10 + [(1, -1, 1)] * 10


def fixtures(*parts: str) -> Path:
    """Find a path of the shared Moodle material, or skip the test."""
    told = os.environ.get("TRACKLINE_FIXTURES")
    places = [Path(told).parent] if told else [ROOT.parent / "shared"]
    for place in places:
        path = place.joinpath("moodle", *parts)
        if path.exists():
            return path
    pytest.skip(f"the shared moodle/{'/'.join(parts)} is absent")


def recorded() -> list[dict]:
    """Read the recorded requests, in order."""
    folder = fixtures("recorded-requests")
    requests = []
    for path in sorted(folder.iterdir()):
        about = json.loads((path / "request.json").read_text())
        parts = {name: (path / name).read_bytes() for name in about["files"]}
        answer = path / "response"
        requests.append(
            {
                "name": path.name,
                "route": "/" + path.name.split("_")[1],
                "method": about["method"],
                "fields": {**about["form"], **about["args"]},
                "files": {
                    name: (about["files"][name]["filename"], parts[name])
                    for name in parts
                },
                "answer": answer.read_bytes() if answer.exists() else None,
            }
        )
    return requests
