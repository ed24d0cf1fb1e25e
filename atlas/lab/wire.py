"""What comes over a connection becomes requests, read line by line as PVE's front door does, with its refusals."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from urllib.parse import unquote_to_bytes

MOST_LINES = 64
MOST_HEADER = 8 * 1024
MOST_BODY = 512 * 1024
_METHODS = (b"GET", b"POST", b"PUT", b"DELETE")
_KEPT = ("authorization", "cookie", "csrfpreventiontoken", "content-type")

_REQUEST = re.compile(rb"(\S+) (\S+) HTTP/(\d+)\.(\d+)")
_FIELD = re.compile(rb"([^:\s]+)\s*:\s*(.*)", re.DOTALL)
_FOLDED = re.compile(rb"\s+(.*)", re.DOTALL)
_PLACE = re.compile(rb"([^:/?#]+:)?(//[^/?#]*)?")  # scheme and authority, of which neither matters
_UNSAFE = re.compile(rb"[^!$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]")
_IN_PATH = re.compile(rb"[^!$&'()*+,\-./0-9:;=@A-Z_a-z~]")
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]+")


@dataclass(frozen=True)
class Refusal:
    """An answer that a request gets before anybody looks who sends it; the connection ends with it.

    Args:
        status: Its status; 0 for none, the connection just ends.
        reason: Its reason phrase.
        text: Its body.
    """

    status: int
    reason: str = ""
    text: str = ""
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Head:
    """The line and headers of a request, rewritten so that nothing odd is left in them.

    Args:
        data: What is to be parsed.
        refusal: What it is to be answered with, without a look at it.
    """

    data: bytes
    refusal: Refusal | None = None


def _refused(status: int, reason: str, *, version: str = "1.1", text: str | None = None, **headers: str) -> Head:
    told = Refusal(status, reason, reason if text is None else text, headers)
    return Head(f"GET / HTTP/{version}\r\nHost: lab\r\nConnection: close\r\n\r\n".encode(), told)


class Reader:
    """Takes a connection's bytes apart; what follows a refusal is not looked at.

    Args:
        secure: Whether they came through TLS; what did not is sent there.
    """

    def __init__(self, *, secure: bool = True) -> None:
        self.missing = 0  # bytes of a body that are still to come
        self._secure = secure
        self._rest = b""
        self._ended = False
        self._begin()

    def _begin(self) -> None:
        self._request: re.Match[bytes] | None = None
        self._fields: list[tuple[str, bytes]] = []
        self._lines = self._size = 0

    def feed(self, data: bytes) -> Iterator[Head | bytes]:
        """Yield the heads and the pieces of bodies that are complete with this."""
        data, self._rest, at = self._rest + data, b"", 0
        while at < len(data) and not self._ended:
            if self.missing:
                piece = data[at : at + self.missing]
                self.missing -= len(piece)
                at += len(piece)
                yield piece
                continue
            end = data.find(b"\n", at)
            if end < 0:
                if len(data) - at > MOST_BODY + MOST_HEADER:
                    yield self._end(_refused(0, ""))
                self._rest = data[at:]
                return
            line, at = data[at:end].removesuffix(b"\r"), end + 1
            head = self._first(line) if self._request is None else self._header(self._request, line)
            if head is not None:
                yield self._end(head) if head.refusal else head

    def _end(self, head: Head) -> Head:
        self._ended = True
        return head

    def _first(self, line: bytes) -> Head | None:
        match = _REQUEST.search(line)
        if match is None:
            return None if line == b"" else _refused(400, "bad request", version="1.0")
        version = f"{int(match[3][:9])}.{int(match[4][:9])}"
        if int(match[3][:9]) != 1:
            return _refused(506, f"http protocol version {version} not supported", version="1.0")
        if re.match(rb"[^/]*@", match[2]):
            return _refused(400, "invalid url", version="1.0")
        self._request = match
        return None

    def _header(self, request: re.Match[bytes], line: bytes) -> Head | None:
        self._lines, self._size = self._lines + 1, self._size + len(line)
        if self._lines >= MOST_LINES or self._size >= MOST_HEADER:
            return _refused(0, "")  # PVE says nothing and lets the connection die
        if line == b"":
            head = self._whole(request)
            self._begin()
            return head
        if match := _FIELD.match(line):
            self._fields.append((match[1].decode("latin-1").lower(), match[2]))
        elif match := _FOLDED.match(line):
            if self._fields:
                name, value = self._fields[-1]
                self._fields[-1] = name, value + b" " + match[1]
        else:
            return _refused(506, "unable to parse request header")
        return None

    def _value(self, name: str) -> bytes | None:
        found = [value for known, value in self._fields if known == name]
        return b", ".join(found) if found else None

    def _whole(self, request: re.Match[bytes]) -> Head:
        method, target, _, minor = request.groups()
        if method not in _METHODS:
            return _refused(501, f"method '{_text(method)}' not available", text="")
        coding = (self._value("transfer-encoding") or b"").strip()
        if coding.lower() == b"chunked":
            return _refused(501, "chunked transfer encoding not supported")
        if coding:
            return _refused(501, f"Unknown transfer encoding '{_text(coding)}'")
        if not self._secure:
            return self._moved(method, target)
        path, _, query = _PLACE.sub(b"", target, count=1).partition(b"#")[0].partition(b"?")
        if not path.startswith(b"/"):
            gone = f"no such file '{_text(path)}'"
            return _refused(500, gone, text=gone + "\n")
        length = re.match(rb"\+?(\d{1,18})", self._value("content-length") or b"")
        self.missing = int(length[1]) if length else 0
        # A sign that is encoded is the sign, here: %2F takes a path apart.
        where = _quoted(unquote_to_bytes(path), _IN_PATH) + (b"?" + _quoted(query) if query else b"")
        return Head(self._written(b"%s %s HTTP/1.%d" % (method, where, 1 if int(minor[:9]) else 0)))

    def _moved(self, method: bytes, target: bytes) -> Head:
        host = self._value("host")
        if not host:
            return _refused(0, "")
        place = "https://" + _text(re.sub(rb"^https?://", b"", host) + _quoted(target))
        if method == b"GET":
            return _refused(301, "Moved Permanently", Location=place)
        return _refused(308, "Permanent Redirect", Location=place)

    def _written(self, line: bytes) -> bytes:
        connection = self._value("connection")
        close = b"close" in connection.lower() if connection else line.endswith(b"1.0")
        lines = [line, b"Host: lab", b"Connection: close" if close else b"Connection: keep-alive"]
        if self.missing:
            lines.append(b"Content-Length: %d" % self.missing)
        kept = ((name, self._value(name)) for name in _KEPT)
        lines += [f"{name}: {_text(value)}".encode() for name, value in kept if value is not None]
        return b"\r\n".join(lines) + b"\r\n\r\n"


def _quoted(part: bytes, signs: re.Pattern[bytes] = _UNSAFE) -> bytes:
    return signs.sub(lambda match: b"%%%02X" % match[0][0], part)


def _text(value: bytes) -> str:
    """Return bytes as text for a header: each a character, as in Perl, and those that control something as spaces."""
    return _CONTROL.sub(b" ", value).strip().decode("latin-1")
