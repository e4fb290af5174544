"""A listener that a reload takes away, a server that stops: calls under way are answered first."""

import signal
import socket
import threading
import time
from contextlib import suppress
from http.client import HTTPConnection

import pytest

from ccproxy.protocols.jolie.sodep import Sodep, message
from ccproxy.protocols.jolie.values import Fault, Result, Tree

KINDS = ("sodep", "http", "jsonrpc")
PORTS = {"sodep": "PORT2", "http": "PORT3", "jsonrpc": "PORT4"}


class Slow:
    """A service that answers late from its third call on, when calls take the fast path."""

    def __init__(self, seconds):
        self.seconds = seconds
        self.asked = threading.Event()
        self.released = threading.Event()
        self.calls = 0

    def __call__(self, call):
        self.calls += 1
        if self.calls > 2:
            self.asked.set()
            if self.seconds is None:
                return None
            self.released.wait(self.seconds)
        return Result(Tree(8))


@pytest.fixture
def asking(service, start, ini, caller):
    """A call of each kind is under way, on a connection that made two before."""
    made = []

    def asking(kind, slow, **options):
        server = start(ini(Sum={"location": service(behave=slow).location, **options}))
        one = caller(kind)
        one.sock.settimeout(60)
        for _ in range(2):
            assert one.ask("/Sum").value.tree() == Tree(8)
        found = []
        thread = threading.Thread(target=lambda: found.append(one.ask("/Sum")))
        thread.start()
        made.append(thread)
        assert slow.asked.wait(60)
        return server, one, lambda: (thread.join(), found[0])[1]

    yield asking
    for thread in made:
        thread.join()


def moved(server, name, to):
    """The INI with one listener elsewhere."""
    text = (server.directory / "server.ini").read_text("utf-8")
    port, other = server.ports[PORTS[name]], server.ports[to]
    return text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{other}")


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_that_moves_answers_what_is_under_way(asking, kind, caller):
    slow = Slow(60)
    server, one, answer = asking(kind, slow)
    server.reload(moved(server, kind, "PORT5"))
    # Its address is free at once, while the call is still under way.
    with socket.create_server(("127.0.0.1", server.ports[PORTS[kind]])):
        slow.released.set()
        assert answer().value.tree() == Tree(8)
        assert isinstance(caller(kind, "PORT5").ask("/Nope"), Fault)
        assert one.sock.recv(10) == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_listener_that_goes_does_not_wait_for_ever(asking, kind):
    server, one, answer = asking(kind, Slow(None))
    began = time.monotonic()
    server.reload(moved(server, kind, "PORT5"))
    found = answer()
    assert 1.8 < time.monotonic() - began < 30  # the call itself may take 60 s
    assert isinstance(found, Fault)
    assert found.value.tree().payload == "its listener is no longer configured"
    assert one.sock.recv(10) == b""


def stops(server):
    """Tell it to stop, and wait until it accepts no more."""
    server.process.send_signal(signal.SIGTERM)
    with suppress(ConnectionError):  # refused, or reset while the listener closes
        while True:
            socket.create_connection(("127.0.0.1", server.ports["PORT1"]), 60).close()


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_stops_answers_what_is_under_way(asking, kind):
    slow = Slow(60)
    server, one, answer = asking(kind, slow)
    stops(server)
    slow.released.set()
    assert server.stop() == 0
    assert answer().value.tree() == Tree(8)
    assert one.sock.recv(10) == b""


@pytest.mark.parametrize("kind", KINDS)
def test_a_server_that_stops_says_so_to_callers_that_wait(asking, kind):
    server, _, answer = asking(kind, Slow(None))
    began = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - began < 30  # the call itself may take 60 s
    assert isinstance(answer(), Fault)


def test_a_call_that_is_held_back_is_answered_before_the_end(start, ini, service, caller, until):
    held = "[h:held]\nhandler = delay\ndelay = 700 ms\nforward-to = h:calc\n"
    text = ini("slow = h:held\n", Sum={"location": service().location}) + held
    text = text.replace("type = calc", "type = slow", 1)
    server = start(text)
    one, found = caller(), []
    thread = threading.Thread(target=lambda: found.append(one.ask("/Sum")))
    thread.start()
    until(lambda: server.status()["ledger"]["received"])
    assert server.stop() == 0
    thread.join()
    assert found[0].value.tree() == Tree(8)


def test_http_is_told_that_the_answer_is_the_last(start, ini, service):
    slow = Slow(60)
    slow.calls = 2
    server = start(ini(Sum={"location": service(behave=slow).location}))
    web = HTTPConnection("127.0.0.1", server.ports["PORT3"], timeout=60)
    web.request("POST", "/!/Sum!/sum", "{}")
    assert slow.asked.wait(60)
    stops(server)
    slow.released.set()
    response = web.getresponse()
    assert (response.status, response.getheader("Connection")) == (200, "close")
    assert response.read()
    web.close()


def pump(sock, going):
    """Send calls without a pause until the server takes no more."""
    number = 0
    try:
        while True:
            ids = range(number, number + 50)
            sock.sendall(b"".join(message(id, b"/Sum", b"\0\0\0\3sum\0" + bytes(5)) for id in ids))
            number += 50
            if number > 2000:
                going.set()
    except OSError:
        return


def take(sock, found):
    side = Sodep().service()
    try:
        while data := sock.recv(1 << 16):
            found += [id for id, answer in side.feed(data) if not isinstance(answer, Fault)]
    except OSError:
        return


@pytest.mark.parametrize("how", ["stop", "reload"])
def test_no_answer_is_lost_of_a_caller_that_calls_without_a_pause(start, ini, service, how):
    """It sends until the end, so unread calls are there when its connection is closed."""
    far = service(behave=lambda call: Result(Tree(8)))
    server = start(ini(Sum={"location": far.location}))
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as sock:
        going, found = threading.Event(), []
        threads = [
            threading.Thread(target=pump, args=(sock, going)),
            threading.Thread(target=take, args=(sock, found)),
        ]
        for thread in threads:
            thread.start()
        assert going.wait(60)
        if how == "stop":
            assert server.stop() == 0
        else:
            server.reload(moved(server, "sodep", "PORT5"))
        for thread in threads:
            thread.join()
    assert sorted(found) == list(range(len(far.calls)))
