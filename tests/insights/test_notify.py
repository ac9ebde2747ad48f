"""One message per user and context, once: against a real SMTP server and a web hook."""

from __future__ import annotations

import json
import socketserver
import ssl
import threading
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, HTTPServer

import duckdb
import pytest

from tests.conftest import certificate, reach_here
from trackline import forgetting
from trackline.insights import notify as notifications
from trackline.insights.notify import delivery, notify
from trackline.settings import RefusedError, Settings

NAME = "mail.example.org"


class Mailbox(socketserver.ThreadingTCPServer):
    """An SMTP server on loopback that keeps what it is sent (RFC 5321)."""

    allow_reuse_address = daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Session)
        self.mails: list[tuple[str, str]] = []
        self.refuses: set[str] = set()
        self.tls: ssl.SSLContext | None = None
        self.encrypted_logins: list[bool] = []
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Session(socketserver.StreamRequestHandler):
    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def handle(self) -> None:
        self.say("220 mailbox")
        to = ""
        while line := self.rfile.readline().decode().strip():
            word = line.upper()
            if word.startswith("RCPT"):
                to = line.split("<")[1].split(">")[0]
                self.say("550 no" if to in self.server.refuses else "250 ok")
            elif word == "DATA":
                self.say("354 go on")
                text = []
                while (part := self.rfile.readline().decode()).strip() != ".":
                    text.append(part)
                self.server.mails.append((to, "".join(text)))
                self.say("250 kept")
            elif word.startswith("EHLO"):
                self.say("250-mailbox")
                if self.server.tls:
                    self.say("250-STARTTLS")
                self.say("250 AUTH PLAIN")
            elif word == "STARTTLS":
                self.say("220 go on")
                self.connection = self.server.tls.wrap_socket(
                    self.connection, server_side=True
                )
                self.rfile = self.connection.makefile("rb")
                self.wfile = self.connection.makefile("wb", 0)
            elif word.startswith("AUTH"):
                encrypted = isinstance(self.connection, ssl.SSLSocket)
                self.server.encrypted_logins.append(encrypted)
                self.say("235 ok")
            elif word == "QUIT":
                self.say("221 bye")
                return
            else:
                self.say("250 ok")


@pytest.fixture
def mailbox():
    server = Mailbox()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture
def insights(project):
    """A warehouse with the two tables that are read; adds an insight and recipients."""
    project.warehouse.parent.mkdir(parents=True)

    def add(insight_id: str, context_id: int, *users: str) -> None:
        with duckdb.connect(str(project.warehouse)) as con:
            con.execute(
                "create table if not exists rpt_insights (district_id text, insight_id"
                " text, model_id text, context_id bigint, reasons text, user_id text)"
            )
            con.execute(
                "create table if not exists rpt_insight_recipients (district_id text,"
                " insight_id text, user_id text)"
            )
            con.execute(
                "insert into rpt_insights values ('north', ?, 'm', ?, ?, 'about')",
                [insight_id, context_id, f"Because of {insight_id}"],
            )
            for user in users:
                con.execute(
                    "insert into rpt_insight_recipients values ('north', ?, ?)",
                    [insight_id, user],
                )

    project.deliver(
        "north/moodle/user.csv",
        "id,username,email\n7,a,seven@example.org\n8,b,eight@example.org\n9,c,\n",
    )
    return add


def run(**more) -> notifications.Outcome:
    settings = Settings.from_environment()
    return notify(settings, delivery(settings), lambda message: None, **more)


@pytest.fixture
def by_mail(mailbox, monkeypatch):
    port = mailbox.server_address[1]
    monkeypatch.setenv("TRACKLINE_SMTP_URL", f"smtp://127.0.0.1:{port}")
    monkeypatch.setenv("TRACKLINE_SMTP_FROM", "analytics@example.org")
    monkeypatch.delenv("TRACKLINE_WEBHOOK_URL", raising=False)
    return mailbox


def test_one_message_per_user_and_context_once(insights, by_mail):
    insights("one", 20, "7", "8")
    insights("two", 20, "7")
    insights("three", 21, "7")
    insights("four", 20, "9")  # without an address
    outcome = run()
    assert (outcome.sent, outcome.failed, outcome.unreachable) == (3, 0, 1)
    assert sorted(to for to, _ in by_mail.mails) == [
        "eight@example.org",
        "seven@example.org",
        "seven@example.org",
    ]
    told = next(text for to, text in by_mail.mails if "Because of two" in text)
    assert "Because of one" in told
    assert "Because of three" not in told
    assert "Subject: Learning analytics: 2 new insights" in told
    # again: nothing; something new in the context: that alone
    assert run().sent == 0
    insights("five", 20, "7")
    assert run().sent == 1
    assert "Because of five" in by_mail.mails[-1][1]
    assert "Because of one" not in by_mail.mails[-1][1]


