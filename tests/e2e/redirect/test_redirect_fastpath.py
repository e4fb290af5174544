"""Calls that take the fast path from a caller to their service: the same fates as the others.

The first call of each test opens the way; all behind it take it.
"""

import itertools
import signal
import socket
import struct
import time
from contextlib import suppress
from pathlib import Path

import pytest

from ccproxy.protocols.jolie.sodep import Sodep, message
from ccproxy.protocols.jolie.values import Result, Tree

VOID = bytes(5)
SUM = b"\0\0\0\3sum\0"


def request(id: int, path: bytes = b"/Sum", value: bytes = VOID) -> bytes:
    return message(id, path, SUM + value)


def number(value: int) -> bytes:
    return b"\2" + struct.pack(">i", value) + bytes(4)


class Far:
    """A service on a bare socket: the test reads calls and writes answers."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.location = f"socket://127.0.0.1:{self.listener.getsockname()[1]}"
        self.side = Sodep().caller()
        self.sock = None

    def open(self, near: "Near") -> None:
        """Answer the first call. If its timeout is short, a busy machine may need several: what
        they came by is closed then."""
        for id in itertools.count(1):
            near.ask(id)
            try:
                asked = self.calls(1)
            except ConnectionError:
                self.accept()
                asked = self.calls(1)
            with suppress(ConnectionError):
                self.answer(*asked)
            if near.answers(1) == {id: asked[0]}:
                break

    def accept(self) -> None:
        self.listener.settimeout(60)
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(60)
        self.side = Sodep().caller()

    def calls(self, count: int) -> list:
        """The ids of so many calls, as they come here."""
        found = []
        while len(found) < count:
            data = self.sock.recv(1 << 16) if self.sock else b""
            if not data:
                raise ConnectionError("the server has closed it")
            found += [asked.token.id for asked in self.side.feed(data)]
        return found

    def answer(self, *ids: int) -> None:
        self.sock.sendall(b"".join(message(id, b"/", SUM + number(id)) for id in ids))

    def close(self) -> None:
        self.listener.close()
        self.sock.close()

    def reset(self) -> None:
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


class Near:
    """A client that has many calls under way."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), 60)
        self.side = Sodep().service()

    def ask(self, *ids: int, path: bytes = b"/Sum") -> None:
        self.sock.sendall(b"".join(request(id, path) for id in ids))

    def answers(self, count: int) -> dict:
        """Id -> payload of a result, or the text of a fault."""
        found: dict = {}
        while len(found) < count:
            data = self.sock.recv(1 << 16)
            assert data
            for id, answer in self.side.feed(data):
                assert id not in found
                found[id] = answer.value.tree().payload
        return found


@pytest.fixture
def world(start, ini):
    """A server, a client, and a service behind a way that is open."""
    made = []

    def world(listen: str = "", **options):
        far = Far()
        text = ini(Sum={"location": far.location, **options}).replace(
            "protocol = sodep", f"protocol = sodep\n{listen}", 1
        )
        server = start(text)
        near = Near(server.ports["PORT2"])
        made.extend([far, near.sock])
        far.open(near)
        return server, near, far

    yield world
    for one in made:
        one.close()


def test_answers_come_back_in_any_order_to_the_right_caller(world):
    server, near, far = world()
    other = Near(server.ports["PORT2"])
    near.ask(7, 8, 9)
    first = far.calls(3)
    other.ask(7, 8, 9)
    second = far.calls(3)
    assert len({*first, *second}) == 6
    far.answer(*reversed(second), *first)
    assert near.answers(3) == dict(zip((7, 8, 9), first, strict=True))
    assert other.answers(3) == dict(zip((7, 8, 9), second, strict=True))
    other.sock.close()
    assert server.stop() == 0
    ledger = server.ledger()
    assert ledger == {"received": 7, "consumed": 7}


def test_a_service_that_falls_silent(world):
    _, near, far = world(timeout="300 ms")
    for attempt in range(2):
        began = time.monotonic()
        near.ask(5, 6)
        if not attempt:
            far.calls(2)
        for text in near.answers(2).values():
            assert "0.3 s" in text
        assert 0.2 < time.monotonic() - began < 30  # without the option it is 60 s


def test_a_late_answer_is_no_answer_of_another_call(world):
    _, near, far = world(timeout="6 s", connections="1")
    near.ask(5)
    late = far.calls(1)
    # The clock of the server counts milliseconds: an answer in that of call 5 may be one before it.
    time.sleep(0.01)
    near.ask(6)
    far.answer(*far.calls(1))
    assert near.answers(1).keys() == {6}
    assert "6 s" in near.answers(1)[5]
    far.answer(*late)
    near.ask(7)
    far.answer(*(seventh := far.calls(1)))
    assert near.answers(1) == {7: seventh[0]}


