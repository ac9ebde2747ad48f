"""The examples of deploy/ as they stand: nginx with real TLS, the unit by systemd."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import ssl
import subprocess
import sys
import time

import httpx
import pytest

from tests.conftest import certificate, reach_here
from trackline.settings import ROOT

from .conftest import SEPARABLE, Site, basic, labelled, recorded
from .processes import free_port, server
from .test_recorded import replay

DEPLOY = ROOT / "deploy" / "prediction-server"
NGINX = shutil.which("nginx", path="/usr/local/sbin:/usr/sbin:/usr/bin:/bin")
SYSTEMD = shutil.which("systemd-analyze")
NAME = "predictions.example.org"
MAIN = """
daemon off; pid {folder}/pid; error_log {folder}/error.log;
{user}
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
    include {folder}/site.conf;
}}
"""


@pytest.fixture(scope="module")
def https(tmp_path_factory):
    """Run the example; its port, the certificate to trust, the models folder."""
    if not NGINX:
        pytest.skip("nginx is not installed")
    folder = tmp_path_factory.mktemp("nginx")
    root = folder / "models"
    root.mkdir()
    chain, key = certificate(folder, NAME)
    with server(root, workers=2) as (url, _):
        port = free_port()
        text = (DEPLOY / "nginx.conf").read_text()
        for here, there in (
            ("listen 443 ssl", f"listen 127.0.0.1:{port} ssl"),
            ("/etc/ssl/predictions/fullchain.pem", str(chain)),
            ("/etc/ssl/predictions/privkey.pem", str(key)),
            ("http://127.0.0.1:5000", url),
        ):
            assert text.count(here) == 1, "the example changed: change this test too"
            text = text.replace(here, there)
        (folder / "site.conf").write_text(text)
        user = "user root;" if os.getuid() == 0 else ""
        (folder / "main.conf").write_text(MAIN.format(folder=folder, user=user))
        running = subprocess.Popen(
            [NGINX, "-p", str(folder), "-c", str(folder / "main.conf")],
            stderr=subprocess.PIPE,
        )
        try:
            end = time.monotonic() + 30
            while time.monotonic() < end and running.poll() is None:
                with contextlib.suppress(OSError):
                    socket.create_connection(("127.0.0.1", port), timeout=5).close()
                    break
                time.sleep(0.1)
            assert running.poll() is None, running.stderr.read().decode()
            yield port, chain, root
        finally:
            running.terminate()
            running.wait()


@pytest.fixture
def site(https, monkeypatch):
    port, certificate, root = https
    trusted = ssl.create_default_context(cafile=str(certificate))
    reach_here(monkeypatch, NAME)
    url = f"https://{NAME}:{port}"
    with httpx.Client(
        base_url=url, verify=trusted, timeout=120, trust_env=False
    ) as client:
        yield Site(client, root)


def test_recorded_requests_through_tls(site):
    """Moodle's own requests pass unchanged: the first that are of every route."""
    replay(site, recorded()[:25])


def test_the_certificate_is_that_of_the_name(https):
    port, certificate, _ = https
    trusted = ssl.create_default_context(cafile=str(certificate))
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        trusted.wrap_socket(plain, server_hostname=NAME) as secure,
    ):
        assert secure.version() in {"TLSv1.2", "TLSv1.3"}
    with (
        socket.create_connection(("127.0.0.1", port)) as plain,
        pytest.raises(ssl.SSLError),
    ):
        trusted.wrap_socket(plain, server_hostname="another.example.org")


def test_counts_stay_inside(site):
    assert site.get("/metrics").status_code == 403


def test_what_is_too_large_is_said_in_the_protocol(https, site):
    """Refused from the header: Moodle shows the sentence, not nginx's 413 page."""
    port, certificate, _ = https
    trusted = ssl.create_default_context(cafile=str(certificate))
    head = (
        f"POST /training HTTP/1.1\r\nHost: {NAME}\r\n"
        f"Authorization: {basic()['Authorization']}\r\n"
        "Content-Type: multipart/form-data; boundary=b\r\n"
        "Content-Length: 10737418240\r\n\r\n--b\r\n"
    )
    started = time.monotonic()
    with (
        socket.create_connection(("127.0.0.1", port), timeout=20) as plain,
        trusted.wrap_socket(plain, server_hostname=NAME) as secure,
    ):
        secure.sendall(head.encode())
        answer = secure.recv(65536)
    assert answer.startswith(b"HTTP/1.1 200"), answer
    assert b"larger than" in answer
    assert time.monotonic() - started < 10
    assert site.train(labelled(SEPARABLE)).json()["status"] == 0


def test_a_flood_is_told_to_wait(site):
    """Last: it uses up what this address may ask for."""
    statuses = [site.get("/version").status_code for _ in range(400)]
    assert set(statuses) == {200, 429}


@pytest.mark.skipif(not SYSTEMD, reason="systemd-analyze is not installed")
def test_systemd_takes_the_unit(tmp_path):
    """Every directive is known and well formed; the program alone is this machine's."""
    text = (DEPLOY / "trackline-predictions.service").read_text()
    installed = "/opt/trackline/.venv/bin/python"
    assert text.count(installed) == 1
    unit = tmp_path / "trackline-predictions.service"
    unit.write_text(text.replace(installed, sys.executable))
    done = subprocess.run(
        [SYSTEMD, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    unit.write_text(unit.read_text() + "\n[Service]\nProtectSystems=strict\n")
    done = subprocess.run(
        [SYSTEMD, "verify", str(unit)], capture_output=True, text=True, check=False
    )
    assert "ProtectSystems" in done.stderr, "a mistake would go unseen"
