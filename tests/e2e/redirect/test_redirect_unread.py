"""Callers that do not read their answers, or send more calls than anybody can answer."""

import socket
import threading
import time

import pytest

from ccproxy.protocols.jolie.sodep import Sodep, message
from ccproxy.protocols.jolie.values import Result, Tree

SUM, VOID = b"\0\0\0\3sum\0", bytes(5)
SIZE = 500_000
CALLS = 200


@pytest.fixture
def caller_of(start, ini, service):
    """A caller of 200 calls whose answers are large, which reads nothing."""
    made = []

    def caller_of(listen):
        far = service(behave=lambda call: Result(Tree("x" * SIZE)))
        text = ini(Sum={"location": far.location})
        server = start(text.replace("type = calc", f"type = calc\n{listen}", 1))
        sock = socket.socket()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 20_000)
        sock.settimeout(60)
        sock.connect(("127.0.0.1", server.ports["PORT2"]))
        made.append(sock)
        sock.sendall(b"".join(message(id, b"/Sum", SUM + VOID) for id in range(CALLS)))
        return server, sock

    yield caller_of
    for sock in made:
        sock.close()


def answers(sock):
    """The ids that are answered, in order, until all are or the connection ends."""
    side, found = Sodep().service(), []
    try:
        while len(found) < CALLS and (data := sock.recv(1 << 20)):
            found += [id for id, answer in side.feed(data)]
            assert not side.broken
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize("policy", ["drop-new", "drop-old"])
def test_a_caller_that_never_reads_is_closed_and_named_once(caller_of, policy):
    server, sock = caller_of(f"peer-queue = 8 MiB\npeer-on-full = {policy}")
    server.wait_for("does not read its answers")
    found = answers(sock)
    assert found == list(range(len(found)))
    assert len(found) < CALLS
    assert server.memory < 200 << 20
    assert server.stop() == 0
    assert server.count("does not read its answers") == 1
    assert server.count("peer closed listener=listen:sodep peer=127.0.0.1:") == 1
    has_no_meaning = '"peer-on-full = drop-old" has no meaning with calls'
    assert server.count(has_no_meaning) == (policy == "drop-old")


def test_with_block_a_caller_that_reads_late_gets_everything(caller_of, until):
    server, sock = caller_of("peer-queue = 1 MiB\npeer-on-full = block")
    until(lambda: server.memory > CALLS * SIZE // 2)
    time.sleep(0.3)
    assert answers(sock) == list(range(CALLS))
    assert not server.count("does not read")


def test_the_calls_of_one_connection_are_bounded(start, ini, service):
    """More than the queue of the service holds: some are taken, the rest waits on its way."""
    gate = threading.Event()

    def behave(call):
        gate.wait(60)
        return Result(Tree(8))

    far = service(behave=behave)
    server = start(ini(Sum={"location": far.location}))
    one = SUM + b"\1\0\0\x10\0" + b"x" * 4096 + bytes(4)
    total = 30_000
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as sock:
        data = b"".join(message(id, b"/Sum", one) for id in range(total))
        before = server.memory
        sending = threading.Thread(target=sock.sendall, args=(data,))
        sending.start()
        time.sleep(0.5)
        assert sending.is_alive()
        assert server.memory - before < 32 << 20
        gate.set()
        side, found = Sodep().service(), []
        while len(found) < total:
            found += [answer.value.tree().payload for _, answer in side.feed(sock.recv(1 << 20))]
        sending.join()
    assert found == [8] * total
