"""Whatever a service or a client does: an answer or a clean close, and others are not harmed."""

import socket
import struct
import time

import pytest

from ccproxy.client import Client
from ccproxy.protocols.jolie.sodep import message
from ccproxy.protocols.jolie.values import Call, Result, Tree
from ccproxy.testing import free_ports

KINDS = ("sodep", "http", "jsonrpc", "cc")
VOID = bytes(5)


def read_all(sock):
    """Everything until the far side closes; b"" too when it resets."""
    parts = []
    try:
        while data := sock.recv(1 << 16):
            parts.append(data)
    except ConnectionResetError:
        pass
    return b"".join(parts)


@pytest.fixture
def fault_of(server_of, caller, value_of):
    """The text of the IOException a caller gets, in its protocol; its connection stays usable."""

    def fault_of(kind, path):
        if kind == "cc":
            with Client(server_of[0].address("PORT1")) as client:
                error = client.request(f"calc{path.replace('/', '.')}.sum", {"x": 1}).value["error"]
                assert error["message"] == "IOException"
                return error["data"]
        one = caller(kind)
        name, text = value_of(one.ask(path))
        assert name == "IOException"
        assert value_of(one.ask("/Good")) == 8
        return text

    return fault_of


@pytest.fixture
def server_of():
    """The running server, once there is one."""
    return []


@pytest.fixture
def behind(start, service, ini, server_of):
    """A server in front of `Bad`, which does what it is told, and `Good`."""

    def behind(location="", behave=None, protocol="sodep", **options):
        bad = {"location": location or service(protocol, behave).location, "protocol": protocol}
        server_of.append(start(ini(Bad={**bad, **options}, Good={"location": service().location})))
        return server_of[0]

    return behind


@pytest.mark.parametrize("protocol", ["sodep", "http", "jsonrpc"])
def test_a_service_that_is_not_there(behind, fault_of, protocol):
    [port] = free_ports(1)
    behind(f"socket://127.0.0.1:{port}", protocol=protocol)
    began = time.monotonic()
    for kind in KINDS:
        assert "refused" in fault_of(kind, "/Bad").lower()
        assert "Unknown resource: /Nope" in fault_of(kind, "/Nope")
    assert time.monotonic() - began < 30  # a call may take 60 s


@pytest.mark.parametrize("mode", ["pipelined", "pooled", "single"])
@pytest.mark.parametrize("protocol", ["sodep", "http", "jsonrpc"])
def test_a_service_that_never_answers(behind, fault_of, protocol, mode):
    behind(behave=lambda call: None, protocol=protocol, mode=mode, timeout="300 ms")
    for kind in KINDS:
        began = time.monotonic()
        assert "within 0.3 s" in fault_of(kind, "/Bad")
        assert 0.25 < time.monotonic() - began < 30  # without the option it is 60 s


GARBAGE = {
    "nothing": b"",
    "half an answer": message(1, b"/", b"\0\0\0\3sum\0\1\0\0\0\x40half"),
    "no answer at all": b"HTTP/1.0 200 OK\r\n\r\n",
    "ones": b"\xff" * 100_000,
    "a length of 2^31": bytes(8) + b"\x80\0\0\0",
    "an unknown tag": message(1, b"/", b"\0\0\0\3sum\0\x09"),
}


@pytest.mark.parametrize("what", GARBAGE)
def test_a_service_that_closes_in_the_middle_or_sends_garbage(behind, fault_of, what):
    behind(behave=lambda call: [GARBAGE[what]])
    for kind in KINDS:
        assert fault_of(kind, "/Bad")


@pytest.mark.parametrize("protocol", ["http", "jsonrpc"])
@pytest.mark.parametrize(
    "data",
    [b"", b"HTTP/1.1 200 OK\r\nContent-Le", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
     b"HTTP/1.1 502 Bad\r\nContent-Length: 4\r\n\r\noops", bytes(7) + b"\1", b"nonsense " * 9000],
)  # fmt: skip
def test_http_services_that_break_off(behind, fault_of, protocol, data):
    behind(behave=lambda call: [data], protocol=protocol)
    for kind in KINDS:
        assert fault_of(kind, "/Bad")


def test_a_service_that_answers_twice_or_without_a_call(behind, caller, value_of):
    count = 0

    def behave(call: Call):
        nonlocal count
        count += 1
        right = message(count, b"/", b"\0\0\0\3sum\0\2" + struct.pack(">i", count) + bytes(4))
        stray = message(9999, b"/", b"\0\0\0\3sum\0" + VOID)
        return stray + right + right

    server = behind(behave=behave)
    one, two = caller(), caller()
    for number in range(1, 21, 2):
        assert value_of(one.ask("/Bad")) == number
        assert value_of(two.ask("/Bad")) == number + 1
    assert value_of(one.ask("/Good")) == 8
    assert server.process.poll() is None