@pytest.mark.parametrize("answered", [0, 2])
@pytest.mark.parametrize("how", ["reset", "end", "garbage"])
def test_a_service_that_breaks_off_with_calls_under_way(world, how, answered):
    _, near, far = world(timeout="60 s")
    near.ask(*range(2, 52))
    ids = far.calls(50)
    far.answer(*ids[:answered])
    if how == "garbage":
        far.sock.sendall(b"\xff" * 100)
    far.reset() if how == "reset" else far.sock.close()
    began = time.monotonic()
    found = near.answers(50)
    assert time.monotonic() - began < 30  # the timeout is 60 s
    assert [one for one in found.values() if isinstance(one, int)] == ids[:answered]
    near.ask(60)
    far.accept()
    far.answer(*(again := far.calls(1)))
    assert near.answers(1) == {60: again[0]}


def test_a_caller_that_leaves_is_not_waited_for(world):
    server, near, far = world()
    gone = Near(server.ports["PORT2"])
    gone.ask(*range(100))
    ids = far.calls(100)
    gone.sock.close()
    near.ask(5)
    far.answer(*ids, *(mine := far.calls(1)))
    assert near.answers(1) == {5: mine[0]}


def test_a_caller_that_sends_no_more_gets_its_answers(world):
    _, near, far = world()
    near.ask(5, 6)
    near.sock.shutdown(socket.SHUT_WR)
    ids = far.calls(2)
    time.sleep(0.1)
    far.answer(ids[0])
    assert near.answers(1) == {5: ids[0]}
    far.answer(ids[1])
    assert near.answers(1) == {6: ids[1]}
    assert near.sock.recv(10) == b""


def test_a_half_closed_http_client_gets_its_answer(start, ini, service, ports):
    def slowly(call):
        time.sleep(0.2)
        return Result(Tree(8))

    start(ini(Sum={"location": service(behave=slowly).location}))
    body = b'{"x":5,"y":3}'
    with socket.create_connection(("127.0.0.1", ports["PORT3"]), 60) as sock:
        head = b"POST /!/Sum!/sum HTTP/1.1\r\nHost: localhost\r\n"
        head += b"Content-Length: %d\r\n\r\n" % len(body)
        sock.sendall(head + body)
        sock.shutdown(socket.SHUT_WR)
        answer = b""
        while data := sock.recv(1 << 16):
            answer += data
    assert answer.startswith(b"HTTP/1.1 200")
    assert b'{"$":8}' in answer.replace(b" ", b"")


def test_id_0_answers_the_only_call(world):
    _, near, far = world()
    near.ask(5)
    far.calls(1)
    far.answer(0)
    assert near.answers(1) == {5: 0}
    near.ask(6, 7)
    ids = far.calls(2)
    far.answer(0, *ids)
    assert near.answers(2) == {6: ids[0], 7: ids[1]}


def test_a_reload_sends_calls_where_they_belong_from_then_on(world, ini, service):
    server, near, far = world()
    text = (server.directory / "server.ini").read_text("utf-8")
    new = service(behave=lambda call: Result(Tree("new")))
    server.reload(text.replace(far.location, new.location))
    near.ask(5)
    assert near.answers(1) == {5: "new"}


def test_calls_under_way_at_a_reload_are_answered_by_the_service_that_has_them(world, service):
    server, near, far = world()
    text = (server.directory / "server.ini").read_text("utf-8")
    new = service(behave=lambda call: Result(Tree("new")))
    near.ask(5, 6)
    ids = far.calls(2)
    server.reload(text.replace(far.location, new.location))
    near.ask(7)
    assert near.answers(1) == {7: "new"}
    time.sleep(2.5)  # longer than a handler has to stop
    far.answer(*ids)
    assert near.answers(2) == {5: ids[0], 6: ids[1]}
    near.ask(8)
    assert near.answers(1) == {8: "new"}
    assert far.sock.recv(10) == b""


def test_a_server_that_stops_does_not_wait_for_a_handler_that_a_reload_replaced(world, service):
    server, near, far = world()
    text = (server.directory / "server.ini").read_text("utf-8")
    near.ask(5)
    far.calls(1)
    server.reload(text.replace(far.location, service().location))
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert "stops" in near.answers(1)[5]
    assert server.process.wait(60) == 0
    assert time.monotonic() - began < 30  # the call itself may take 60 s


def test_a_reload_that_changes_nothing_keeps_calls_under_way(world):
    server, near, far = world()
    near.ask(5)
    ids = far.calls(1)
    before = server.count("reloaded: ")
    server.process.send_signal(signal.SIGHUP)
    server.wait_for_count("reloaded: ", before + 1)
    near.ask(6)
    ids += far.calls(1)
    far.answer(*ids)
    assert near.answers(2) == {5: ids[0], 6: ids[1]}