def test_a_killed_run_sends_nothing_twice(insights, by_mail, monkeypatch):
    """Killed after the server took the message, before that was written down."""
    insights("one", 20, "7", "8")
    written = notifications._remember
    with monkeypatch.context() as broken:
        calls = []

        def killed(fs, path, told, sending):
            calls.append(sending)
            if len(calls) == 2:
                raise KeyboardInterrupt
            written(fs, path, told, sending)

        broken.setattr(notifications, "_remember", killed)
        with pytest.raises(KeyboardInterrupt):
            run()
    assert len(by_mail.mails) == 1
    outcome = run()
    assert (outcome.sent, outcome.interrupted) == (1, 1)
    outcome = run()  # nothing is new: it is not told again
    assert (outcome.sent, outcome.interrupted) == (0, 0)
    assert sorted(to for to, _ in by_mail.mails) == [
        "eight@example.org",
        "seven@example.org",
    ]


def test_a_refused_message_is_due_again(insights, by_mail):
    insights("one", 20, "7")
    by_mail.refuses.add("seven@example.org")
    assert run().failed == 1
    by_mail.refuses.clear()
    assert run().sent == 1


def test_what_a_forgotten_user_was_told_is_gone(
    insights, by_mail, project, monkeypatch
):
    insights("one", 20, "7", "8")
    insights("two", 21, "7")
    assert run().sent == 3
    told = project.models / "insights" / "north" / "told"
    assert len([*told.rglob("*.json")]) == 3
    monkeypatch.setattr(forgetting, "_dbt", lambda *arguments: None)
    forgetting.forget(Settings.from_environment(), "north", "7")
    assert [path.stem for path in told.rglob("*.json")] == ["20"]
    # nothing else was forgotten: 8 is not told again
    assert run().sent == 2
    assert sum(to == "eight@example.org" for to, _ in by_mail.mails) == 1


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("north/moodle/user.parquet", b"no Parquet"),
        ("north/moodle/user/new.csv", b'id,email\n"7,seven@example.org\n\xff'),
        ("north/moodle/user/new.csv", b"id,email\n7,a@\n"),
    ],
)
def test_without_a_readable_address_a_message_stays_due(
    insights, by_mail, project, path, content
):
    """Nobody else's message waits for it, and the run does not end."""
    insights("one", 20, "7")
    file = project.deliver(path, content, "2025-03-02T04:00:00")
    assert run().unreachable == 1
    file.unlink()
    assert (run().sent, run().interrupted) == (1, 0)


def test_a_message_stays_due_after_any_error(insights, by_mail, monkeypatch):
    insights("one", 20, "7")

    def broken(server, mail):
        raise RuntimeError("unforeseen")

    with monkeypatch.context() as patch:
        patch.setattr("smtplib.SMTP.send_message", broken)
        with pytest.raises(RuntimeError, match="unforeseen"):
            run()
    outcome = run()
    assert (outcome.sent, outcome.interrupted) == (1, 0)


@pytest.mark.parametrize(
    ("variable", "url"),
    [
        ("TRACKLINE_SMTP_URL", "smtp://user:secret@host:abc"),
        ("TRACKLINE_SMTP_URL", "smtp://user:sec/ret@host:25"),
        ("TRACKLINE_SMTP_URL", "host:25"),
        ("TRACKLINE_SMTP_URL", "smtp://"),
        ("TRACKLINE_SMTP_URL", "smtp://mail..example.org"),
        ("TRACKLINE_WEBHOOK_URL", "hooks.example.org/secret"),
    ],
)
def test_a_wrong_url_is_refused_before_anything_is_sent(
    project, by_mail, monkeypatch, variable, url
):
    monkeypatch.delenv("TRACKLINE_SMTP_URL")
    monkeypatch.setenv(variable, url)
    with pytest.raises(RefusedError, match=f"{variable} is no URL") as refused:
        run()
    assert "sec" not in str(refused.value)


def test_a_password_that_smtp_cannot_take_is_refused(project, by_mail, monkeypatch):
    monkeypatch.setenv("TRACKLINE_SMTP_URL", "smtp://user:sec%C3%A9@127.0.0.1:25")
    with pytest.raises(RefusedError, match="password that is not ASCII") as refused:
        run()
    assert "sec%" not in str(refused.value)


