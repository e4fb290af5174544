"""What callers of JSON-RPC may send, and what each of it is answered: the standard's own examples,
and what it leaves open."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http.messages import HttpLimits
from ccproxy.protocols.jolie.jsonrpc.caller import (
    BATCH,
    INVALID,
    INVALID_REQUESTS,
    UNREADABLE,
    JsonRpcCaller,
    Post,
)
from ccproxy.protocols.jolie.pieces import Pieces, joined
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree

JSON = {"jsonrpc": "2.0"}


def post(body: object, *headers: str, target: str = "/!/Sum") -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    head = [f"POST {target} HTTP/1.1", "Host: h", f"Content-Length: {len(data)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + data


def responses(data: bytes) -> list[tuple[int, object]]:
    """Each response: its status and its body, None without one."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        lines = head.decode().lower().split("\r\n")
        [length] = [int(one[15:]) for one in lines if one.startswith("content-length:")] or [0]
        body, data = data[:length], data[length:]
        found.append((int(lines[0].split()[1]), json.loads(body) if body else None))
    return found


def caller(**limits: int) -> JsonRpcCaller:
    return JsonRpcCaller(HttpLimits(**limits))


def service(call: Call) -> Result | Fault:
    """The service of the standard's examples."""
    params = call.value.tree()
    numbers = [one.payload for one in params.children.get("_", [])]
    if call.operation == "sum":
        return Result(Tree(sum(numbers)))
    if call.operation == "subtract":
        return Result(Tree(numbers[0] - numbers[1]))
    if call.operation == "get_data":
        return Result(Tree(None, {"_": [Tree("hello"), Tree(5)]}))
    return Fault("IOException", Tree(f"Invalid operation: {call.operation}"))


def talk(data: bytes) -> list[tuple[int, object]]:
    """Send all of it; each call is answered at once, each fault as it came."""
    one = caller()
    asked = one.feed(data)
    while asked:
        for token, call in asked:
            one.answer(token, call if isinstance(call, Fault) else service(call))
        asked = one.feed(b"")
    return responses(b"".join(one.take()))


def error(code: int, message: str, id: object = None) -> dict[str, object]:
    return {"error": {"code": code, "message": message}, "id": id, **JSON}


def plain(found: object) -> object:
    """Errors without what is ours to say in them."""
    if isinstance(found, list):
        return [plain(one) for one in found]
    if isinstance(found, dict) and "error" in found:
        kept = {name: found["error"][name] for name in ("code", "message")}
        return {**found, "error": kept}
    return found


UNKNOWN = (-32000, "IOException")
EXAMPLES = {
    "positional": ({**JSON, "method": "subtract", "params": [42, 23], "id": 1},
                   {**JSON, "result": 19, "id": 1}),
    "notification": ({**JSON, "method": "update", "params": [1, 2, 3, 4, 5]}, None),
    "no such method": ({**JSON, "method": "foobar", "id": "1"}, error(*UNKNOWN, "1")),
    "no JSON": (b'{"jsonrpc": "2.0", "method": "foobar, "params": "bar", "baz]',
                error(UNREADABLE, "Parse error")),
    "no request": ({**JSON, "method": 1, "params": "bar"}, error(INVALID, "Invalid Request")),
    "a batch that is no JSON": (b'[{"jsonrpc": "2.0", "method": "sum"},{"jsonrpc": "2.0", "method"',
                                error(UNREADABLE, "Parse error")),
    "an empty array": ([], error(INVALID, "Invalid Request")),
    "an invalid batch": ([1], [error(INVALID, "Invalid Request")]),
    "three times": ([1, 2, 3], [error(INVALID, "Invalid Request")] * 3),
    "as many invalid requests as a batch may have": (
        [1] * INVALID_REQUESTS,
        [error(INVALID, "Invalid Request")] * INVALID_REQUESTS,
    ),
    "a batch with more of them": (
        [{"jsonrpc": "2.0", "method": "m", "id": 1}, *[1] * (INVALID_REQUESTS + 1)],
        error(INVALID, "Invalid Request"),
    ),
    "a batch": (
        [
            {**JSON, "method": "sum", "params": [1, 2, 4], "id": "1"},
            {**JSON, "method": "notify_hello", "params": [7]},
            {**JSON, "method": "subtract", "params": [42, 23], "id": "2"},
            {"foo": "boo"},
            {**JSON, "method": "foo.get", "params": {"name": "myself"}, "id": "5"},
            {**JSON, "method": "get_data", "id": "9"},
        ],
        [
            {**JSON, "result": 7, "id": "1"},
            {**JSON, "result": 19, "id": "2"},
            error(INVALID, "Invalid Request"),
            error(*UNKNOWN, "5"),
            {**JSON, "result": ["hello", 5], "id": "9"},
        ],
    ),
    "all notifications": ([{**JSON, "method": "notify_sum", "params": [1, 2, 4]},
                           {**JSON, "method": "notify_hello", "params": [7]}], None),
}  # fmt: skip


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_of_the_standard(name):
    sent, expected = EXAMPLES[name]
    [(status, body)] = talk(post(sent))
    assert status == (204 if expected is None else 200)
    assert plain(body) == expected


@pytest.mark.parametrize("id", ["abc", 7, 1.5, None])
def test_ids_keep_their_type(id):
    [(_, body)] = talk(post({"method": "sum", "id": id}))
    assert body == {"result": 0, "id": id, **JSON}