def test_the_timeout_of_the_listener_holds_if_it_is_the_shorter(world):
    _, near, far = world("timeout = 400 ms", timeout="60 s")
    began = time.monotonic()
    near.ask(5)
    far.calls(1)
    assert near.answers(1) == {5: "no answer within 0.4 s"}
    assert time.monotonic() - began < 30  # the timeout of the service is 60 s


def test_a_service_that_does_not_read(world):
    server, near, far = world(queue="1 MiB", calls="1000000")
    big = request(5, value=b"\1" + struct.pack(">i", 200_000) + b"x" * 200_000 + bytes(4))
    near.sock.sendall(big * 40)
    answers = []
    while len(answers) < 10:
        data = near.sock.recv(1 << 16)
        assert data
        answers += [one.value.tree().payload for _, one in near.side.feed(data)]
    assert set(answers) == {"Too many calls: 1048576 bytes without answer"}
    other = Near(server.ports["PORT2"])
    other.ask(1, path=b"/Nope")
    assert "Unknown resource" in other.answers(1)[1]
    other.sock.close()


@pytest.mark.parametrize("connections", [2, 5])
def test_several_connections_share_the_calls(start, ini, service, connections):
    one = service()
    server = start(ini(Sum={"location": one.location, "connections": str(connections)}))
    near = Near(server.ports["PORT2"])
    value = (
        b"\0"
        + struct.pack(">i", 2)
        + b"".join(
            struct.pack(">i", 1) + name + struct.pack(">i", 1) + number(4) for name in (b"x", b"y")
        )
    )
    for id in range(60):
        near.sock.sendall(request(id, value=value))
        assert near.answers(1) == {id: 8}
    near.sock.close()
    assert len(one.calls) == 60


def test_a_service_that_serves_its_connections_one_call_at_a_time_gets_several(start, ini, service):
    def slowly(call):
        time.sleep(0.002)
        return Result(Tree(8))

    one = service(behave=slowly)
    server = start(ini(Sum={"location": one.location}))
    callers = [Near(server.ports["PORT2"]) for _ in range(8)]
    end = time.monotonic() + 60
    for id in itertools.count():
        for near in callers:
            near.ask(id)
        for near in callers:
            assert near.answers(1) == {id: 8}
        if one.connections >= 4 or time.monotonic() > end:
            break
    for near in callers:
        near.sock.close()
    assert one.connections >= 4


def sockets(server):
    """How many sockets the server has open."""
    found = 0
    for one in Path(f"/proc/{server.process.pid}/fd").iterdir():
        with suppress(OSError):  # a file that is closed by now
            found += str(one.readlink()).startswith("socket:")
    return found


def test_a_service_connection_that_is_reset_while_idle_costs_nothing(world, until):
    server, near, far = world()
    for id in range(5, 8):
        before = sockets(server)
        far.reset()
        until(lambda before=before: sockets(server) < before)
        near.ask(id)
        far.accept()
        far.answer(*(mine := far.calls(1)))
        assert near.answers(1) == {id: mine[0]}


def test_a_stop_that_takes_longer_than_it_may_still_answers_straight_calls(world, service):
    server, near, far = world()
    text = (server.directory / "server.ini").read_text("utf-8")
    near.ask(5)
    far.calls(1)
    server.reload(text.replace(far.location, service().location))
    server.process.send_signal(signal.SIGTERM)
    time.sleep(0.1)
    server.process.send_signal(signal.SIGSTOP)
    time.sleep(2.5)
    server.process.send_signal(signal.SIGCONT)
    assert "stops" in near.answers(1)[5]


def test_a_call_may_be_larger_than_what_may_wait(world):
    _, near, far = world(queue="64 KiB")
    value = b"\1" + struct.pack(">i", 300_000) + b"x" * 300_000 + bytes(4)
    for id in range(5, 8):
        near.sock.sendall(request(id, value=value))
        far.answer(*(mine := far.calls(1)))
        assert near.answers(1) == {id: mine[0]}


def test_many_long_operations_do_not_fill_the_memory(world):
    server, near, _ = world()
    before = server.memory
    for number in range(40):
        batch = [b"%06d" % (number * 100 + each) + b"x" * 3900 for each in range(100)]
        near.sock.sendall(
            b"".join(
                message(10 + each, b"/Nope", struct.pack(">i", len(one)) + one + b"\0" + VOID)
                for each, one in enumerate(batch)
            )
        )
        near.answers(100)
    assert server.memory - before < 24 << 20