@pytest.mark.parametrize(
    "sender",
    ["analytics@", "analytics", "a@example.org\nBcc: b@example.org", "a@b, c@d"],
)
def test_a_wrong_sender_is_refused_before_anything_is_sent(
    insights, by_mail, project, monkeypatch, sender
):
    insights("one", 20, "7")
    monkeypatch.setenv("TRACKLINE_SMTP_FROM", sender)
    with pytest.raises(RefusedError, match="TRACKLINE_SMTP_FROM is no address") as told:
        run()
    assert "\n" not in str(told.value)
    assert by_mail.mails == []
    assert not project.models.exists()


def test_a_sender_may_have_a_title(insights, by_mail, monkeypatch):
    """A dot without quotes is obsolete, and what people write."""
    insights("one", 20, "7")
    monkeypatch.setenv("TRACKLINE_SMTP_FROM", "Dr. X <a@example.org>")
    assert run().sent == 1
    [(_, mail)] = by_mail.mails
    assert "Dr. X" in mail
    assert "<a@example.org>" in mail


@pytest.fixture
def elsewhere(by_mail, monkeypatch):
    """Reach the mailbox as NAME, with a password."""
    reach_here(monkeypatch, NAME)
    port = by_mail.server_address[1]
    monkeypatch.setenv("TRACKLINE_SMTP_URL", f"smtp://user:secret@{NAME}:{port}")
    return by_mail


def test_a_password_is_sent_by_starttls(insights, elsewhere, tmp_path, monkeypatch):
    insights("one", 20, "7")
    chain, key = certificate(tmp_path, NAME)
    elsewhere.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    elsewhere.tls.load_cert_chain(chain, key)
    # a certificate that nobody vouches for may be anybody's
    assert run().failed == 1
    assert elsewhere.encrypted_logins == []
    monkeypatch.setenv("SSL_CERT_FILE", str(chain))
    assert run().sent == 1
    assert elsewhere.encrypted_logins == [True]


def test_a_password_is_never_sent_in_clear(insights, elsewhere, monkeypatch):
    insights("one", 20, "7")
    with pytest.raises(RefusedError, match="STARTTLS"):
        run()
    assert elsewhere.encrypted_logins == []
    # on this machine nobody listens; and what was refused is still due
    port = elsewhere.server_address[1]
    monkeypatch.setenv("TRACKLINE_SMTP_URL", f"smtp://user:secret@127.0.0.1:{port}")
    assert run().sent == 1


def test_this_machine_needs_no_valid_certificate(
    insights, elsewhere, tmp_path, monkeypatch
):
    """Mail servers are installed with STARTTLS and a certificate of their own."""
    insights("one", 20, "7")
    elsewhere.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    elsewhere.tls.load_cert_chain(*certificate(tmp_path, NAME))
    port = elsewhere.server_address[1]
    monkeypatch.setenv("TRACKLINE_SMTP_URL", f"smtp://user:secret@localhost:{port}")
    assert run().sent == 1
    assert elsewhere.encrypted_logins == [True]


def test_dry_run_and_web_hook(insights, project, monkeypatch):
    insights("one", 20, "7")
    posted, logins = [], []

    class Hook(BaseHTTPRequestHandler):
        def do_POST(self):
            logins.append(self.headers["Authorization"])
            posted.append(
                json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            )
            self.send_response(204)
            self.end_headers()

        def log_message(self, *arguments):
            pass

    monkeypatch.delenv("TRACKLINE_SMTP_URL", raising=False)
    monkeypatch.delenv("TRACKLINE_WEBHOOK_URL", raising=False)
    settings = Settings.from_environment()
    with pytest.raises(RefusedError, match="TRACKLINE_SMTP_URL"):
        delivery(settings)
    due = []
    notify(settings, None, due.append)
    assert [message.user_id for message in due] == ["7"]
    server = HTTPServer(("127.0.0.1", 0), Hook)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv(
        "TRACKLINE_WEBHOOK_URL",
        f"http://user:%E2%82%AC@127.0.0.1:{server.server_address[1]}/",
    )
    assert (run().sent, run().sent) == (1, 0)
    server.shutdown()
    server.server_close()
    # unlike SMTP, HTTP signs in with any password
    assert logins == [f"Basic {b64encode('user:€'.encode()).decode()}"]
    assert posted == [
        {
            "district_id": "north",
            "user_id": "7",
            "context_id": 20,
            "insights": [
                {"insight_id": "one", "model_id": "m", "reasons": "Because of one"}
            ],
        }
    ]
