"""Every caller reaches every service: values, faults, nested resources, the original's bytes."""

import json
import socket
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ccproxy.client import Client
from ccproxy.protocols.jolie.sodep import SodepLimits, SodepReader
from ccproxy.protocols.jolie.values import Call, Result, Tree

VECTORS = Path(__file__).parents[2] / "vectors" / "jolie"
CALLERS = ("sodep", "http", "jsonrpc", "soap")
SERVICES = ("sodep", "http", "jsonrpc", "soap")


@pytest.fixture
def server(start, service, ini):
    """A server in front of one service of each protocol."""
    made = {one: service(one) for one in SERVICES}
    options = {one: {"location": made[one].location, "protocol": one} for one in SERVICES}
    return start(ini(**options))


@pytest.mark.parametrize("kind", CALLERS)
def test_a_caller_of_each_protocol_reaches_services_of_each(server, caller, value_of, kind):
    one = caller(kind)
    for name in SERVICES:
        assert value_of(one.ask(f"/{name}")) == 8
        zero = Tree(None, {"x": [Tree(5)], "y": [Tree(0)]})
        fault = one.ask(f"/{name}", "sum", zero)
        assert value_of(fault) == ("DivisionByZero", "y is zero")
        assert fault.value.tree().children["y"][0].payload == 0
        said = value_of(one.ask(f"/{name}", "other"))
        assert said == ("IOException", "Invalid operation: other")


def test_a_client_of_cc_reaches_services_of_each_protocol(server):
    with Client(server.address("PORT1")) as client:
        for name in SERVICES:
            answer = client.request(f"calc.{name}.sum", {"x": 5, "y": 3})
            assert (answer.type, answer.value["data"]) == (f"reply.calc.{name}.sum", 8)
            fault = client.request(f"calc.{name}.sum", {"x": 5, "y": 0}).value["error"]
            assert fault["message"] == "DivisionByZero"
            assert fault["data"] == {"$": "y is zero", "y": 0}
        blob = client.request("calc.sodep.sum", {"x": 1}, b"blob").value["error"]
        assert "blob" in blob["data"]


def test_what_a_protocol_cannot_carry_is_a_fault_and_never_altered(server, caller, value_of):
    one = caller("sodep")
    name, text = value_of(one.ask("/http", "sum", Tree(None, {"x": [Tree(b"\xff")]})))
    assert name == "IOException"
    assert "http cannot carry the call" in text
    assert value_of(one.ask("/http")) == 8


def test_programs_that_know_nothing_of_jolie(server):
    web = HTTPConnection("127.0.0.1", server.ports["PORT3"], timeout=60)
    body = {"Content-Type": "application/json"}
    for target, headers in (("/!/sodep!/sum", {}), ("/sum", {"X-Jolie-ServicePath": "/sodep"})):
        web.request("POST", target, '{"x": 5, "y": 3}', {**body, **headers})
        response = web.getresponse()
        assert (response.status, json.loads(response.read())) == (200, {"$": 8})
    web.request("POST", "/!/sodep!/sum", '{"x": 5, "y": 0}', body)
    response = web.getresponse()
    error = json.loads(response.read())["error"]
    assert (response.status, error["message"]) == (500, "DivisionByZero")
    web.request("POST", "/!/Nope!/sum", "{}", body)
    response = web.getresponse()
    assert "Unknown resource: /Nope" in response.read().decode()
    assert response.status == 500
    web.close()
    rpc = HTTPConnection("127.0.0.1", server.ports["PORT4"], timeout=60)
    call = {"jsonrpc": "2.0", "id": "a", "method": "sum", "params": {"x": 5, "y": 3}}
    rpc.request("POST", "/!/http", json.dumps(call), body)
    assert json.loads(rpc.getresponse().read()) == {"jsonrpc": "2.0", "id": "a", "result": 8}
    rpc.close()


def test_resources_in_resources_and_operations_by_name(start, service, ini, caller, value_of):
    seen = []

    def behave(call: Call) -> Result:
        seen.append(call.path)
        return Result(Tree(call.path))

    inner = service("sodep", behave)
    text = ini(
        Inner={"location": inner.location},
        Below={"location": f"{inner.location}/!/Deep"},
        calc="operations = sum => h:Inner",
    )
    start(text.replace("redirects = ", "redirects = A/B => h:Inner, "))
    one = caller()
    expected = {
        "/Inner": "/", "/Inner/": "/", "/Inner/A/B": "/A/B", "/Inner/!/A": "/A", "/!/Inner": "/",
        "/Inner//A": "/A", "/Below": "/Deep", "/Below/X": "/Deep/X", "/A/B": "/", "/A/!/B/C": "/C",
        "/": "/",
    }  # fmt: skip
    assert {path: value_of(one.ask(path)) for path in expected} == expected
    assert value_of(one.ask("/", "other")) == ("IOException", "Invalid operation: other")
    for path in ("/A", "/inner", "/Nope/Inner"):
        text = f"Unknown resource: {path}; there are A/B, Inner, Below"
        assert value_of(one.ask(path)) == ("IOException", text)
    # A name that no message type can have.
    assert value_of(one.ask("/In ner"))[0] == "IOException"


def exchanges(file: Path):
    """Pairs of request and response as a real client and a real service wrote them."""
    steps = json.loads(file.read_text("utf-8")).get("steps", ())
    steps = [one for one in steps if one.get("protocol") == "sodep"]
    asked = [one["hex"] for one in steps if one["direction"].startswith("client ->")]
    told = [one["hex"] for one in steps if one["direction"].startswith("service Sum ->")]
    if len(asked) != len(told) or not asked:
        return []
    return [(bytes.fromhex(request), bytes.fromhex(answer))
            for request, answer in zip(asked, told, strict=True)]  # fmt: skip


RECORDED = [
    file
    for file in sorted(VECTORS.glob("*.json"))
    if exchanges(file) and not file.stem.startswith("pipe")
]
"""Without those whose answers come in another order than their requests."""


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.stem)
def test_bytes_of_real_programs_pass_untouched(start, ini, file):
    """Only ids and the path change, whatever charset, child order or faults there are."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        place = f"socket://127.0.0.1:{listener.getsockname()[1]}"
        server = start(ini(Sum={"location": place}))
        with socket.create_connection(("127.0.0.1", server.ports["PORT2"]), 60) as client:
            (first, _), *_ = exchanges(file)
            client.sendall(first)
            with listener.accept()[0] as service:
                service.settimeout(60)
                replay(client, service, exchanges(file))


def replay(client, service, recorded):
    for number, (request, answer) in enumerate(recorded):
        if number:
            client.sendall(request)
        seen, sent = frame(service), cut(request)
        assert (seen.path, seen.tail) == (b"/", sent.tail)
        service.sendall(seen.id.to_bytes(8, "big", signed=True) + answer[8:])
        assert frame(client) == cut(answer)._replace(id=sent.id)


def cut(data: bytes):
    [found] = SodepReader(SodepLimits()).feed(data)
    return found


def frame(sock):
    """The one message that comes."""
    reader = SodepReader(SodepLimits())
    while not (found := reader.feed(sock.recv(65536))):
        assert not reader.broken
    [one] = found
    assert not reader.held
    return one
