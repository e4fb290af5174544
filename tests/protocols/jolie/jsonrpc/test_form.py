import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.json_values import to_tree
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree

VECTORS = Path(__file__).parents[3] / "vectors" / "jolie"


def exchanges(name: str) -> list[tuple[dict, dict]]:
    found = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["steps"]
    found = [one for one in found if one.get("protocol") == "http"]
    return list(zip(found[::2], found[1::2], strict=True))


ALL = exchanges("x_JR") + exchanges("x_JRI") + exchanges("x_rs")


def asked_by(data: bytes):
    caller = JsonRpc().caller()
    (asked,) = caller.feed(data)
    return caller, asked


def post(body: object, *headers: str, target: str = "/!/Sum") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"POST {target} HTTP/1.1", "Host: h", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + data


def response(body: object, status: int = 200) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"HTTP/1.1 {status} X\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def body_of(data: bytes) -> dict:
    return json.loads(data.partition(b"\r\n\r\n")[2])


def unwrapped(params: object) -> object:
    return params[0] if isinstance(params, list) and len(params) == 1 else params


@pytest.mark.parametrize(("request_", "answer"), ALL, ids=lambda one: None)
def test_exchanges_of_the_original(request_, answer):
    sent = json.loads(request_["decoded_body"])
    caller, asked = asked_by(bytes.fromhex(request_["hex"]))
    assert asked.call.operation == sent["method"]
    assert asked.call.path == ("/Sum" if "/!/Sum" in request_["decoded_head"][0] else "/")
    assert asked.call.value.tree() == to_tree(unwrapped(sent.get("params")))
    assert asked.token.id == sent["id"]

    service = JsonRpc().service()
    service.send(JsonRpc().request(asked.call, sent["id"]))
    ((id, found),) = service.feed(bytes.fromhex(answer["hex"]))
    body = json.loads(answer["decoded_body"])
    assert id == sent["id"]
    assert not service.broken
    assert isinstance(found, Fault) == ("error" in body)
    caller.answer(asked.token, found)
    ours = body_of(b"".join(caller.take()))
    assert str(ours.pop("id")) == body.pop("id")
    assert ours == body


def test_a_request_to_a_service_says_what_the_original_says():
    for request, _ in exchanges("x_JR"):
        theirs = json.loads(request["decoded_body"])
        value = to_tree(unwrapped(theirs.get("params")))
        sending = JsonRpc().request(Call("/", theirs["method"], value), theirs["id"])
        ours = json.loads(sending.body)
        if isinstance(ours.get("params"), dict):
            ours["params"] = [ours["params"]]
        assert ours == theirs


@pytest.mark.parametrize("params", [[1, 2], [], [5], [[1]], {"a": [1], "b": {}}, None])
def test_between_two_jsonrpc_ports_params_and_results_keep_their_spelling(params):
    caller, asked = asked_by(post({"method": "m", "id": 1, "params": params}))
    sending = JsonRpc().request(asked.call, 2)
    assert json.loads(sending.body).get("params") == params
    service = JsonRpc().service()
    service.send(sending)
    (answered,) = service.feed(response({"result": [None], "id": 2}))
    assert answered.answer.value.tree() == Tree()
    caller.answer(asked.token, answered.answer)
    assert body_of(b"".join(caller.take()))["result"] == [None]


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (response(b"<html>", 502), "HTTP status 502"),
        (response({}), "neither result nor error"),
        (response([1]), "neither result nor error"),
        (response({"error": 5, "id": 3}), "without message"),
    ],
)
def test_answers_that_are_faults(data, text):
    service = JsonRpc().service()
    service.send(JsonRpc().request(Call("/", "m", Tree()), 3))
    ((_, answer),) = service.feed(data)
    assert answer.name == "IOException"
    assert text in answer.value.tree().payload


def test_an_answer_to_another_request_breaks_the_connection():
    service = JsonRpc().service()
    service.send(JsonRpc().request(Call("/", "m", Tree()), 3))
    assert service.feed(response({"result": 1, "id": 4})) == []
    assert "another request" in service.broken


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_bytes_of_any_kind_never_raise(data):
    service = JsonRpc().service()
    service.send(JsonRpc().request(Call("/", "m", Tree()), 3))
    service.feed(response(data))
    caller = JsonRpc().caller()
    for asked in caller.feed(post(data)):
        caller.answer(asked.token, asked.call if isinstance(asked.call, Fault) else Result(Tree()))
    assert b"".join(caller.take())
