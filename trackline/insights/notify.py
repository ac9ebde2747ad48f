"""`trackline notify`: one message per user and context about what is new, once.

What a user has been told is remembered per user and context, below TRACKLINE_MODELS,
and before a message leaves: a run that is killed in between does not send it again. A
message that the server refuses is forgotten again and due at the next run.
"""

from __future__ import annotations

import hashlib
import json
import os
import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from email.errors import ObsoleteHeaderDefect
from email.message import EmailMessage
from ipaddress import ip_address
from urllib.parse import SplitResult, unquote, unquote_to_bytes, urlsplit

import duckdb
import requests

from trackline import landing, privacy
from trackline.insights.lock import LockedError, lock
from trackline.insights.store import Store
from trackline.settings import RefusedError, Settings

__all__ = ["Delivery", "Message", "Outcome", "delivery", "due", "forget_told", "notify"]

SECONDS = 30
NOT_DELIVERED = (OSError, smtplib.SMTPException, requests.RequestException)


@dataclass(frozen=True)
class Message:
    """What one user is to be told about one context.

    Attributes
    ----------
    district_id, user_id : str
    context_id : int
    insights : tuple of (str, str, str)
        insight_id, model_id and the reasons.
    """

    district_id: str
    user_id: str
    context_id: int
    insights: tuple[tuple[str, str, str], ...]

    @property
    def key(self) -> str:
        """The name of what is remembered of this user and context."""
        return f"{_user_key(self.district_id, self.user_id)}/{self.context_id}"

    @property
    def text(self) -> str:
        """The message in words."""
        lines = [f"- {reasons}" for _, _, reasons in self.insights]
        return "\n".join(["New insights of learning analytics:", "", *lines, ""])


@dataclass
class Outcome:
    """What came of a run, in messages.

    Sent, refused by the server, without an address, and left by an earlier run that was
    killed while it sent them.
    """

    sent: int = 0
    failed: int = 0
    unreachable: int = 0
    interrupted: int = 0


Delivery = Callable[[Message], Callable[[], None]]
"""Prepares a message and returns what sends it."""


def _user_key(district_id: str, user_id: str) -> str:
    return hashlib.sha256(f"{district_id}\0{user_id}".encode()).hexdigest()[:40]


class UnreachableError(Exception):
    """The user has no address."""


def due(settings: Settings) -> Iterator[Message]:
    """Read from the warehouse what every recipient may see, told or not."""
    if not settings.warehouse.exists():
        raise RefusedError(
            f"there is no warehouse at {settings.warehouse}: build first"
        )
    try:
        with duckdb.connect(str(settings.warehouse), read_only=True) as con:
            rows = con.execute(
                # rpt_insights has a user_id too: of the one whom the insight is about
                "select district_id, recipients.user_id, context_id, insight_id,"
                " model_id, reasons from rpt_insight_recipients as recipients"
                " join rpt_insights using (district_id, insight_id)"
                " order by district_id, recipients.user_id, context_id, model_id,"
                " insight_id"
            ).fetchall()
    except duckdb.IOException:
        raise RefusedError(
            "a build is writing the warehouse: try again later"
        ) from None
    except duckdb.CatalogException:
        raise RefusedError("the warehouse has no insights yet: build first") from None
    grouped: dict[tuple, list] = {}
    for *owner, insight_id, model_id, reasons in rows:
        grouped.setdefault(tuple(owner), []).append((insight_id, model_id, reasons))
    for (district_id, user_id, context_id), insights in grouped.items():
        yield Message(district_id, user_id, context_id, tuple(insights))


