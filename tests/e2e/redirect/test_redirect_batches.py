"""Batches of JSON-RPC through a real server: each request goes its own way, one response comes."""

import json
import socket
import threading
from http.client import HTTPConnection

import pytest

from ccproxy.protocols.jolie.jsonrpc.caller import BATCH
from ccproxy.protocols.jolie.values import Result, Tree


@pytest.fixture
def server(start, ini, service):
    """Services of two protocols, and one that is not there."""
    gate = threading.Event()

    def slow(call):
        gate.wait(60)
        return Result(Tree("slow"))

    places = {"A": service("sodep"), "B": service("http"), "Slow": service("sodep", slow)}
    options = {name: {"location": one.location} for name, one in places.items()}
    options["B"]["protocol"] = "http"
    options["Gone"] = {"location": "socket://127.0.0.1:1"}
    calc = "operations = sum => h:A, mul => h:B, slow => h:Slow, gone => h:Gone"
    server = start(ini(calc=calc, **options))
    server.gate = gate
    server.places = places
    yield server
    gate.set()


@pytest.fixture
def web(server):
    """Post a body to the listener of JSON-RPC: the status and what comes back."""
    connection = HTTPConnection("127.0.0.1", server.ports["PORT4"], timeout=60)

    def web(body, target="/"):
        connection.request("POST", target, json.dumps(body), {"Content-Type": "application/json"})
        response = connection.getresponse()
        text = response.read()
        return response.status, json.loads(text) if text else None

    yield web
    connection.close()


def request(method, id, **params):
    return {"jsonrpc": "2.0", "method": method, "id": id, "params": params}


def test_each_request_goes_its_own_way_and_all_are_answered_together(server, web):
    threading.Timer(0.3, server.gate.set).start()
    status, body = web(
        [
            request("slow", "first"),
            request("sum", 2, x=5, y=3),
            {"jsonrpc": "2.0", "method": "sum", "params": {"x": 1, "y": 1}},
            request("gone", 3),
            request("nope", 4),
            7,
            request("sum", 2, x=1, y=0),
        ]
    )
    assert status == 200
    results = [(one["id"], one.get("result"), one.get("error", {}).get("code")) for one in body]
    assert results == [
        ("first", "slow", None),
        (2, 8, None),
        (3, None, -32000),
        (4, None, -32000),
        (None, None, -32600),
        (2, None, -32000),
    ]
    assert body[5]["error"]["message"] == "DivisionByZero"
    assert web(request("sum", 9, x=1, y=2))[1]["result"] == 3


def test_notifications_alone(server, web, until):
    note = {"jsonrpc": "2.0", "method": "sum", "params": {"x": 1, "y": 1}}
    assert web([note, note]) == (204, None)
    until(lambda: len(server.places["A"].calls) == 2)


def test_none_and_too_many(web):
    for batch in ([], [request("sum", 1)] * (BATCH + 1)):
        status, body = web(batch)
        assert (status, body["id"], body["error"]["code"]) == (200, None, -32600)


def test_as_many_as_there_may_be(server, web):
    status, body = web([request("sum", id, x=id, y=1) for id in range(BATCH)])
    assert status == 200
    assert [one["result"] for one in body] == [id + 1 for id in range(BATCH)]


def test_a_caller_that_leaves_in_the_middle_harms_no_other(server, web):
    body = json.dumps([request("slow", 1), request("sum", 2, x=1, y=1)]).encode()
    with socket.create_connection(("127.0.0.1", server.ports["PORT4"]), 60) as sock:
        head = f"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
        sock.sendall(head.encode() + body)
        while not server.places["Slow"].calls:
            pass
    server.gate.set()
    assert web([request("sum", 1, x=1, y=2)]) == (
        200,
        [{"jsonrpc": "2.0", "id": 1, "result": 3}],
    )


@pytest.mark.parametrize("first", [b"{", b"[1]", b"[]"])
def test_what_is_sent_behind_no_request_is_answered_as_well(server, first):
    parts = [first, json.dumps(request("sum", 1, x=1, y=2)).encode()]
    data = b"".join(
        b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%s" % (len(one), one)
        for one in parts
    )
    with socket.create_connection(("127.0.0.1", server.ports["PORT4"]), 60) as sock:
        sock.sendall(data)
        found = b""
        while b'"result":3' not in found:
            found += sock.recv(1 << 16)
    assert found.count(b"HTTP/1.1 200") == 2
