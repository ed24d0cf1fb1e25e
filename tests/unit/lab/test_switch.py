"""The switch learns, floods and isolates; frames survive any cutting of the stream."""

import asyncio
import socket
import struct
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from atlas.lab.resolver import arp_answer, checksum, dns_answer, mac_of, query_of, upstream
from atlas.lab.switch import Port, Switch, handshake

A, B = b"\x02\0\0\0\0\x0a", b"\x02\0\0\0\0\x0b"
EVERYBODY = b"\xff" * 6


class Ear:
    def __init__(self) -> None:
        self.heard: list[bytes] = []

    def send(self, frame: bytes) -> None:
        self.heard.append(frame)


def frame(to: bytes, sender: bytes, body: bytes = b"x" * 50) -> bytes:
    return to + sender + b"\x08\x00" + body


def three() -> tuple[Switch, Ear, Ear, Ear]:
    switch, ears = Switch(), (Ear(), Ear(), Ear())
    for ear in ears:
        switch.join(ear)
    return switch, *ears


def test_unknown_and_broadcast_are_flooded_but_never_returned() -> None:
    switch, a, b, c = three()
    switch.carry(frame(B, A), a)
    switch.carry(frame(EVERYBODY, A), a)
    assert (len(a.heard), len(b.heard), len(c.heard)) == (0, 2, 2)


def test_known_receiver_gets_it_alone_and_is_forgotten_with_its_port() -> None:
    switch, a, b, c = three()
    switch.carry(frame(EVERYBODY, B), b)
    switch.carry(frame(B, A), a)
    assert (len(b.heard), len(c.heard)) == (1, 1)
    switch.leave(b)
    switch.carry(frame(B, A), a)
    assert (len(b.heard), len(c.heard)) == (1, 2)


def test_a_guest_that_moved_is_found_at_its_new_port() -> None:
    switch, a, b, c = three()
    switch.carry(frame(EVERYBODY, B), b)
    switch.carry(frame(EVERYBODY, B), c)
    switch.carry(frame(B, A), a)
    assert len(b.heard) == 1  # the flood of the move only
    assert c.heard[-1] == frame(B, A)


@given(st.lists(st.binary(min_size=14, max_size=80), max_size=8), st.lists(st.integers(1, 40), min_size=1))
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(frames: list[bytes], cuts: list[int]) -> None:
    switch, ear = Switch(), Ear()
    switch.join(ear)
    seen: list[bytes] = []

    def watch(frame: bytes) -> bool:
        seen.append(frame)
        return True

    switch.watch = watch
    port = Port(switch)
    stream = b"".join(struct.pack("!I", len(each)) + each for each in frames)
    at, turn = 0, 0
    while at < len(stream):
        step = cuts[turn % len(cuts)]
        port.data_received(stream[at : at + step])
        at, turn = at + step, turn + 1
    assert seen == frames
    assert ear.heard == []  # the watcher kept them


async def test_two_cables_on_a_socket_are_one_network(tmp_path: Path) -> None:
    switch = Switch()
    server = await asyncio.get_running_loop().create_unix_server(lambda: Port(switch), str(tmp_path / "net"))
    reader, writer = await asyncio.open_unix_connection(str(tmp_path / "net"))
    other_reader, other = await asyncio.open_unix_connection(str(tmp_path / "net"))
    await asyncio.sleep(0)
    sent = frame(EVERYBODY, A)
    for _ in range(100):
        writer.write(struct.pack("!I", len(sent)) + sent)
        try:
            async with asyncio.timeout(0.05):  # the second cable may not be plugged in yet
                length = await other_reader.readexactly(4)
                break
        except TimeoutError:
            continue
    assert await other_reader.readexactly(struct.unpack("!I", length)[0]) == sent
    assert not reader.at_eof()
    writer.close()
    other.close()
    server.close()


def tcp(flags: int, source: str = "10.42.0.11", port: int = 22, to_port: int = 40000) -> bytes:
    ip = b"\x45\0\0\x28\0\0\x40\0\x40\x06\0\0" + socket.inet_aton(source) + socket.inet_aton("10.42.0.254")
    return frame(A, B, ip + struct.pack("!HHIIBBHHH", port, to_port, 0, 0, 0x50, flags, 0, 0, 0))


def test_handshake_reads_acceptance_and_refusal() -> None:
    assert handshake(tcp(0x12)) == ("10.42.0.11", 22, 40000, True)
    assert handshake(tcp(0x14)) == ("10.42.0.11", 22, 40000, False)
    assert handshake(tcp(0x10)) is None
    assert handshake(tcp(0x02)) is None
    assert handshake(frame(A, B)) is None
    assert handshake(b"short") is None


@given(st.binary(max_size=120))
def test_no_frame_from_a_guest_upsets_the_readers(data: bytes) -> None:
    handshake(data)
    arp_answer(data, {b"\x0a\x2a\0\x03"})
    query_of(data, {b"\x0a\x2a\0\x03"})


def test_resolver_owns_its_addresses_only() -> None:
    own, guest = socket.inet_aton("10.42.0.3"), socket.inet_aton("10.42.0.11")
    asked = EVERYBODY + A + b"\x08\x06" + b"\0\x01\x08\0\x06\x04\0\x01" + A + guest + b"\0" * 6 + own
    answer = arp_answer(asked, {own})
    assert answer is not None
    assert (answer[:6], answer[6:12], answer[28:32], answer[38:42]) == (A, mac_of(own), own, guest)
    assert arp_answer(asked, {guest}) is None


def test_resolver_returns_the_answer_to_the_asker() -> None:
    own, guest = socket.inet_aton("10.42.0.3"), socket.inet_aton("10.42.0.11")
    ip = b"\x45\0\0\0\0\0\0\0\x40\x11\0\0" + guest + own
    asked = frame(mac_of(own), A, ip + struct.pack("!HHHH", 5353, 53, 13, 0) + b"query" + b"padding")
    assert query_of(asked, {own}) == b"query"
    assert query_of(asked, set()) is None
    answer = dns_answer(asked, b"answer")
    assert answer[:12] == A + mac_of(own)
    assert answer[26:34] == own + guest
    assert checksum(answer[14:34]) == 0
    assert struct.unpack_from("!HHHH", answer, 34) == (53, 5353, 14, 0)
    assert answer[42:] == b"answer"


def test_upstream_is_the_first_ipv4_nameserver(tmp_path: Path) -> None:
    file = tmp_path / "resolv.conf"
    assert upstream(file) == "127.0.0.1"
    file.write_text("search x\nnameserver ::1\nnameserver 192.0.2.53 # near\nnameserver 192.0.2.54\n")
    assert upstream(file) == "192.0.2.53"
