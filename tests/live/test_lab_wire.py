"""Broken TLS and broken HTTP over real sockets: each gets what pveproxy answers or a clean end, and the lab goes on."""

from __future__ import annotations

import re
import socket
import ssl
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from atlas.lab import control

PATIENCE = 60.0  # seconds after which a connection that is still open is a fault
WAITS = 5.0  # seconds that PVE waits for a client
GROWTH = 64  # MiB
Case = tuple[bytes, tuple[str, ...]]
"""What is sent, and the lines that the answers begin with; none where the connection just ends."""


@dataclass
class Site:
    """A lab that runs."""

    status: dict[str, Any]
    folder: Path

    @property
    def place(self) -> tuple[str, int]:
        host, _, port = self.status["url"].removeprefix("https://").partition(":")
        return host, int(port)

    @property
    def token(self) -> bytes:
        return f"Authorization: PVEAPIToken={self.status['tokens']['root@pam!lab']}".encode()

    @property
    def memory(self) -> float:
        """What the lab's process holds, in MiB."""
        lines = Path(f"/proc/{self.status['pid']}/status").read_text()
        return int(re.findall(r"VmRSS:\s+(\d+)", lines)[0]) / 1024

    def plain(self) -> socket.socket:
        return socket.create_connection(self.place, timeout=PATIENCE)

    def secure(self) -> ssl.SSLSocket:
        context = ssl.create_default_context(cafile=self.status["ca_file"])
        return context.wrap_socket(self.plain(), server_hostname="localhost")

    def serves(self) -> bool:
        line = b"GET /api2/json/version HTTP/1.1\r\nConnection: close\r\n"
        return first_lines(talk(self.secure(), line + self.token + b"\r\n\r\n")) == ("HTTP/1.1 200 OK",)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("wire") / "lab"
    made = Site(control.start(folder, nodes=1, latency="instant"), folder)
    yield made
    said = (folder / "lab.log").read_text(encoding="utf-8")
    served = made.serves()
    control.stop(folder)
    assert served
    assert said == ""


def talk(link: socket.socket, data: bytes) -> bytes:
    """Send, and return all that comes until the other side ends the connection.

    Raises:
        TimeoutError: It does not.
    """
    heard = b""
    with link:
        try:
            link.sendall(data)
            while piece := link.recv(65536):
                heard += piece
        except TimeoutError:
            raise
        except OSError:
            return heard  # broken off, as PVE does with what it did not read
    return heard


def first_lines(answers: bytes) -> tuple[str, ...]:
    return tuple(re.findall(r"HTTP/1\.\d \d{3} [^\r]*", answers.decode("latin-1")))


def request(line: bytes, *headers: bytes, body: bytes = b"", close: bool = True) -> bytes:
    """Return a request, with the place for a token."""
    more = (b"Connection: close",) if close else ()
    return b"\r\n".join([line, b"Host: lab", b"TOKEN", *more, *headers, b"", b""]) + body


VERSION = b"GET /api2/json/version HTTP/1.1"
POOLS = b"POST /api2/json/pools HTTP/1.1"
OK = "HTTP/1.1 200 OK"
CHUNKED = "HTTP/1.1 501 chunked transfer encoding not supported"
NEEDED = "HTTP/1.1 400 Parameter verification failed."
BAD = "HTTP/1.0 400 bad request"
JSON = b"Content-Type: application/json"
TOO_DEEP = (
    "HTTP/1.1 500 json text or perl structure exceeds maximum nesting level (max_depth set too low?), at character "
    'offset 513 (before "[[[[[[[[[[[[[[[[[[[[...") at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 934.'
)
UPLOAD = b"POST /api2/json/nodes/pve1/storage/local/upload HTTP/1.1"
PARTS = b"Content-Type: multipart/form-data; boundary=x"


def pools(kind: bytes, body: bytes) -> bytes:
    return request(POOLS, kind, b"Content-Length: %d" % len(body), body=body)


