"""The other ways in: WSGI, AWS Lambda, and the command-line twin."""

from __future__ import annotations

import base64
import importlib
import json
import subprocess
import sys
import zipfile
from io import BytesIO
from urllib.parse import urlencode

import pytest

from trackline.settings import ROOT

from .conftest import SEPARABLE, basic, labelled, unlabelled
from .processes import environment

BOUNDARY = "boundary"


@pytest.fixture
def settings(tmp_path, monkeypatch):
    monkeypatch.setenv("MOODLE_MLBACKEND_PYTHON_USERS", "default:secret")
    monkeypatch.setenv("MOODLE_MLBACKEND_PYTHON_DIR", str(tmp_path))
    monkeypatch.delenv("MOODLE_MLBACKEND_PYTHON_S3_BUCKET_NAME", raising=False)
    return tmp_path


def multipart(file: bytes, name: str = "dataset", **fields: str) -> bytes:
    parts = [
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{k}"\r\n\r\n{v}\r\n'
        for k, v in fields.items()
    ]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"; '
    head += 'filename="x.csv"\r\n\r\n'
    return "".join([*parts, head]).encode() + file + f"\r\n--{BOUNDARY}--\r\n".encode()


TYPE = f"multipart/form-data; boundary={BOUNDARY}"
TRAINING = multipart(labelled(SEPARABLE), uniqueid="model", dirhash="dir")
PREDICTION = multipart(unlabelled([(1, -1)]), uniqueid="model", dirhash="dir")


def test_wsgi(settings):
    from wsgiref.util import setup_testing_defaults

    from trackline.predictions import wsgi

    application = importlib.reload(wsgi).application

    def call(method, path, body=b"", headers=None):
        environ = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "CONTENT_TYPE": TYPE,
            "CONTENT_LENGTH": str(len(body)),
            "wsgi.input": BytesIO(body),
            **(headers or {}),
        }
        setup_testing_defaults(environ)
        told = []
        parts = application(environ, lambda status, *_: told.append(status))
        body = b"".join(parts)
        return told[0], body

    login = {"HTTP_AUTHORIZATION": basic()["Authorization"]}
    assert call("GET", "/version") == ("200 OK", b"3.0.5")
    assert call("POST", "/training", TRAINING)[0].startswith("401")
    status, body = call("POST", "/training", TRAINING, login)
    assert (status, json.loads(body)) == ("200 OK", {"status": 0, "info": []})
    status, body = call("POST", "/prediction", PREDICTION, login)
    assert json.loads(body)["predictions"][0][:2] == ["0-0", "1"]


def rest_api(method, path, query, headers, body):
    """Make the event of an API Gateway REST API (payload version 1.0)."""
    return {
        "resource": "/{proxy+}",
        "path": path,
        "httpMethod": method,
        "headers": headers,
        "multiValueHeaders": {name: [value] for name, value in headers.items()},
        "queryStringParameters": query or None,
        "multiValueQueryStringParameters": {k: [v] for k, v in query.items()} or None,
        "pathParameters": {"proxy": path[1:]},
        "stageVariables": None,
        "requestContext": {
            "resourcePath": "/{proxy+}",
            "httpMethod": method,
            "path": f"/live{path}",
            "protocol": "HTTP/1.1",
            "stage": "live",
            "identity": {"sourceIp": "192.0.2.1", "userAgent": "MoodleBot/4.5"},
            "requestId": "c6af9ac6-7b61-11e6-9a41-93e8deadbeef",
        },
        "body": base64.b64encode(body).decode() if body else None,
        "isBase64Encoded": bool(body),
    }


def http_api(method, path, query, headers, body, **changed):
    """Make the event of an API Gateway HTTP API (payload version 2.0)."""
    about = {
        "domainName": "id.execute-api.eu-west-1.amazonaws.com",
        "http": {
            "method": method,
            "path": path,
            "protocol": "HTTP/1.1",
            "sourceIp": "192.0.2.1",
            "userAgent": "MoodleBot/4.5",
        },
        "routeKey": "$default",
        "stage": "$default",
        "timeEpoch": 1583348638390,
    }
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": path,
        "rawQueryString": urlencode(query),
        "headers": {name.lower(): value for name, value in headers.items()},
        "requestContext": about | changed,
        "isBase64Encoded": bool(body),
    }
    if query:
        event["queryStringParameters"] = query
    if body:
        event["body"] = base64.b64encode(body).decode()
    return event


def function_url(*request):
    """Make the event of a Lambda function URL: version 2.0 with its own context."""
    domain = "id.lambda-url.eu-west-1.on.aws"
    return http_api(*request, domainName=domain, domainPrefix="id", accountId="anon")


