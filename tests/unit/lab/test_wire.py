"""Bytes of a connection become requests as PVE's front door reads them, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.wire import MOST_BODY, MOST_HEADER, Head, Reader, Refusal

GET = b"GET /api2/json/version HTTP/1.1\r\n"


def read(*pieces: bytes, secure: bool = True) -> list[Head | bytes]:
    reader = Reader(secure=secure)
    return [found for piece in pieces for found in reader.feed(piece)]


def head(data: bytes) -> list[bytes]:
    [found] = read(data)
    assert isinstance(found, Head)
    assert found.refusal is None, found.refusal
    return found.data.split(b"\r\n")


def refusal(data: bytes, *, secure: bool = True) -> Refusal:
    [found] = read(data, secure=secure)
    assert isinstance(found, Head)
    assert found.refusal is not None
    return found.refusal


def test_only_what_the_lab_reads_is_left_of_a_request() -> None:
    sent = (
        GET
        + b"Host: a\r\nhost: b\r\nCookie: a=b\r\nCookie: c\r\n d\r\nX-\xff(): \x00\r\nAuthorization: \xff\x00x\r\n\r\n"
    )
    assert head(sent) == [
        *(b"GET /api2/json/version HTTP/1.1", b"Host: lab", b"Connection: keep-alive"),
        *("authorization: ÿ x".encode(), b"cookie: a=b, c d", b"", b""),
    ]


@pytest.mark.parametrize(
    ("target", "line"),
    [
        (b"http://u@h:99999/a?b=1#c", b"/a?b=1"),
        (b"//evil/a", b"/a"),
        (b"/a/../%2e%2e%2fb", b"/a/../../b"),
        (b"/a%2541%3f%00", b"/a%2541%3F%00"),
        (b'/\xff<"', b"/%FF%3C%22"),
        (b"/a?b=%41&c=\xff%", b"/a?b=%41&c=%FF%"),
    ],
)
def test_a_target_loses_what_is_not_path_or_query(target: bytes, line: bytes) -> None:
    assert head(b"GET " + target + b" HTTP/1.0\r\n\r\n")[0] == b"GET " + line + b" HTTP/1.0"


@pytest.mark.parametrize(
    ("lines", "status", "reason"),
    [
        (b"garbage\r\n", 400, "bad request"),
        (b"\x16\x03\x01\n", 400, "bad request"),
        (b"GET /\r\n", 400, "bad request"),
        (b"GET / http/1.1\r\n", 400, "bad request"),
        (b"GET user@h/ HTTP/1.1\r\n", 400, "invalid url"),
        (b"GET / HTTP/2.0\r\n", 506, "http protocol version 2.0 not supported"),
        (b"PATCH / HTTP/1.1\r\n\r\n", 501, "method 'PATCH' not available"),
        (b"get / HTTP/1.1\r\n\r\n", 501, "method 'get' not available"),
        (b"CONNECT a:443 HTTP/1.1\r\n\r\n", 501, "method 'CONNECT' not available"),
        (b"GET * HTTP/1.1\r\n\r\n", 500, "no such file '*'"),
        (GET + b"no colon\r\n", 506, "unable to parse request header"),
        (GET + b"Transfer-Encoding: Chunked\r\n\r\n", 501, "chunked transfer encoding not supported"),
        (GET + b"Transfer-Encoding: a\x00b\r\n\r\n", 501, "Unknown transfer encoding 'a b'"),
        (GET + b"X: y\r\n" * 63 + b"\r\n", 0, ""),
        (GET + b"X: " + b"y" * MOST_HEADER + b"\r\n\r\n", 0, ""),
        (b"a" * (MOST_BODY + MOST_HEADER + 1), 0, ""),
    ],
)
def test_what_pve_refuses_at_the_door(lines: bytes, status: int, reason: str) -> None:
    found = refusal(lines)
    assert (found.status, found.reason) == (status, reason)


def test_as_much_as_pve_takes_is_taken() -> None:
    assert head(GET + b"X: y\r\n" * 62 + b"\r\n")
    assert head(GET + b"X: " + b"y" * (MOST_HEADER - 4) + b"\r\n\r\n")
    assert head(b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n")


@pytest.mark.parametrize(
    ("length", "body"), [(b"3", b"a=1"), (b"3x", b"a=1"), (b"3, 5", b"a=1"), (b"-5", b""), (b"x", b"")]
)
def test_a_body_is_as_long_as_its_number_says(length: bytes, body: bytes) -> None:
    sent = b"POST /p HTTP/1.1\r\nContent-Length: " + length + b"\r\n\r\n"
    _, *rest = read(sent + body + GET + b"\r\n")
    assert rest[:-1] == ([body] if body else [])
    assert isinstance(rest[-1], Head)
    assert rest[-1].refusal is None


def test_nothing_follows_a_refusal() -> None:
    assert len(read(b"garbage\r\n" + GET + b"\r\n", GET + b"\r\n")) == 1


def test_what_is_not_encrypted_is_sent_to_where_it_would_be() -> None:
    moved = refusal(b"GET /x?y=\xff HTTP/1.1\r\nHost: http://h:8006\r\n\r\n", secure=False)
    assert (moved.status, moved.headers) == (301, {"Location": "https://h:8006/x?y=%FF"})
    assert refusal(b"POST / HTTP/1.1\r\nHost: h\r\n\r\n", secure=False).status == 308
    assert refusal(b"GET / HTTP/1.1\r\n\r\n", secure=False).status == 0


PIECES = [
    GET,
    b"\r\n",
    b"POST /p HTTP/1.1\nContent-Length: 2\n\n",
    b"ab",
    b"X: y\r\n",
    b" z\n",
    b"garbage\n",
    b"\xff",
    b"",
]


@given(st.lists(st.sampled_from(PIECES) | st.binary(max_size=8), max_size=12), st.data())
def test_it_does_not_matter_how_bytes_are_cut(pieces: list[bytes], data: st.DataObject) -> None:
    whole = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=6)))
    cut = [whole[a:b] for a, b in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert joined(read(*cut)) == joined(read(whole))


def joined(found: list[Head | bytes]) -> list[Head | bytes]:
    together: list[Head | bytes] = []
    for piece in found:
        last = together[-1] if together else None
        if isinstance(piece, bytes) and isinstance(last, bytes):
            together[-1] = last + piece
        else:
            together.append(piece)
    return together