ANSWERED: dict[str, Case] = {
    "chunked": (
        request(POOLS, b"Transfer-Encoding: chunked", body=b"3\r\na=1\r\n0\r\n\r\n"),
        (CHUNKED,),
    ),
    "chunk garbage": (request(POOLS, b"Transfer-Encoding: chunked", body=b"zz\r\n\xff\r\n"), (CHUNKED,)),
    "chunked, and a length": (request(POOLS, b"Content-Length: 3", b"Transfer-Encoding: chunked"), (CHUNKED,)),
    "another coding": (
        request(VERSION, b"Transfer-Encoding: gzip, chunked"),
        ("HTTP/1.1 501 Unknown transfer encoding 'gzip, chunked'",),
    ),
    "chunked, from nobody": (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz", (CHUNKED,)),
    "no length": (request(POOLS, b"Content-Length: many", body=b"a=1"), (NEEDED,)),
    "a negative length": (request(POOLS, b"Content-Length: -3"), (NEEDED,)),
    "two lengths": (request(POOLS, b"Content-Length: 3", b"Content-Length: 9", body=b"a=1"), (NEEDED,)),
    "a shorter length": (request(POOLS, b"Content-Length: 2", body=b"a=1"), (NEEDED,)),
    "a huge length": (request(POOLS, b"Content-Length: " + b"9" * 40), ("HTTP/1.1 501 for data too large",)),
    "a body of a read": (
        request(VERSION, b"Content-Length: 3", body=b"a=1"),
        ("HTTP/1.1 501 Unexpected content for method 'GET'",),
    ),
    "Expect": (request(POOLS, b"Expect: 100-continue", b"Content-Length: 3", body=b"a=1"), (NEEDED,)),
    "Expect something": (request(POOLS, b"Expect: a miracle", b"Content-Length: 3", body=b"a=1"), (NEEDED,)),
    "Upgrade": (request(VERSION, b"Connection: Upgrade", b"Upgrade: h2c"), (OK,)),
    "a coded body": (pools(b"Content-Encoding: gzip", b"a=1"), (NEEDED,)),
    "a strange type": (
        pools(b"Content-Type: text/xml", b"<a/>"),
        ("HTTP/1.1 506 upload 'Content-Type 'text/xml' not implemented",),
    ),
    "parts where none belong": (
        pools(PARTS, b"--x--"),
        ("HTTP/1.1 506 upload 'Content-Type 'multipart/form-data; boundary=x' not implemented",),
    ),
    "parts of nothing": (
        request(UPLOAD, PARTS, b"Content-Length: 5", body=b"abcde"),
        ("HTTP/1.1 500 upload failed at /usr/share/perl5/PVE/APIServer/AnyEvent.pm line 1370.",),
    ),
    "an upload that is none": (request(UPLOAD, b"Content-Length: 3", body=b"a=1"), ()),
    "NUL and bad UTF-8 in a form": (pools(b"X: y", b"\xff=\xff&%ff=%ff&a=%00&\x00"), (NEEDED,)),
    "NUL in JSON": (pools(JSON, b'{"poolid": "\\u0000"}'), ("HTTP/1.1 403 Permission check failed (, Pool.Allocate)",)),
    "JSON too deep": (pools(JSON, b"[" * 9000), (TOO_DEEP,)),
    "JSON as deep as may be": (pools(JSON, b'{"poolid":"x","comment":' + b"[" * 500 + b"]" * 500 + b"}"), (NEEDED,)),
    "PATCH": (request(b"PATCH /api2/json/version HTTP/1.1"), ("HTTP/1.1 501 method 'PATCH' not available",)),
    "TRACE": (request(b"TRACE / HTTP/1.1"), ("HTTP/1.1 501 method 'TRACE' not available",)),
    "HEAD": (request(b"HEAD /api2/json HTTP/1.1"), ("HTTP/1.1 501 method 'HEAD' not available",)),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\n\r\n", ("HTTP/1.1 501 method 'CONNECT' not available",)),
    "OPTIONS *": (b"OPTIONS * HTTP/1.1\r\n\r\n", ("HTTP/1.1 501 method 'OPTIONS' not available",)),
    "a method of nobody's": (b"F\xffO / HTTP/1.1\r\n\r\n", ("HTTP/1.1 501 method 'F\xc3\xbfO' not available",)),
    "absolute form": (request(b"GET http://elsewhere:1/api2/json/version HTTP/1.1"), (OK,)),
    "another scheme": (request(b"GET ftp:///api2/json/version HTTP/1.1"), (OK,)),
    "an address that is none": (request(b"GET http://[::1/api2/json/version HTTP/1.1"), (OK,)),
    "somebody at": (request(b"GET a@b/api2/json/version HTTP/1.1"), ("HTTP/1.0 400 invalid url",)),
    "out of the folder": (
        request(b"GET /..%2f..%2fetc%2fpasswd HTTP/1.1"),
        ("HTTP/1.1 500 no such file '/../../etc/passwd'",),
    ),
    "out of the API": (
        request(b"GET /api2/json/..%2f..%2fetc HTTP/1.1"),
        ("HTTP/1.1 501 Method 'GET /../../etc' not implemented",),
    ),
    "a slash that is encoded": (request(b"GET /api2/json/nodes%2fpve1%2fversion HTTP/1.1"), (OK,)),
    "NUL in a path": (
        request(b"GET /api2/json/nodes/%00/status HTTP/1.1"),
        ("HTTP/1.1 403 Permission check failed (, Sys.Audit)",),
    ),
    "bad UTF-8 in a path": (
        request(b"GET /api2/json/nodes/\xff%ff/status HTTP/1.1"),
        ("HTTP/1.1 403 Permission check failed (, Sys.Audit)",),
    ),
    "a line's end in a path": (request(b"GET /api2/json/a%0d%0aX:1 HTTP/1.1"), ("HTTP/1.1 501 no such uri",)),
    "half of a line's end": (request(b"GET /api2/json/a%0dX:1 HTTP/1.1"), ("HTTP/1.1 400 Bad Request",)),
    "NUL and bad UTF-8 in a query": (request(b"GET /api2/json/cluster/resources?type=%00%ff\xff HTTP/1.1"), (NEEDED,)),
    "a long query": (request(b"GET /api2/json/pools?" + b"a" * 100_000 + b" HTTP/1.1"), (NEEDED,)),
    "a line without an end": (b"a" * 600_000, ()),
    "a header too long": (request(VERSION, b"X: " + b"y" * 9000), ()),
    "headers without an end": (request(VERSION, *[b"X: y"] * 1000), ()),
    "a header without a name": (request(VERSION, b": y"), ("HTTP/1.1 506 unable to parse request header",)),
    "headers of all kinds": (
        request(VERSION, b"X\xff : \x00", b" folded", b"Host: x", b"Sec-WebSocket-Key1: x"),
        (OK,),
    ),
    "bare line ends": (request(VERSION).replace(b"\r\n", b"\n"), (OK,)),
    "garbage": (b"\x00\xff\x01\n", (BAD,)),
    "another version": (b"GET / HTTP/2.0\r\n", ("HTTP/1.0 506 http protocol version 2.0 not supported",)),
    "TLS in TLS": (b"\x16\x03\x01\n", (BAD,)),
    "garbage after a request": (request(VERSION, close=False) + b"garbage\r\n", (OK, BAD)),
    "an error before a request": (
        request(b"GET /api2/json/nothing HTTP/1.1", close=False) + request(VERSION),
        ("HTTP/1.1 501 Method 'GET /nothing' not implemented",),
    ),
    "a token of odd signs": (
        VERSION + b"\r\nAuthorization: PVEAPIToken=root@pam!lab=\xff\x00\r\n\r\n",
        ("HTTP/1.1 401 Authentication failed!",),
    ),
    "a ticket of odd signs": (
        POOLS + b"\r\nCookie: PVEAuthCookie=\xff%ff;\x00\r\nCSRFPreventionToken: \xff\r\n\r\n",
        ("HTTP/1.1 401 Authentication failed!",),
    ),
}


@pytest.mark.parametrize("name", ANSWERED)
def test_broken_http_gets_pves_answer(lab: Site, name: str) -> None:
    sent, lines = ANSWERED[name]
    answers = talk(lab.secure(), sent.replace(b"TOKEN", lab.token))
    assert first_lines(answers) == lines
    assert b"Traceback" not in answers


def test_a_ticket_wants_a_token_of_ascii_or_none(lab: Site) -> None:
    password = (lab.folder / "secrets.json").read_text().split('"root@pam": "')[1].split('"')[0]
    login = f"username=root@pam&password={password}".encode()
    sent = b"POST /api2/json/access/ticket HTTP/1.1\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(login)
    ticket = re.findall(rb'"ticket":"([^"]+)"', talk(lab.secure(), sent + login))[0]
    forged = POOLS + b"\r\nCookie: PVEAuthCookie=" + ticket + b"\r\nCSRFPreventionToken: 00000000:\xff\r\n\r\n"
    assert first_lines(talk(lab.secure(), forged)) == ("HTTP/1.1 401 Permission denied - invalid csrf token",)


@pytest.mark.parametrize(
    ("sent", "line", "place"),
    [
        (b"GET /a?b HTTP/1.1\r\nHost: h:8006\r\n\r\n", "HTTP/1.1 301 Moved Permanently", b"https://h:8006/a?b"),
        (b"POST /a HTTP/1.1\r\nHost: http://h\r\n\r\n", "HTTP/1.1 308 Permanent Redirect", b"https://h/a"),
        (b"PATCH /a HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501 method 'PATCH' not available", None),
        (b"SSH-2.0-OpenSSH_9.2\r\n", BAD, None),
        (bytes(range(32)), BAD, None),
        (b"GET / HTTP/1.1\r\n\r\n", None, None),
    ],
)
def test_plain_text_is_sent_to_https(lab: Site, sent: bytes, line: str | None, place: bytes | None) -> None:
    answer = talk(lab.plain(), sent)
    assert first_lines(answer) == ((line,) if line else ())
    assert place is None or b"\r\nLocation: " + place + b"\r\n" in answer


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x00\x05hello" + b"x" * 200,
        b"\x16\xff\xff\xff\xff" + b"x" * 200,
        b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + b"x" * 40,
        b"\xff" * 200,
    ],
)
def test_a_handshake_of_garbage_is_broken_off(lab: Site, sent: bytes) -> None:
    assert first_lines(talk(lab.plain(), sent)) == ()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1])
