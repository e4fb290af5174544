"""Couriers in a real server: what they may do to calls of any protocol, and cannot harm."""

import re
import socket
from pathlib import Path

import pytest

from ccproxy.client import Client
from ccproxy.protocols.jolie.sodep import SodepLimits, SodepReader, message
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree

ROOT = Path(__file__).parents[3]
KINDS = ("sodep", "http", "jsonrpc")
PLUGIN = '''
from dataclasses import dataclass

from ccproxy import Courier, Fault, Handler, Result, Tree, kinds, option


class Mess(Courier, Handler):
    """Does what the operation asks for."""

    @dataclass(frozen=True, slots=True)
    class Options:
        name: str = option(kinds.text, default="mess", help="a name")

    def before(self, call):
        doing, _, operation = call.operation.partition("-")
        if doing == "rewrite":
            children = {**call.value.tree().children, "y": [Tree(100)]}
            return call._replace(operation=operation, value=Tree(None, children))
        if doing == "refuse":
            return Fault("AccessDenied", Tree(self.options.name))
        if doing == "answer":
            return Result(Tree("from " + self.options.name))
        if doing == "raise":
            raise LookupError("private")
        if doing == "forget":
            return None
        if doing in ("change", "spoil", "drop"):
            return call._replace(operation=operation, path="/" + doing)
        return call

    def after(self, call, answer):
        if call.path == "/change":
            return Result(Tree(f"{self.options.name}: {answer.value.tree().payload}"))
        if call.path == "/spoil":
            raise LookupError("private")
        return None if call.path == "/drop" else answer
'''


@pytest.fixture
def start_with(start, ini, tmp_path):
    """A server in front of `Sum` with couriers; their sections are the rest of the file."""

    def start_with(location, couriers="h:mess", rest="[h:mess]\nhandler = mess\n", **options):
        plugins = tmp_path / "plugins"
        plugins.mkdir(exist_ok=True)
        (plugins / "mess.py").write_text(PLUGIN, "utf-8")
        text = ini(Sum={"location": location, "couriers": couriers, **options}) + rest
        folders = f"plugins = {plugins}, {ROOT / 'contrib' / 'plugins'}"
        text = text.replace("cc-role = remote", f"cc-role = remote\n{folders}")
        return start(text), text

    return start_with


@pytest.fixture
def seen():
    """The calls the service saw."""
    return []


@pytest.fixture
def add(service, seen):
    """A service that adds x and y."""

    def behave(call: Call) -> Result | Fault:
        seen.append(call)
        children = call.value.tree().children
        if call.operation != "sum":
            return Fault("Unknown", Tree(call.operation))
        return Result(Tree(sum(children[name][0].payload for name in ("x", "y"))))

    return service("sodep", behave).location


EXPECTED = {
    "sum": 8,
    "rewrite-sum": 105,
    "refuse-sum": ("AccessDenied", "mess"),
    "answer-sum": "from mess",
    "change-sum": "mess: 8",
    "raise-sum": ("IOException", "Mess.before failed: LookupError"),
    "spoil-sum": ("IOException", "Mess.after failed: LookupError"),
    "forget-sum": ("IOException", "Mess.before gave no call and no answer"),
    "drop-sum": ("IOException", "Mess.after gave no answer"),
    "other": ("Unknown", "other"),
}
NEVER = ("refuse-sum", "answer-sum", "raise-sum", "forget-sum")
"""Those the service does not see."""


@pytest.mark.parametrize("kind", KINDS)
def test_what_a_courier_may_do_to_calls_of_each_protocol(
    start_with, add, seen, caller, value_of, kind
):
    server, _ = start_with(add)
    server.tracebacks = True
    one = caller(kind)
    for _ in range(3):
        assert {name: value_of(one.ask("/Sum", name)) for name in EXPECTED} == EXPECTED
    assert len(seen) == 3 * (len(EXPECTED) - len(NEVER))
    server.wait_for("handler failed handler=h:mess type=")
    server.wait_for("LookupError: private")
    assert server.count("handler failed") == 1  # the rest is summed


@pytest.mark.parametrize("protocol", ["http", "jsonrpc"])
def test_in_front_of_services_of_other_protocols(start_with, service, caller, value_of, protocol):
    far = service(protocol)
    start_with(far.location, protocol=protocol)
    assert value_of(caller("http").ask("/Sum", "rewrite-sum")) == 105
    assert value_of(caller("sodep").ask("/Sum", "change-sum")) == "mess: 8"
    assert far.calls[-1].path == "/change"


