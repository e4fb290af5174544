"""What the options of a listener of calls say holds on the wire, and changes by a reload."""

import json
import socket
import time
from http.client import HTTPConnection

import pytest

from ccproxy.protocols.jolie.sodep import SodepLimits, SodepReader, message
from ccproxy.protocols.jolie.values import Result, Tree

KINDS = ("sodep", "http", "jsonrpc")
PORTS = {"sodep": "PORT2", "http": "PORT3", "jsonrpc": "PORT4"}


@pytest.fixture
def echo(service):
    """A service that answers with what it is asked."""
    return service("sodep", lambda call: Result(call.value.tree()))


def with_options(text, *lines):
    """Every listener of calls gets these options."""
    return text.replace("type = calc", "\n".join(("type = calc", *lines)))


def asks(one, size):
    """Ask with a text of this size; what comes back, "" if the connection is closed instead."""
    try:
        answer = one.ask("/Sum", "echo", Tree("x" * size))
    except ConnectionError:
        return ""
    return answer.value.tree().payload


@pytest.mark.parametrize("kind", KINDS)
def test_the_longest_message_and_a_reload_of_it(start, ini, echo, caller, fill, kind):
    text = ini(Sum={"location": echo.location})
    server = start(with_options(text, "max-message = 100 KiB"))
    first = caller(kind)
    assert asks(first, 90_000) == "x" * 90_000
    server.reload(fill(with_options(text, "max-message = 1 MiB")))
    second = caller(kind)
    assert asks(second, 1_000_000) == "x" * 1_000_000
    assert asks(second, 1_100_000) != "x" * 1_100_000
    # The connection that was there before has what it began with, and is not harmed.
    assert asks(first, 90_000) == "x" * 90_000
    assert asks(first, 110_000) != "x" * 110_000
    server.reload(fill(with_options(text, "max-message = 50 KiB")))
    assert asks(caller(kind), 60_000) != "x" * 60_000
    assert asks(caller(kind), 40_000) == "x" * 40_000


@pytest.mark.parametrize("kind", ["http", "jsonrpc"])
def test_a_body_too_large_is_said_to_be(start, ini, echo, kind):
    text = ini(Sum={"location": echo.location})
    server = start(with_options(text, "max-message = 10 KiB"))
    web = HTTPConnection("127.0.0.1", server.ports[PORTS[kind]], timeout=60)
    body = json.dumps({"method": "echo", "id": 1, "params": ["x" * 20_000]})
    web.request("POST", "/!/Sum!/echo" if kind == "http" else "/!/Sum", body)
    response = web.getresponse()
    assert response.status == 413
    found = json.loads(response.read())
    assert found["error"]["data"] == "a body of more than 10240 bytes"
    assert found.get("id") is None
    web.close()
    server.wait_for("a body of more than 10240 bytes")


def test_by_default_it_is_64_mib(start, ini, echo, caller):
    start(ini(Sum={"location": echo.location}))
    size = 20 << 20
    assert asks(caller("http"), size) == "x" * size


@pytest.mark.parametrize("protocol", KINDS)
def test_the_longest_answer_of_a_service(start, ini, service, caller, value_of, protocol):
    far = service(protocol, lambda call: Result(Tree("x" * call.value.tree().payload)))
    start(ini(Sum={"location": far.location, "protocol": protocol, "max-message": "10 KiB"}))
    one = caller("sodep")
    assert len(value_of(one.ask("/Sum", "give", Tree(9_000)))) == 9_000
    name, text = value_of(one.ask("/Sum", "give", Tree(20_000)))
    assert name == "IOException" and "cannot be read" in text
    assert len(value_of(one.ask("/Sum", "give", Tree(9_000)))) == 9_000


@pytest.mark.parametrize("kind", KINDS)
def test_another_type_for_a_listener_that_stays(start, ini, service, caller, value_of, fill, kind):
    text = ini("other = h:two\n", Sum={"location": service().location})
    text += f"[h:two]\nhandler = redirect\nlocation = {service('sodep', two).location}\n"
    server = start(text)
    one = caller(kind)
    assert value_of(one.ask("/Sum")) == 8
    for _ in range(3):
        server.reload(fill(text.replace("type = calc", "type = other")))
        assert value_of(one.ask("/Sum")) == "two"
        assert value_of(caller(kind).ask("/Sum")) == "two"
        server.reload(fill(text))
        assert value_of(one.ask("/Sum")) == 8


def two(call):
    return Result(Tree("two"))


@pytest.mark.parametrize("kind", KINDS)
def test_another_timeout_for_a_listener_that_stays(
    start, ini, service, caller, value_of, fill, kind
):
    silent = service("sodep", lambda call: None if call.operation == "wait" else Result(Tree(1)))
    text = ini(Sum={"location": silent.location})
    server = start(text)
    one = caller(kind)
    assert value_of(one.ask("/Sum")) == 1
    server.reload(fill(with_options(text, "timeout = 300 ms")))
    began = time.monotonic()
    assert value_of(one.ask("/Sum", "wait")) == ("IOException", "no answer within 0.3 s")
    assert 0.25 < time.monotonic() - began < 30  # it was 60 s before


def test_a_shorter_timeout_holds_although_an_older_call_waits(start, ini, service, fill):
    silent = service("sodep", lambda call: None)
    text = ini(Sum={"location": silent.location})
    server = start(text)
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as sock:
        sock.sendall(message(1, b"/Sum", b"\0\0\0\4wait\0" + bytes(5)))
        while not silent.calls:
            time.sleep(0.005)
        server.reload(fill(with_options(text, "timeout = 300 ms")))
        sock.sendall(message(2, b"/Sum", b"\0\0\0\4wait\0" + bytes(5)))
        [frame] = SodepReader(SodepLimits()).feed(sock.recv(1 << 16))
        assert frame.id == 2 and b"no answer within 0.3 s" in frame.tail
