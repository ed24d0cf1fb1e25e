"""Who calls: API tokens, tickets with their CSRF tokens, and passwords."""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from atlas.lab.call import NotAuthenticated

if TYPE_CHECKING:
    from atlas.lab.entities import User
    from atlas.lab.world import Lab

TICKET_SECONDS = 7200
_TICKET = re.compile(r"PVE:(?P<user>[^\s:]+):(?P<time>[0-9A-F]{8})::(?P<mac>[A-Za-z0-9+/=]+)")
_COOKIE = "PVEAuthCookie="
_TOKEN = re.compile(r"PVEAPIToken[= ](?P<id>[^\s=]+)[=:](?P<secret>\S+)")


@dataclass(frozen=True)
class Caller:
    """Who a request comes from; `by_ticket` callers owe a CSRF token on writes."""

    user: str
    by_ticket: bool = False


def hash_secret(secret: str) -> str:
    """Return a salted hash of a password."""
    salt = secrets.token_bytes(16)
    return f"scrypt${salt.hex()}${_scrypt(secret, salt)}"


def fits(secret: str, stored: str | None) -> bool:
    """Say whether a password is the one of a hash."""
    if stored is None:
        return False
    _, salt, digest = stored.split("$")
    return hmac.compare_digest(_scrypt(secret, bytes.fromhex(salt)), digest)


def _scrypt(secret: str, salt: bytes) -> str:
    return hashlib.scrypt(secret.encode(), salt=salt, n=1024, r=8, p=1).hex()


def hash_token(value: str) -> str:
    """Return the hash under which a token's value is kept; its 122 random bits need no salt."""
    return hashlib.sha256(value.encode()).hexdigest()


def usable(lab: Lab, userid: str) -> User:
    """Return a user who exists, is enabled and has not expired.

    Raises:
        NotAuthenticated: in every other case, alike.
    """
    user = lab.users.get(userid)
    if user is None or not user.enable or (user.expire and user.expire < lab.clock.now()):
        raise NotAuthenticated("Authentication failed!")
    return user


class Tickets:
    """Tickets and CSRF tokens, signed with a key of the lab's own."""

    def __init__(self, lab: Lab) -> None:
        self._lab = lab
        options = lab.options("secrets")
        if "key" not in options:
            options["key"] = secrets.token_hex(32)
        self._key = bytes.fromhex(options["key"])

    def _sign(self, *parts: str) -> str:
        return base64.b64encode(hmac.digest(self._key, "\0".join(parts).encode(), "sha512")).decode()

    def make(self, user: str) -> str:
        """Return a ticket for a user."""
        time = f"{int(self._lab.clock.now()):08X}"
        return f"PVE:{user}:{time}::{self._sign('ticket', user, time)}"

    def csrf(self, user: str) -> str:
        """Return the token that a ticket's holder sends along with writes."""
        time = f"{int(self._lab.clock.now()):08X}"
        return f"{time}:{self._csrf(user, time)}"

    def _csrf(self, user: str, time: str) -> str:
        return base64.b64encode(hmac.digest(self._key, f"csrf\0{user}\0{time}".encode(), "sha256")).decode()[:43]

    def user_of(self, ticket: str) -> str | None:
        """Return the user of a valid ticket, or None."""
        match = _TICKET.fullmatch(ticket)
        if match is None or not hmac.compare_digest(self._sign("ticket", match["user"], match["time"]), match["mac"]):
            return None
        age = self._lab.clock.now() - int(match["time"], 16)
        return match["user"] if -300 < age < TICKET_SECONDS else None

    def csrf_fits(self, user: str, token: str) -> bool:
        """Say whether a CSRF token is one of the user's that is still valid."""
        time, _, digest = token.partition(":")
        if not re.fullmatch(r"[0-9A-F]{8}", time) or not hmac.compare_digest(
            self._csrf(user, time).encode(), digest.encode()
        ):
            return False
        return -300 < self._lab.clock.now() - int(time, 16) < TICKET_SECONDS

    def caller(self, authorization: str | None, cookie: str | None) -> Caller:
        """Find out who sends a request.

        Args:
            authorization: The header of that name.
            cookie: The ticket's cookie, percent-encoded or not.

        Raises:
            NotAuthenticated: for every reason.
        """
        given = authorization or ""
        ticket = unquote(cookie or (given.removeprefix(_COOKIE) if given.startswith(_COOKIE) else ""))
        if not ticket and re.match("PVEAPIToken[= ].", given):
            return Caller(self._token_user(given))
        if not ticket:
            raise NotAuthenticated("No ticket")
        user = self.user_of(ticket)
        if user is None:
            raise NotAuthenticated("Authentication failed!")
        usable(self._lab, user)
        return Caller(user, by_ticket=True)

    def _token_user(self, authorization: str) -> str:
        match = _TOKEN.fullmatch(authorization)
        if match is None:
            raise NotAuthenticated("Authentication failed!")
        owner, _, name = match["id"].partition("!")
        info = usable(self._lab, owner).tokens.get(name)
        if info is None or (info["expire"] and info["expire"] < self._lab.clock.now()):
            raise NotAuthenticated("Authentication failed!")
        if not hmac.compare_digest(hash_token(match["secret"]), info["value"]):
            raise NotAuthenticated("Authentication failed!")
        return match["id"]
