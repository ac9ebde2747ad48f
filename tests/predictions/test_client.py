"""How long the client waits, and for what."""

from __future__ import annotations

import socket
import threading
import time

import pytest

from trackline.predictions import client as clients
from trackline.predictions.client import PredictionClient, ServerError

ANSWER = b'{"status": 0}'
LARGE = bytes(30_000_000)  # no socket takes it at once


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener


def client_of(listener: socket.socket) -> PredictionClient:
    port = listener.getsockname()[1]
    return PredictionClient(f"http://127.0.0.1:{port}", "user", "secret", timeout=20)


def test_a_large_dataset_may_go_over_a_slow_link(listener, monkeypatch):
    """A connect timeout is also that of sending: a large upload would always fail."""
    monkeypatch.setattr(clients, "CONNECT_SECONDS", 0.2)

    def take() -> None:
        connection, _ = listener.accept()
        with connection:
            time.sleep(1)
            while not connection.recv(2**20).endswith(b"--\r\n"):
                pass
            connection.sendall(
                b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(ANSWER) + ANSWER
            )

    threading.Thread(target=take, daemon=True).start()
    assert client_of(listener).train("id", "dir", LARGE) == {"status": 0}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        (
            [["1-0", "1", "0.9"], ["2-0", "0"], ["3-0"]],
            [("1-0", 1, 0.9), ("2-0", 0, 1)],
        ),
        ([], []),
        (None, None),
        ([["1-0", "?"]], None),
        ([7], None),
    ],
    ids=["short rows", "no row", "no rows at all", "no class", "no lists"],
)
def test_predictions_of_another_server(listener, monkeypatch, rows, told):
    client = client_of(listener)
    answer = {"status": 0, "info": []} | ({} if rows is None else {"predictions": rows})
    monkeypatch.setattr(client, "_answer", lambda *arguments: answer)
    if told is None:
        with pytest.raises(ServerError, match="predictions cannot be read"):
            client.predict("id", "dir", b"")
    else:
        predicted = client.predict("id", "dir", b"")
        assert [(one.sample_id, one.value, one.score) for one in predicted] == told


def test_a_server_that_hangs_is_not_waited_for_to_delete(listener, monkeypatch):
    """It is asked again every night, under the model's lock."""
    monkeypatch.setattr(clients, "DELETE_SECONDS", 0.2, raising=False)
    started = time.monotonic()
    with pytest.raises(ServerError, match="cannot be reached: ReadTimeout"):
        client_of(listener).delete("id")
    assert time.monotonic() - started < 10