def test_old_versions_of_tls_are_refused(lab: Site, version: ssl.TLSVersion) -> None:
    with pytest.raises(ssl.SSLError):
        only(lab, version)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_those_that_pve_speaks_are_spoken(lab: Site, version: ssl.TLSVersion) -> None:
    with only(lab, version) as link:
        assert link.version() == version.name.replace("_", ".")


def only(lab: Site, version: ssl.TLSVersion) -> ssl.SSLSocket:
    context = ssl.create_default_context(cafile=lab.status["ca_file"])
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version = context.maximum_version = version
    return context.wrap_socket(lab.plain(), server_hostname="localhost")


def test_who_keeps_it_waiting_is_let_go(lab: Site) -> None:
    half = VERSION + b"\r\n" + lab.token + b"\r\n"
    short = request(POOLS, b"Content-Length: 50", body=b"a=1").replace(b"TOKEN", lab.token)
    part = b'--x\r\nContent-Disposition: form-data; name="content"\r\n\r\niso\r\n'
    upload = request(UPLOAD, PARTS, b"Content-Length: 9999", body=part).replace(b"TOKEN", lab.token)
    idle = request(VERSION, close=False).replace(b"TOKEN", lab.token)
    kept: list[tuple[Callable[[], socket.socket], bytes, Sequence[str]]] = [
        (lab.plain, b"", ()),
        (lab.plain, b"\x16", ()),
        (lab.plain, b"\x16\x03\x01\x02\x00\x01\x00", ()),
        (lab.plain, b"GET /", ()),
        (lab.secure, b"", ()),
        (lab.secure, b"GET /api2/js", ()),
        (lab.secure, half, ()),
        (lab.secure, short, ()),
        (lab.secure, upload, ()),
        (lab.secure, idle, (OK,)),
    ]
    begun = time.monotonic()
    with ThreadPoolExecutor(len(kept)) as threads:
        heard = list(threads.map(lambda case: talk(case[0](), case[1]), kept))
    assert WAITS - 1 < time.monotonic() - begun < PATIENCE
    assert [first_lines(answer) for answer in heard] == [case[2] for case in kept]


