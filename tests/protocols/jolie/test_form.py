"""Every protocol of calls gives the same things to listeners and redirects."""

from typing import NamedTuple

import pytest

from ccproxy.protocols.jolie import cc_calls
from ccproxy.protocols.jolie.http import Http
from ccproxy.protocols.jolie.json_values import ARRAY, DEPTH, PAYLOAD, Json
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree, Unportable, Value, io_fault

FORMS = {form.name: form for form in (Sodep, Http, JsonRpc)}


@pytest.fixture(params=FORMS)
def form(request):
    return FORMS[request.param]()


def asked(form, *operations):
    """A caller that made these calls, and what was read of them."""
    caller, found = form.caller(), []
    woken = []
    caller.wake = lambda: woken.append(True)
    for id, operation in enumerate(operations, 1):
        service = form.service()
        found += caller.feed(
            b"".join(service.send(form.request(Call("/Sum", operation, Tree(1)), id)))
        )
    return caller, found, woken


def test_a_call_is_counted_until_it_is_answered_and_its_answer_wakes_the_owner(form):
    caller, [one], woken = asked(form, "sum")
    assert (one.call.path, one.call.operation) == ("/Sum", "sum")
    assert (caller.calls, caller.take(), woken) == (1, [], [])
    caller.answer(one.token, Result(Tree(8)))
    assert (caller.calls, woken) == (0, [True])
    assert caller.take() and not caller.take()


def test_an_answer_comes_back_with_the_id_of_its_request(form):
    service = form.service()
    request = b"".join(service.send(form.request(Call("/Sum", "sum", Tree(5)), 7)))
    caller = form.caller()
    [(token, call)] = caller.feed(request)
    caller.answer(token, Fault("Bad", Tree("no")))
    [(id, answer)] = service.feed(b"".join(caller.take()))
    assert (id, answer.name, answer.value.tree()) == (7, "Bad", Tree("no"))


def test_what_is_too_long_for_connections_to_come(form):
    before = form.caller()
    form.limit(100)
    after = form.caller()
    request = b"".join(form.service().send(form.request(Call("/", "sum", Tree("x" * 200)), 1)))
    assert len(before.feed(request)) == 1
    assert after.feed(request) == []
    assert after.broken and after.too_big


def test_a_caller_that_is_drained_is_closing_after_its_last_answer(form):
    caller, [one], _ = asked(form, "sum")
    caller.drain("over")
    assert not caller.closing
    caller.answer(one.token, Result(Tree(1)))
    assert caller.closing and caller.take()


def test_only_a_form_that_pipelines_has_a_fast_path(form):
    assert (form.upstreams(1.0, lambda: 0.0) is not None) == form.pipelines


def test_abandoning_leaves_the_calls_of_the_slow_path_to_their_listener(form):
    caller, [one], _ = asked(form, "sum")
    form.abandon([caller], io_fault("over"))
    assert caller.calls == 1


class RefusedValue(NamedTuple):
    """A kind of value, an example, and the forms that cannot carry it."""

    what: str
    example: Value
    refused: frozenset[str]


_JSON = frozenset({"http", "jsonrpc", "cc"})
_SODEP = frozenset({"sodep"})
_TEXT = frozenset({"sodep", "http", "jsonrpc"})


def _child(name: str, *vector: Tree) -> Tree:
    return Tree(None, {name: list(vector)})


def _deep() -> list[object]:
    found: list[object] = []
    for _ in range(DEPTH):
        found = [found]
    return found


REFUSED = (
    RefusedValue("raw", Tree(b"\xff"), _JSON),
    RefusedValue("not a number", Tree(float("nan")), _JSON),
    RefusedValue("infinity", Tree(float("-inf")), _JSON),
    RefusedValue("a child named $", _child(PAYLOAD, Tree(1)), _JSON),
    RefusedValue("a child named _ beside a payload", Tree(1, {ARRAY: [Tree(2)]}), _JSON),
    RefusedValue("a child named _ beside others", Tree(None, {ARRAY: [], "a": [Tree(1)]}), _JSON),
    RefusedValue("half of a surrogate pair", Tree("\ud800"), _TEXT),
    RefusedValue("an integer of more than 64 bits", Json(1 << 63), _SODEP),
    RefusedValue("an object or array as payload", Json({PAYLOAD: [1]}), _SODEP),
    RefusedValue("a JSON member named _", Json({ARRAY: 1}), _SODEP),
    RefusedValue("JSON nested deeper than the limit", Json(_deep()), _SODEP),
)
"""Values that are refused when they are to be written. Others are refused already when they are
read, except where they pass untouched: a string outside the charset of its port, a JSON object
with a name twice, a number beyond a double, XML, a CC message with a blob."""


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.what)
def test_a_value_is_refused_by_the_forms_that_cannot_carry_it_and_by_no_other(row, form):
    call = Call("/", "echo", row.example)
    if form.name in row.refused:
        with pytest.raises(Unportable):
            form.request(call, 1)
    else:
        form.request(call, 1)


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row.what)
def test_in_cc_what_cannot_be_carried_is_a_fault(row):
    fields = cc_calls.fields_of(Result(row.example))
    assert ("error" in fields) == ("cc" in row.refused)
