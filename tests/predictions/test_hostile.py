"""What an attacker sends: refused, cheaply, in protocol form, storage untouched."""

from __future__ import annotations

import io
import json
import socket
import struct
import threading
import time
import tracemalloc
import zipfile
from functools import partial

import anyio
import httpx
import pytest

from trackline.predictions import service
from trackline.predictions.archive import ArchiveError, pack, unpack
from trackline.predictions.auth import Users, UsersError, hashed_entry
from trackline.predictions.limits import Limits

from .conftest import SEPARABLE, basic, labelled, unlabelled
from .processes import server


def zipped(*entries, **options) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return packed.getvalue()


def link() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        about = zipfile.ZipInfo("model.json")
        about.external_attr = 0o120777 << 16
        archive.writestr(about, "/etc/passwd")
    return packed.getvalue()


HOSTILE = {
    "slip": zipped(("../../evil", b"x")),
    "slip inside": zipped(("a/../../evil", b"x")),
    "absolute": zipped(("/tmp/evil", b"x")),
    "drive": zipped(("C:\\evil", b"x")),
    "backslash": zipped(("..\\evil", b"x")),
    "link": link(),
    "bomb": zipped(("model.npz", bytes(50_000_000))),
    "many": zipped(*((f"f{i}", b"") for i in range(1000))),
    "truncated": zipped(("model.json", b"x" * 1000))[:-40],
    "damaged": bytes(60) + zipped(("model.json", b"abc" * 100))[60:],
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_zips(site, name):
    site.train(labelled(SEPARABLE))
    asked = unlabelled([(1, -1)])
    before = site.predict(asked).json()
    started = time.process_time()
    answer = site.post(
        "/import", files={"importzip": HOSTILE[name]}, uniqueid="model", dirhash="dir"
    )
    assert time.process_time() - started < 0.5
    assert answer.status_code == 400
    assert answer.text
    assert "Traceback" not in answer.text
    assert site.predict(asked).json() == before
    assert {p.name for p in site.root.parent.rglob("evil*")} == set()


def test_a_zip_that_lies_about_its_size():
    honest = zipped(("model.json", b"x" * 100_000))
    lying = honest.replace(struct.pack("<I", 100_000), struct.pack("<I", 10))
    with pytest.raises(ArchiveError):
        unpack(lying, Limits())
    assert unpack(honest, Limits(max_zip_ratio=2000)) == {"model.json": b"x" * 100_000}


def test_one_name_twice():
    with pytest.warns(UserWarning, match="Duplicate"):
        packed = zipped(("a", b"1"), ("a", b"2"))
    with pytest.raises(ArchiveError, match="twice"):
        unpack(packed, Limits())


def test_pack_is_the_inverse_of_unpack_and_always_the_same():
    files = {"b": b"2", "a/c": b"1"}
    assert unpack(pack(files), Limits()) == files
    assert pack(files) == pack(dict(reversed(files.items())))


def test_limits_are_answers(make_site):
    site = make_site(max_rows=10, max_columns=4, max_request_bytes=20_000)
    for csv in (
        labelled(SEPARABLE),
        labelled([(1, 2, 3, 4, 5, 0), (1, 2, 3, 4, 6, 1)]),
        labelled([(0, 1, 0), (1, 1, 1)]) + b"0,0,0\n" * 4000,
    ):
        trained = site.train(csv)
        assert (trained.status_code, trained.json()["status"]) == (200, 1)
        assert "more than" in trained.text or "larger" in trained.text
        evaluated = site.evaluate(csv)
        assert evaluated.json()["status"] == 1
        assert type(evaluated.json()["runid"]) is int
    assert (
        site.evaluate(labelled(SEPARABLE[5:15]), niterations=10**9).json()["status"]
        == 1
    )


def test_a_line_of_commas_is_refused_before_it_is_split(site):
    tracemalloc.start()
    answer = site.train(labelled(SEPARABLE) + b"," * 20_000_000).json()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer["status"] == 1
    assert "line of more than" in answer["errors"]
    assert peak < 90_000_000, "the request itself is there a few times"


def test_a_target_of_many_classes_is_refused(site):
    rows = [(i / 100, i % 7, i // 2) for i in range(60)]
    answer = site.train(labelled(rows, json.dumps(list(range(30))))).json()
    assert answer["status"] == 1
    assert "more than 20 classes" in answer["errors"]


def test_deleting_a_model_waits_for_the_training_of_no_other(make_site, monkeypatch):
    is_deleted = threading.Event()

    def train(*_):
        assert is_deleted.wait(20), "the deletion waits"
        return {"status": 0}

    monkeypatch.setattr(service, "train", train)
    app = make_site().client.app

    async def both() -> list[int]:
        statuses = []
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app), base_url="http://site", headers=basic()
        ) as client:

            async def post(path: str, **files) -> None:
                form = {"uniqueid": (None, path[1:]), "dirhash": (None, "dir")}
                answer = await client.post(path, files={**form, **files})
                statuses.append(answer.status_code)

            async with anyio.create_task_group() as group:
                csv = ("x.csv", labelled(SEPARABLE))
                group.start_soon(partial(post, "/training", dataset=csv))
                await anyio.sleep(0.2)
                await post("/deletemodel")
                is_deleted.set()
        return statuses

    assert anyio.run(both) == [200, 200]


def test_too_long_work_stops(make_site):
    site = make_site(work_seconds=1e-9)
    answer = site.train(labelled(SEPARABLE)).json()
    assert answer["status"] == 1
    assert "longer than" in answer["errors"]
    answer = site.evaluate(labelled(SEPARABLE)).json()
    assert answer["status"] == 1
    assert "longer than" in answer["info"][0]


def test_evaluation_stopped_half_way_tells_what_it_knows():
    from trackline.predictions.dataset import read_dataset
    from trackline.predictions.evaluation import evaluate, verdict
    from trackline.predictions.limits import Deadline

    ticks = iter(range(10_000))
    dataset = read_dataset(io.BytesIO(labelled(SEPARABLE)), labelled=True)
    result = evaluate(dataset, 50, Deadline(200, clock=lambda: next(ticks)))
    assert 0 < len(result.runs) < 50
    assert "iterations were rated" in verdict(result, 0.7, 0.05)["info"][0]


def test_wrong_passwords_are_cheap():
    plain, hashed = Users("default:secret"), Users(hashed_entry("default", "secret"))
    wrong = basic(password="wrong")["Authorization"]
    right = basic()["Authorization"]
    for users in (plain, hashed):
        started = time.process_time()
        assert all(users.refusal(wrong) for _ in range(10_000))
        assert time.process_time() - started < 2
        assert users.refusal(right) is None


@pytest.mark.parametrize("hashname", ["sha256", "sha512", "blake2b", "shake_128"])
def test_hashed_entries(hashname):
    import hashlib

    made = hashlib.new(hashname, b"saltsecret")
    digest = made.hexdigest(32) if made.digest_size == 0 else made.hexdigest()
    users = Users(f"a:{hashname}:salt:{digest},b:plain")
    assert users.refusal(basic("a", "secret")["Authorization"]) is None
    assert users.refusal(basic("a", "other")["Authorization"])
    assert users.refusal(basic("b", "plain")["Authorization"]) is None
    assert users.refusal(basic("a", digest)["Authorization"])


@pytest.mark.parametrize(
    "text",
    ["", " ", "default", "default:", ":secret", "a:b:c", "a:nohash:s:00",
     "a:sha256:s:00", "a:sha256:s:xyz", "a:b,a:c", "a:b,"],
)  # fmt: skip
def test_unusable_users_are_refused_without_naming_passwords(text):
    with pytest.raises(UsersError) as error:
        Users(text)
    assert "secret" not in str(error.value)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"MOODLE_MLBACKEND_PYTHON_USERS": ""}, "USERS"),
        ({"MOODLE_MLBACKEND_PYTHON_DIR": ""}, "DIR"),
        ({"MOODLE_MLBACKEND_PYTHON_DIR": "/nowhere/at/all"}, "folder"),
        ({"TRACKLINE_SERVER_MAX_ROWS": "many"}, "TRACKLINE_SERVER_MAX_ROWS"),
    ],
)
def test_wrong_settings_are_refused_in_one_sentence(
    tmp_path, monkeypatch, capsys, changed, said
):
    from trackline.predictions.serve import main

    monkeypatch.setenv("MOODLE_MLBACKEND_PYTHON_USERS", "default:secret")
    monkeypatch.setenv("MOODLE_MLBACKEND_PYTHON_DIR", str(tmp_path))
    for name, value in changed.items():
        monkeypatch.setenv(name, value)
    assert main([]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1


def ask(url: str, head: str, body: bytes = b"") -> bytes:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n" + body)
        answer = b""
        while part := connection.recv(65536):
            answer += part
        return answer


def test_over_the_wire(tmp_path):
    """Through a real socket: what is refused is refused before the body is sent."""
    log = tmp_path / "log"
    root = tmp_path / "models"
    root.mkdir()
    token = basic()["Authorization"]
    limits = {"TRACKLINE_SERVER_BODY_SECONDS": "1"}
    with server(root, log=log, **limits) as (url, pid):
        cpu = cpu_seconds(pid)
        huge = f"Host: x\nAuthorization: {token}\nContent-Length: 10737418240"
        for route in ("training", "prediction", "evaluation"):
            answer = ask(url, f"POST /{route} HTTP/1.1\n{huge}")
            assert answer.startswith(b"HTTP/1.1 200")
            assert b'"status": 1' in answer
            assert (b"runid" in answer) == (route == "evaluation")
        answer = ask(url, f"POST /import HTTP/1.1\n{huge}")
        assert answer.startswith(b"HTTP/1.1 400")
        # without a password nothing else is looked at
        length = "Content-Length: 10737418240"
        answer = ask(url, f"POST /training HTTP/1.1\nHost: x\n{length}")
        assert answer.startswith(b"HTTP/1.1 401")
        assert cpu_seconds(pid) - cpu < 0.5
        # a body without a length that never ends is counted; one that stops is timed
        chunk = b"100000\r\n" + bytes(0x100000) + b"\r\n"
        head = f"POST /training HTTP/1.1\nHost: x\nAuthorization: {token}\n"
        multipart = "Content-Type: multipart/form-data; boundary=b"
        slow = ask(url, head + multipart + "\nContent-Length: 100", b"--b\r\n")
        assert b"too long to arrive" in slow
        chunked = head + multipart + "\nTransfer-Encoding: chunked"
        with pytest.raises(OSError):  # noqa: PT011 - reset while still sending
            endless(url, chunked, chunk)
    logged = log.read_text()
    assert "Traceback" not in logged
    assert "secret" not in logged


def endless(url: str, head: str, chunk: bytes) -> None:
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(head.replace("\n", "\r\n").encode() + b"\r\n\r\n")
        for _ in range(200):
            connection.sendall(chunk)
        raise AssertionError("200 MB were taken")


def cpu_seconds(pid: int) -> float:
    """CPU seconds of a process and its children that ended."""
    with open(f"/proc/{pid}/stat") as file:
        parts = file.read().rsplit(")", 1)[1].split()
    import os

    return sum(map(int, parts[11:15])) / os.sysconf("SC_CLK_TCK")