def test_a_notification_is_taken_and_responded_to_at_once():
    one = caller()
    notice = post({"method": "note", "params": ["hi"]})
    first, second = one.feed(notice + post({"method": "m", "id": 1}))
    assert first.token is None
    assert first.call.value.tree() == Tree("hi")
    assert responses(b"".join(one.take())) == [(204, None)]
    one.answer(None, Fault("Late", Tree()))
    assert b"".join(one.take()) == b""
    one.answer(second.token, Result(Tree()))
    [(_, body)] = responses(b"".join(one.take()))
    assert body["result"] is None


@pytest.mark.parametrize(
    ("data", "status", "code"),
    [
        (post(b"{"), 200, UNREADABLE),
        (post(b""), 200, UNREADABLE),
        (post(8), 200, INVALID),
        (post({"id": 1}), 200, INVALID),
        (post({"method": "m", "id": {}}), 200, INVALID),
        (post({"method": "m", "id": "\ud800"}), 200, INVALID),
        (post([{}] * (BATCH + 1)), 200, INVALID),
        (post({"method": "m", "id": 1}, target="/!/%FF"), 200, -32000),
        (post({"method": "m", "id": 1}).replace(b"POST", b"GET", 1), 405, INVALID),
        (post(b"x", "Content-Encoding: br"), 200, UNREADABLE),
    ],
)
def test_what_is_no_request_is_answered_and_the_connection_stays(data, status, code):
    first, second = talk(data + post({"method": "sum", "id": 2}))
    assert (first[0], first[1]["error"]["code"]) == (status, code)
    assert isinstance(first[1]["error"]["data"], str)
    assert second == (200, {"result": 0, "id": 2, **JSON})


def test_an_id_that_can_be_read_is_given_back():
    [(_, body)] = talk(post({"id": 7, "method": 1}))
    assert (body["id"], body["error"]["code"]) == (7, INVALID)


def test_garbage_is_answered_and_the_connection_closed():
    one = caller()
    assert one.feed(b"\x00\r\n\r\n") == []
    [(status, body)] = responses(b"".join(one.take()))
    assert (status, body["error"]["code"], body["id"]) == (400, UNREADABLE, None)
    assert one.closing


@pytest.mark.parametrize(
    "data",
    [
        post(b"x" * 101),
        post(gzip.compress(b" " * 101, mtime=0), "Content-Encoding: gzip"),
    ],
)
def test_a_body_too_large_packed_or_unpacked(data):
    one = caller(body=100)
    assert one.feed(data) == []
    assert one.broken and one.too_big and one.closing
    [(status, body)] = responses(b"".join(one.take()))
    assert status == 413
    assert body["error"]["code"] == -32000
    assert "more than 100 bytes" in body["error"]["data"]


def test_who_leaves_in_the_middle_of_a_request_is_told():
    one = caller()
    assert one.feed(post({})[:-1]) == []
    one.drain("over")
    [(status, body)] = responses(b"".join(one.take()))
    assert (status, body["error"]["code"], body["error"]["data"]) == (503, -32000, "over")
    assert one.closing and not one.crowded


def test_an_answer_json_cannot_carry_is_a_fault():
    one = caller()
    [asked] = one.feed(post({"method": "m", "id": 1}))
    one.answer(asked.token, Fault("Own", Tree(float("nan"))))
    [(_, body)] = responses(b"".join(one.take()))
    assert body["error"]["message"] == "IOException"


def test_answers_of_a_batch_come_in_any_order_and_stand_in_that_of_its_requests():
    one = caller()
    batch = [{"method": "m", "id": 1}, {"method": "note"}, {"method": "m", "id": 1}]
    first, note, second = one.feed(post(batch) + post({"method": "next", "id": 3}))
    assert note.token is None
    one.answer(second.token, Result(Tree("second")))
    assert one.feed(b"") == [] and b"".join(one.take()) == b""
    one.answer(first.token, Result(Tree("first")))
    [(status, body)] = responses(b"".join(one.take()))
    assert (status, [found["result"] for found in body]) == (200, ["first", "second"])
    [third] = one.feed(b"")
    assert third.call.operation == "next"


def test_the_answers_of_a_batch_are_bounded_together():
    one = caller(body=300)
    asked = one.feed(post([{"method": "m", "id": id} for id in range(3)]))
    for token, _ in asked:
        one.answer(token, Result(Tree("x" * 100)))
    [(_, body)] = responses(b"".join(one.take()))
    assert [found.get("result") for found in body] == ["x" * 100, "x" * 100, None]
    assert "more than 300 bytes" in body[2]["error"]["data"]


def test_a_batch_on_a_path_that_cannot_be_read():
    [(_, body)] = talk(post([{"method": "sum", "id": 1}, {"method": "n"}], target="/!/%FF"))
    assert [found["error"]["code"] for found in body] == [-32000]


requests = st.fixed_dictionaries(
    {}, optional={"method": st.sampled_from(["sum", "x", 1]), "id": st.integers() | st.text()}
)


@given(st.lists(requests | st.integers(), max_size=8))
def test_every_request_of_a_batch_is_answered_once_if_it_has_an_id(batch):
    [(status, body)] = talk(post(batch))
    if not batch:
        assert body["error"]["code"] == INVALID
        return
    notices = [one for one in batch if isinstance(one, dict) and "id" not in one]
    silent = [one for one in notices if isinstance(one.get("method"), str)]
    due = len(batch) - len(silent)
    assert status == (200 if due else 204)
    assert len(body or []) == due


def test_large_answers_of_a_batch_are_not_joined():
    batch = Post(batch=True)
    tokens = [batch.token(number) for number in (1, 2)]
    part = bytearray(b"x" * (1 << 20))
    batch.put(tokens[1].place, joined((b"<", part)))
    batch.put(tokens[0].place, b"1")
    body = batch.body()
    assert isinstance(body, Pieces) and any(one is part for one in body.parts)
    assert bytes(body) == b"[1,<" + part + b"]"