def notify(
    settings: Settings, send: Delivery | None, tell: Callable[[Message], None]
) -> Outcome:
    """Send what is due.

    Parameters
    ----------
    settings : Settings
    send : Delivery or None
        None sends and remembers nothing.
    tell : callable
        Is told every message that is due.

    Returns
    -------
    Outcome

    Raises
    ------
    RefusedError
        If another run sends, or there is no warehouse.
    """
    store = Store(settings)
    outcome = Outcome()
    with ExitStack() as locks:
        locked: set[str] = set()
        for message in due(settings):
            fs, folder = store.filesystem(message.district_id)
            if send and message.district_id not in locked:
                locks.enter_context(_alone(fs, folder))
                locked.add(message.district_id)
            path = f"{folder}/told/{message.key}.json"
            told, sending = _remembered(fs, path)
            known = {*told, *sending}
            if sending:
                outcome.interrupted += 1
                if send:  # told of once
                    _remember(fs, path, sorted(known), [])
            new = tuple(row for row in message.insights if row[0] not in known)
            if not new:
                continue
            some = Message(
                message.district_id, message.user_id, message.context_id, new
            )
            tell(some)
            if not send:
                continue
            try:
                deliver = send(some)
            except UnreachableError:
                outcome.unreachable += 1
                continue
            before, names = sorted(known), [row[0] for row in new]
            _remember(fs, path, before, names)
            try:
                deliver()
            except Exception as error:
                _remember(fs, path, before, [])
                if not isinstance(error, NOT_DELIVERED):
                    raise
                outcome.failed += 1
            else:
                _remember(fs, path, sorted({*before, *names}), [])
                outcome.sent += 1
    return outcome


def forget_told(settings: Settings, district_id: str, user_id: str) -> None:
    """Remove what is remembered of the messages to a user.

    Raises
    ------
    RefusedError
        If a run sends.
    """
    fs, folder = Store(settings).filesystem(district_id)
    path = f"{folder}/told/{_user_key(district_id, user_id)}"
    with _alone(fs, folder):
        if fs.exists(path):
            fs.rm(path, recursive=True)


@contextmanager
def _alone(fs, folder: str) -> Iterator[None]:
    try:
        with lock(fs, f"{folder}/told"):
            yield
    except LockedError:
        raise RefusedError(
            "another `trackline notify` is running: let it finish, and run the same"
            " command again"
        ) from None


def _remembered(fs, path: str) -> tuple[list[str], list[str]]:
    try:
        kept = json.loads(fs.cat_file(path))
    except FileNotFoundError:
        return [], []
    return kept["told"], kept["sending"]


def _remember(fs, path: str, told: list[str], sending: list[str]) -> None:
    fs.makedirs(path.rsplit("/", 1)[0], exist_ok=True)
    temporary = f"{path}.tmp"
    fs.pipe_file(temporary, json.dumps({"told": told, "sending": sending}).encode())
    fs.mv(temporary, path)


def delivery(settings: Settings) -> Delivery:
    """Return the way of delivery that the environment names.

    TRACKLINE_SMTP_URL (smtp:// or smtps://user:password@host:port) with
    TRACKLINE_SMTP_FROM, or TRACKLINE_WEBHOOK_URL.

    Raises
    ------
    RefusedError
        If neither or both are set, the one that is set is no such URL, or the sender
        is no address.
    """
    smtp = os.environ.get("TRACKLINE_SMTP_URL", "")
    webhook = os.environ.get("TRACKLINE_WEBHOOK_URL", "")
    if bool(smtp) == bool(webhook):
        raise RefusedError(
            "set TRACKLINE_SMTP_URL or TRACKLINE_WEBHOOK_URL: that is how messages go"
        )
    if webhook:
        hook = _url("TRACKLINE_WEBHOOK_URL", webhook, "https", "http")
        return lambda message: _post(hook, message)
    server = _url("TRACKLINE_SMTP_URL", smtp, "smtp", "smtps")
    if not unquote(f"{server.username}{server.password}").isascii():
        raise RefusedError(
            "TRACKLINE_SMTP_URL has a user or password that is not ASCII: SMTP signs"
            " in with nothing else"
        )
    sender = os.environ.get("TRACKLINE_SMTP_FROM", "")
    if not sender:
        raise RefusedError(
            "set TRACKLINE_SMTP_FROM: the address that messages are from"
        )
    try:
        header = EmailMessage()
        header["From"] = sender
        is_sound = len(header["From"].addresses) == 1 and all(
            # such as a dot in a name without quotes, which every server takes
            isinstance(defect, ObsoleteHeaderDefect)
            for defect in header["From"].defects
        )
    except (AttributeError, IndexError, ValueError):  # what "a@" comes to
        is_sound = False
    if not is_sound:
        raise RefusedError(
            f"TRACKLINE_SMTP_FROM is no address such as name@example.org: {sender!r}"
        )
    addresses = _Addresses(settings)
    return lambda message: _mail(server, sender, addresses, message)