@pytest.mark.parametrize("event", [rest_api, http_api, function_url])
def test_lambda_on_s3(bucket, monkeypatch, tmp_path, event):
    """Every kind of event that AWS sends, with the models on a real S3 server."""
    monkeypatch.setenv("MOODLE_MLBACKEND_PYTHON_USERS", "default:secret")
    name = bucket.removeprefix("s3://")
    monkeypatch.setenv("MOODLE_MLBACKEND_PYTHON_S3_BUCKET_NAME", name)
    monkeypatch.delenv("MOODLE_MLBACKEND_PYTHON_DIR", raising=False)
    from trackline.predictions import aws_lambda

    handler = importlib.reload(aws_lambda).handler

    def call(method, path, body=b"", query=None, password="secret"):
        headers = {
            "Host": "predictions.example.org",
            "User-Agent": "MoodleBot/4.5",
            **basic(password=password),
        }
        if body:
            headers |= {"Content-Type": TYPE, "Content-Length": str(len(body))}
        answer = handler(event(method, path, query or {}, headers, body), None)
        content = answer["body"]
        if answer["isBase64Encoded"]:
            return answer["statusCode"], base64.b64decode(content)
        return answer["statusCode"], content.encode()

    ids = {"uniqueid": "model", "dirhash": "dir"}
    assert call("GET", "/version") == (200, b"3.0.5")
    assert call("POST", "/training", TRAINING, password="wrong")[0] == 401
    status, told = call("POST", "/training", TRAINING)
    assert (status, json.loads(told)) == (200, {"status": 0, "info": []})
    found = json.loads(call("POST", "/prediction", PREDICTION)[1])
    assert found["predictions"][0][:2] == ["0-0", "1"]
    limits = {"minscore": "0.7", "maxdeviation": "0.05", "niterations": "1"}
    asked = multipart(labelled(SEPARABLE), **ids, **limits)
    rated = json.loads(call("POST", "/evaluation", asked)[1])
    assert (rated["status"], rated["score"]) == (0, 1.0)
    runid = {"runid": str(rated["runid"])}
    status, packed = call("GET", "/evaluationlog", query=ids | runid)
    assert "report.md" in zipfile.ZipFile(BytesIO(packed)).namelist()
    status, packed = call("GET", "/export", query=ids)
    assert status == 200
    assert zipfile.ZipFile(BytesIO(packed)).testzip() is None
    copy = multipart(packed, "importzip", uniqueid="copy", dirhash="dir")
    assert call("POST", "/import", copy) == (200, b"Ok")
    gone = multipart(b"", "none", uniqueid="model")
    assert call("POST", "/deletemodel", gone) == (200, b"Ok")
    assert call("GET", "/export", query=ids)[0] == 503
    copied = multipart(unlabelled([(1, -1)]), uniqueid="copy", dirhash="dir")
    assert json.loads(call("POST", "/prediction", copied)[1]) == found


@pytest.fixture(scope="module")
def twin(tmp_path_factory):
    """Build the package of compat/ and run its commands away from the repository."""
    pytest.importorskip("setuptools")
    folder = tmp_path_factory.mktemp("twin")
    built = subprocess.run(
        [
            sys.executable,
            "setup.py",
            "-q",
            "egg_info",
            "--egg-base",
            folder,
            "build",
            "--build-base",
            folder / "b",
            "--build-lib",
            folder / "lib",
        ],
        cwd=ROOT / "compat",
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stderr

    def run(command: str, *arguments: object) -> tuple[int, list[str]]:
        done = subprocess.run(
            [sys.executable, "-m", f"moodlemlbackend.{command}", *map(str, arguments)],
            cwd=folder,
            env=environment(PYTHONPATH=str(folder / "lib")),
            capture_output=True,
            text=True,
        )
        assert "Traceback" not in done.stderr
        return done.returncode, done.stdout.splitlines()

    run.shipped = {p.stem for p in (folder / "lib").rglob("_engine/*.py")}
    return run


def test_twin_protocol(twin, tmp_path):
    data, asked = tmp_path / "data.csv", tmp_path / "asked.csv"
    data.write_bytes(labelled(SEPARABLE))
    asked.write_bytes(unlabelled([(1, -1)]))
    model, copy, exported = (tmp_path / name for name in ("model", "copy", "out"))
    assert twin("version") == (0, ["3.0.5"])
    code, lines = twin("training", "id", model, data)
    assert (code, json.loads(lines[-1])) == (0, {"status": 0, "info": []})
    assert twin("export", "id", model, exported) == (0, [str(exported)])
    assert {p.name for p in exported.iterdir()} == {"model.json", "model.npz"}
    assert twin("import", "id", copy, exported) == (0, ["Ok", "Ok"])
    code, lines = twin("prediction", "id", copy, asked)
    assert json.loads(lines[-1])["predictions"][0][:2] == ["0-0", "1"]
    limits = (0.7, 0.05, 3)
    code, lines = twin("evaluation", "id", tmp_path / "e", data, *limits, copy)
    answer = json.loads(lines[-1])
    assert (code, answer["status"], answer["score"]) == (0, 0, 1.0)
    assert (tmp_path / "e" / "logs" / str(answer["runid"]) / "report.md").exists()
    assert "server" not in twin.shipped
    assert "service" in twin.shipped


def test_twin_refusals(twin, tmp_path):
    one_class = tmp_path / "one.csv"
    one_class.write_bytes(labelled([(1, 0, 0)]))
    code, lines = twin("training", "id", tmp_path / "m", one_class)
    assert (code, json.loads(lines[-1])["status"]) == (8, 8)
    code, lines = twin("evaluation", "id")
    answer = json.loads(lines[-1])
    assert (code, answer["status"], set(answer)) == (1, 1, {"runid", "status", "info"})
    assert answer["info"][0].startswith("Missing arguments")
    code, lines = twin("training", "id", tmp_path / "m", tmp_path / "absent")
    assert (code, json.loads(lines[-1])["status"]) == (1, 1)
    code, lines = twin("export", "id", tmp_path / "m", tmp_path / "out")
    assert code == 1