def test_messages_of_cc_pass_them_too(start_with, add):
    server, _ = start_with(add)
    with Client(server.address("PORT1")) as client:
        answer = client.request("calc.Sum.rewrite-sum", {"x": 5, "y": 3})
        assert answer.value["data"] == 105
        answer = client.request("calc.Sum.refuse-sum", {"x": 5, "y": 3})
        assert answer.value["error"]["message"] == "AccessDenied"


def test_several_stand_around_each_other(start_with, add, caller, value_of):
    rest = "[h:a]\nhandler = mess\nname = a\n[h:b]\nhandler = mess\nname = b\n"
    start_with(add, "h:a, h:b", rest)
    one = caller("http")
    assert value_of(one.ask("/Sum", "change-change-sum")) == "a: b: 8"
    assert value_of(one.ask("/Sum", "change-refuse-sum")) == "a: b"


def test_hundreds_of_calls_at_once_are_all_answered(start_with, add, caller, value_of):
    server, _ = start_with(add)
    server.tracebacks = True
    names = [*EXPECTED] * 50
    value = b"\0\0\0\0\2" + b"".join(
        b"\0\0\0\1" + name + b"\0\0\0\1\2\0\0\0" + bytes([number]) + bytes(4)
        for name, number in ((b"x", 5), (b"y", 3))
    )
    with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as sock:
        for id, name in enumerate(names):
            operation = len(name).to_bytes(4, "big") + name.encode()
            sock.sendall(message(id, b"/Sum", operation + b"\0" + value))
        reader, answers = SodepReader(SodepLimits()), []
        while len(answers) < len(names):
            answers += reader.feed(sock.recv(1 << 16))
        assert sorted(one.id for one in answers) == list(range(len(names)))
        faults = {names[one.id] for one in answers if one.fault is not None}
        assert faults == {name for name in EXPECTED if isinstance(EXPECTED[name], tuple)}
    assert value_of(caller("http").ask("/Sum")) == 8


def test_they_see_what_becomes_of_a_dead_service(start_with, caller, value_of, service):
    far = service("sodep")
    location = far.location
    far.close()
    start_with(location)
    said = value_of(caller("http").ask("/Sum", "change-sum"))
    assert "refused" in said.lower() and said.startswith("mess: ")


def test_a_reload_changes_them_under_open_connections(start_with, add, caller, value_of, fill):
    server, text = start_with(add)
    callers = [caller(kind) for kind in KINDS]
    for one in callers:
        assert value_of(one.ask("/Sum", "answer-sum")) == "from mess"
    server.reload(fill(text.replace("handler = mess\n", "handler = mess\nname = other\n")))
    for one in callers:
        assert value_of(one.ask("/Sum", "answer-sum")) == "from other"
    server.reload(fill(text.replace("couriers = h:mess", "")))
    for one in callers:
        assert value_of(one.ask("/Sum", "answer-sum")) == ("Unknown", "answer-sum")
    server.reload(fill(text))
    for one in callers:
        assert value_of(one.ask("/Sum", "answer-sum")) == "from mess"


def test_what_is_no_courier_is_found_before_the_start(start, ini):
    text = ini(Sum={"location": "socket://127.0.0.1:1", "couriers": "h:e"})
    server = start(text + "[h:e]\nhandler = echo\n", ready=False)
    assert server.process.wait(60) == 78
    server.stop()
    assert any("[h:e] is no courier; it lacks a method before" in line for line in server.lines)


def test_the_example_of_contrib(start_with, add, seen, caller, value_of):
    server, _ = start_with(add, "h:guard", "[h:guard]\nhandler = guard\ntoken = right\n")
    for kind in KINDS:
        one = caller(kind)
        assert value_of(one.ask("/Sum"))[0] == "AccessDenied"
        token = Tree(None, {"x": [Tree(1)], "y": [Tree(2)], "token": [Tree("right")]})
        assert value_of(one.ask("/Sum", "sum", token)) == 3
    assert all("token" not in one.value.tree().children for one in seen)
    line = server.wait_for("denied operation='sum' path='/'")
    assert re.search(r"h:guard", line)
    assert not any("right" in line for line in server.lines)