def _url(variable: str, text: str, *schemes: str) -> SplitResult:
    try:
        url = urlsplit(text)
        is_sound = url.scheme in schemes and url.hostname and url.port != 0
        (url.hostname or "").encode("idna")
    except ValueError:  # the port is no number, the host's name has an empty part
        is_sound = False
    if not is_sound:  # it may hold a password: it is not shown
        raise RefusedError(f"{variable} is no URL such as {schemes[0]}://host:port")
    return url


def _post(url: SplitResult, message: Message) -> Callable[[], None]:
    body = {
        "district_id": message.district_id,
        "user_id": message.user_id,
        "context_id": message.context_id,
        "insights": [
            dict(zip(("insight_id", "model_id", "reasons"), row, strict=True))
            for row in message.insights
        ],
    }
    # as bytes: what is not Latin-1 could not be sent otherwise
    auth = (
        (unquote_to_bytes(url.username), unquote_to_bytes(url.password or ""))
        if url.username
        else None
    )
    return lambda: requests.post(
        url.geturl(), json=body, auth=auth, timeout=SECONDS
    ).raise_for_status()


def _mail(
    url: SplitResult, sender: str, addresses: _Addresses, message: Message
) -> Callable[[], None]:
    address = addresses.of(message.district_id, message.user_id)
    mail = EmailMessage()
    mail["From"] = sender
    try:
        mail["To"] = address
    except (AttributeError, IndexError, ValueError):  # what "a@" comes to
        raise UnreachableError from None
    count = len(message.insights)
    mail["Subject"] = f"Learning analytics: {count} new insight{'s' * (count > 1)}"
    mail.set_content(message.text)
    return lambda: _transmit(url, mail)


def _transmit(url: SplitResult, mail: EmailMessage) -> None:
    secure = url.scheme == "smtps"
    port = url.port or (465 if secure else 25)
    host = url.hostname
    connection = (
        smtplib.SMTP_SSL(
            host, port, timeout=SECONDS, context=ssl.create_default_context()
        )
        if secure
        else smtplib.SMTP(host, port, timeout=SECONDS)
    )
    with connection as server:
        server.ehlo_or_helo_if_needed()
        if not secure and server.has_extn("starttls"):
            context = ssl.create_default_context()
            if _is_this_machine(host):  # nobody in between; seldom a valid certificate
                context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            server.starttls(context=context)
        elif not secure and url.username and not _is_this_machine(host):
            raise RefusedError(
                f"{host} offers no STARTTLS: a password would be sent in clear, use"
                " smtps:// in TRACKLINE_SMTP_URL"
            )
        if url.username:
            server.login(unquote(url.username), unquote(url.password or ""))
        server.send_message(mail)


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


class _Addresses:
    """Users' addresses, read from the newest user files when a message is sent.

    No table of the warehouse holds them.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._known: dict[str, dict[str, str]] = {}

    def of(self, district_id: str, user_id: str) -> str:
        if district_id not in self._known:
            self._known[district_id] = dict(self._read(district_id))
        address = self._known[district_id].get(user_id, "")
        if not address or any(mark in address for mark in "\r\n,;"):
            raise UnreachableError
        return address

    def _read(self, district_id: str) -> Iterator[tuple[str, str]]:
        found = landing.discover(self._settings.landing, {district_id: "UTC"})
        files = [
            file
            for file in found
            if file.district_id == district_id and file.table_name == "moodle/user"
        ]
        if not files:
            return
        newest = max(files, key=lambda file: (file.modified_at, file.path))
        try:
            with duckdb.connect() as con:
                relation = (
                    con.read_parquet(newest.location)
                    if newest.is_parquet
                    else con.read_csv(newest.location, all_varchar=True, delimiter=",")
                )
                if not {"id", "email"} <= set(relation.columns):
                    return
                rows = relation.project("id::varchar, email::varchar").fetchall()
        except duckdb.Error:  # a malformed file holds up no other site's messages
            return
        key = self._settings.pseudonym_key
        for user_id, email in rows:
            shown = privacy.pseudonym(key, district_id, user_id) if key else user_id
            yield shown, (email or "").strip()