def test_who_hangs_up_in_the_middle_leaves_nothing_behind(lab: Site) -> None:
    whole = request(POOLS, b"Content-Length: 9", body=b"poolid=ab").replace(b"TOKEN", lab.token)
    for length in range(0, len(whole), 7):
        with lab.secure() as link:
            link.sendall(whole[:length])
    with lab.plain() as raw:
        raw.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
    listed = b"GET /api2/json/pools HTTP/1.1\r\nConnection: close\r\n" + lab.token + b"\r\n\r\n"
    assert talk(lab.secure(), listed).endswith(b'{"data":[]}')


def test_the_admin_port_answers_garbage(lab: Site) -> None:
    host, _, port = lab.status["admin"]["url"].removeprefix("http://").partition(":")
    token = Path(lab.status["admin"]["token_file"]).read_text().strip().encode()
    deep = b"POST /faults HTTP/1.1\r\nHost: h\r\nConnection: close\r\nAuthorization: Bearer " + token
    deep += b"\r\nContent-Length: 90000\r\n\r\n" + b"[" * 90_000
    for sent in (b"\x16\x03\x01\x02\x00\x01\n\n", b"GET /\xff\r\n\r\n", b"garbage\r\n\r\n", deep):
        answer = talk(socket.create_connection((host, int(port)), timeout=PATIENCE), sent)
        assert re.match(r"HTTP/1\.[01] 400 ", answer.decode("latin-1"))


def test_memory_does_not_grow_with_what_is_refused(lab: Site) -> None:
    paths = request(b"GET /api2/json/" + b"a" * 100_000 + b" HTTP/1.1").replace(b"TOKEN", lab.token)
    bodies = request(POOLS, b"Content-Length: 500000", body=b"a" * 500_000).replace(b"TOKEN", lab.token)

    def some(count: int) -> None:
        for _ in range(count):
            talk(lab.plain(), b"\x16\x03\x01\x00\x05hello" + b"x" * 100)
            talk(lab.plain(), b"garbage " * 10_000 + b"\n")
            talk(lab.secure(), paths)
            talk(lab.secure(), bodies)

    some(20)
    before = lab.memory
    some(80)
    assert lab.memory - before < GROWTH
