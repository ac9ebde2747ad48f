"""Users and passwords, as in MOODLE_MLBACKEND_PYTHON_USERS.

Comma separated `user:password` or `user:hashname:salt:hexdigest`, where the digest is
hashname(salt + password). `python -m trackline.predictions.auth USER` makes such an
entry from a password typed or piped in.
"""

from __future__ import annotations

import base64
import binascii
import getpass
import hashlib
import hmac
import secrets
import sys
from dataclasses import dataclass

__all__ = ["NO_PASSWORD", "WRONG_PASSWORD", "Users", "UsersError", "hashed_entry"]

NO_PASSWORD = "No user and/or password included in the request."
WRONG_PASSWORD = "Incorrect user and/or password provided by Moodle."
MAX_HEADER = 4096


class UsersError(ValueError):
    """The list of users cannot be used: one sentence, without any password."""


@dataclass(frozen=True)
class _Entry:
    hashname: str
    salt: str
    digest: bytes

    def matches(self, password: str) -> bool:
        found = _digest(self.hashname, self.salt + password, len(self.digest))
        return hmac.compare_digest(found, self.digest)


def _digest(hashname: str, text: str, length: int) -> bytes:
    made = hashlib.new(hashname, text.encode())
    # shake_128 and shake_256 have no length of their own
    return made.digest(length) if made.digest_size == 0 else made.digest()


def hashed_entry(user: str, password: str) -> str:
    """Make an entry without a password for MOODLE_MLBACKEND_PYTHON_USERS."""
    salt = secrets.token_hex(16)
    return f"{user}:sha256:{salt}:{_digest('sha256', salt + password, 32).hex()}"


class Users:
    """Who may use the server.

    Parameters
    ----------
    text : str
        The value of MOODLE_MLBACKEND_PYTHON_USERS.

    Raises
    ------
    UsersError
        If an entry is malformed or there is none: there is no default password.
    """

    def __init__(self, text: str) -> None:
        self._entries: dict[str, _Entry] = {}
        for number, entry in enumerate(text.split(","), start=1):
            parts = entry.strip("\r\n").split(":")
            if not text.strip():
                break
            problem = f"MOODLE_MLBACKEND_PYTHON_USERS, entry {number}"
            if len(parts) not in (2, 4) or not parts[0] or not parts[-1]:
                raise UsersError(
                    f"{problem}: it must be user:password or user:hash:salt:digest"
                )
            if parts[0] in self._entries:
                raise UsersError(f"{problem}: the user is named twice")
            if len(parts) == 2:
                # kept as a digest: comparing takes the same time for any password
                salt = secrets.token_hex(16)
                digest = _digest("sha256", salt + parts[1], 32)
                self._entries[parts[0]] = _Entry("sha256", salt, digest)
            else:
                self._entries[parts[0]] = self._hashed(parts, problem)
        if not self._entries:
            raise UsersError("MOODLE_MLBACKEND_PYTHON_USERS names no user")
        self._nobody = _Entry("sha256", secrets.token_hex(16), secrets.token_bytes(32))

    @staticmethod
    def _hashed(parts: list[str], problem: str) -> _Entry:
        try:
            digest = bytes.fromhex(parts[3])
            made = _digest(parts[1], "", len(digest))
        except (ValueError, TypeError):
            raise UsersError(f"{problem}: unknown hash or unreadable digest") from None
        if len(made) != len(digest):
            raise UsersError(f"{problem}: the digest has the wrong length")
        return _Entry(parts[1], parts[2], digest)

    def refusal(self, authorization: str | None) -> str | None:
        """Why this Authorization header is refused; None if it is right."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "basic" or len(token) > MAX_HEADER:
            return NO_PASSWORD
        try:
            pair = base64.b64decode(token.strip(), validate=True).decode()
        except (binascii.Error, ValueError):
            return WRONG_PASSWORD
        user, colon, password = pair.partition(":")
        if not colon:
            return NO_PASSWORD
        known = self._entries.get(user)
        # an unknown user costs the time of a known one
        right = (known or self._nobody).matches(password)
        return None if known and right else WRONG_PASSWORD


def main() -> None:
    """Print an entry for the user named on the command line."""
    if len(sys.argv) != 2 or set(sys.argv[1]) & set(",:\n") or not sys.argv[1]:
        raise SystemExit("usage: python -m trackline.predictions.auth USER")
    typed = sys.stdin.isatty()
    password = getpass.getpass() if typed else sys.stdin.readline().rstrip("\n")
    if not password:
        raise SystemExit("an empty password is refused")
    print(hashed_entry(sys.argv[1], password))


if __name__ == "__main__":
    main()