def test_a_reset_while_many_wait(start, ini, service, caller, value_of):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        server = start(ini(Bad={"location": place}, Good={"location": service().location}))
        with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as client:
            request = message(7, b"/Bad", b"\0\0\0\3sum\0" + VOID)
            client.sendall(request * 50)
            accepted, _ = listener.accept()
            got = 0
            while got < 50 * (len(request) - 4):
                got += len(accepted.recv(1 << 16))
            accepted.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            accepted.close()
            answers = b""
            while answers.count(b"IOException") < 50:
                answers += client.recv(1 << 16)
        assert value_of(caller().ask("/Good")) == 8


DEEP = message(1, b"/Good", b"\0\0\0\3sum\0" + b"\0\0\0\0\1\0\0\0\1a\0\0\0\1" * 100_000 + VOID)
HOSTILE = {
    "http on a sodep port": ("sodep", b"POST /sum HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    "random bytes": ("sodep", bytes(range(255, 0, -1)) * 100),
    "a length of 2^31 - 1": ("sodep", bytes(8) + b"\x7f\xff\xff\xff"),
    "a length of -1": ("sodep", bytes(8) + b"\xff\xff\xff\xff"),
    "a value of 2^31 - 1": ("sodep", message(1, b"/Good", b"\0\0\0\3sum\0\1\x7f\xff\xff\xff")),
    "2^31 - 1 children": ("sodep", message(1, b"/Good", b"\0\0\0\3sum\0\0\x7f\xff\xff\xff")),
    "nested 100,000 deep": ("sodep", DEEP),
    "sodep on an http port": ("http", message(1, b"/Good", b"\0\0\0\3sum\0" + VOID)),
    "a body of 2^40": ("http", b"POST /!/Good!/sum HTTP/1.1\r\nHost: localhost\r\n"
                               b"Content-Length: 1099511627776\r\n\r\n"),
    "JSON nested 100,000 deep": ("http", b"POST /!/Good!/sum HTTP/1.1\r\nHost: localhost\r\n"
                                         b"Content-Length: 200000\r\nConnection: close\r\n\r\n"
                                         + b"[" * 100_000 + b"]" * 100_000),
    "JSON-RPC nested 100,000 deep": ("jsonrpc", b"POST /!/Good HTTP/1.1\r\nHost: localhost\r\n"
                                                b"Content-Length: 200000\r\nConnection: close\r\n"
                                                b"\r\n" + b"[" * 100_000 + b"]" * 100_000),
}  # fmt: skip


@pytest.mark.parametrize("what", HOSTILE)
def test_a_hostile_client_is_answered_or_closed(start, ini, service, caller, value_of, what):
    kind, data = HOSTILE[what]
    server = start(ini(Good={"location": service().location}))
    other = caller()
    assert value_of(other.ask("/Good")) == 8
    before = server.memory
    port = server.ports[{"sodep": "PORT2", "http": "PORT3", "jsonrpc": "PORT4"}[kind]]
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", port), 60) as sock:
            try:
                sock.sendall(data)
                answer = read_all(sock)
            except (BrokenPipeError, ConnectionResetError):
                answer = b""
            assert not answer or b"error" in answer
        assert value_of(other.ask("/Good")) == 8
    assert server.memory - before < 32 << 20


def test_a_client_that_floods_a_silent_service_takes_bounded_memory(behind, caller, value_of):
    server = behind(behave=lambda call: None, queue="1 MiB", calls="100", timeout="60 s")
    one = message(1, b"/Bad", b"\0\0\0\3sum\0\1\0\0\x20\0" + b"x" * 8192 + bytes(4))
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as sock:
        before = server.memory
        for _ in range(20):
            sock.sendall(one * 200)
        full = b""
        while full.count(b"Too many calls") < 4000 - 100:
            full += sock.recv(1 << 20)
        assert server.memory - before < 24 << 20
        assert value_of(caller().ask("/Good")) == 8
    assert value_of(caller().ask("/Good")) == 8


def test_a_client_that_is_gone_before_its_answer(behind, caller, value_of, until, service):
    seen = []

    def behave(call: Call) -> Result:
        seen.append(call)
        time.sleep(0.2)
        return Result(Tree(1))

    server = behind(behave=behave)
    one = caller()
    one.sock.sendall(message(1, b"/Bad", b"\0\0\0\3sum\0" + VOID))
    until(lambda: seen)
    one.sock.close()
    assert value_of(caller().ask("/Good")) == 8
    assert value_of(caller().ask("/Bad")) == 1
    assert server.process.poll() is None


def ask(word, server, *words):
    """The exit status of a verb, and its output."""
    done = server.verb(word, *words)
    return done.returncode, done.stdout


def test_a_service_that_is_not_there_is_seen_by_the_operator(start, ini):
    [port] = free_ports(1)
    server = start(ini("direct = h:Bad\n", Bad={"location": f"socket://127.0.0.1:{port}"}))
    with Client(server.address("PORT1")) as client:
        for _ in range(4):
            assert "error" in client.request("direct.sum", {"x": 1}).value
    server.wait_for("unanswered handler=h:Bad: Connection refused")
    assert server.count("unanswered handler=h:Bad: ") == 1
    code, said = ask("why", server, "direct.sum")
    assert code == 1 and "h:Bad: 4 calls unanswered, the last " in said
    assert "unanswered=4" in ask("status", server)[1]
