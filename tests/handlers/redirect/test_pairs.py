"""All nine pairs of protocols, end to end without sockets: caller, redirector, service and back."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.net import work
from ccproxy.net.work import Steps, result
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie.http import bodies
from ccproxy.protocols.jolie.http import sides as http_sides
from ccproxy.protocols.jolie.json_values import from_tree
from ccproxy.protocols.jolie.jsonrpc import caller as jsonrpc_caller
from ccproxy.protocols.jolie.jsonrpc import form as jsonrpc_form
from ccproxy.protocols.jolie.sodep import sides as sodep_sides
from ccproxy.protocols.jolie.values import (
    Answered,
    Asked,
    Call,
    Fault,
    Long,
    Reading,
    Result,
    Tree,
    Unportable,
    Value,
    io_fault,
    walk,
)
from ccproxy_handlers.redirect import faults
from ccproxy_handlers.redirect.actions import Respond
from ccproxy_handlers.redirect.connections import answered
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.output_port import OutputPort
from ccproxy_handlers.redirect.table import RouteTable
from ccproxy_handlers.redirect.target import ServiceTarget

PROTOCOLS = {word: Plugins().protocol(word)(word) for word in ("sodep", "http", "jsonrpc")}

HERE = Location("h", 1)
PAIRS = [(caller, service) for caller in PROTOCOLS for service in PROTOCOLS]
TABLE = RouteTable({"Sum": "sum"})

PAYLOADS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 31), (1 << 31) - 1),
    st.integers(-(1 << 63), (1 << 63) - 1).map(Long),
    st.floats(),
    st.text(max_size=6),
    st.binary(max_size=6),
)
NAMES = st.one_of(st.sampled_from(["a", "b", "$", "_"]), st.text(max_size=3))
TREES = st.recursive(
    st.builds(Tree, PAYLOADS),
    lambda inner: st.builds(Tree, PAYLOADS, st.dictionaries(NAMES, st.lists(inner, max_size=3))),
    max_leaves=8,
)
NULL = Tree(None, {"_": [Tree()]})
"""Jolie's jsonrpc writes void so, see the table in `jolie.form`."""
OPERATIONS = st.one_of(st.just("sum"), st.text(min_size=1, max_size=6))
FAULTS = st.one_of(st.just("DivisionByZero"), st.text(min_size=1, max_size=6))


def shape(tree: Tree, wide: bool) -> list:
    """Every node with its place and payload; `wide` tells a long from an int."""
    found = []
    for place, node in walk(tree):
        payload = node.payload
        if not wide and isinstance(payload, Long):
            payload = int(payload)
        found.append((place, type(payload), repr(payload), sorted(node.children)))
    return sorted(found, key=repr)


def portable(tree: Tree, *forms: str) -> bool:
    if all(form == "sodep" for form in forms):
        return True
    try:
        from_tree(tree)
    except Unportable:
        return False
    return True


def form(protocol: str):
    return ServiceTarget(HERE, PROTOCOLS[protocol]).form()


@contextmanager
def in_steps(every: bool) -> Iterator[None]:
    """Read and convert values of every size as if they were large."""
    with pytest.MonkeyPatch.context() as patch:
        if every:
            patch.setattr(work, "FEW_STEPS", 0)
            for module in (http_sides, sodep_sides, jsonrpc_caller, jsonrpc_form):
                patch.setattr(module, "LARGE", 0)
            # An id and a method of a large request are read only if they are small themselves.
            patch.setattr(bodies, "LARGE", 40)
        yield


def calls(asked: list[Asked]) -> list[Asked]:
    """What was asked, once it is read."""
    return [
        call
        for one in asked
        for call in (result(one.call.steps) if isinstance(one.call, Reading) else [one])
    ]


def answers(found: list[Answered]) -> list[Answered]:
    """What was answered, once it is read."""
    return [
        one._replace(answer=result(one.answer.steps)) if isinstance(one.answer, Reading) else one
        for one in found
    ]


def prepared(value: Value, steps: Steps[Value] | None) -> Value:
    return value if steps is None else result(steps)


class Exchange:
    """One caller, the redirector and one service, connected by bytes."""

    def __init__(self, caller: str, service: str) -> None:
        self.client_form = form(caller)
        self.client = self.client_form.service()
        self.caller_form = form(caller)
        self.caller = self.caller_form.caller()
        target = ServiceTarget(HERE, PROTOCOLS[service])
        self.port = OutputPort(target, count(1))
        self.link = target.form().service()
        self.service = form(service).caller()
        self.token = None
        self.up = False

    def ask(self, call: Call) -> Call | Fault:
        """What the service is asked, or what the caller is answered instead."""
        data = b"".join(self.client.send(self.client_form.request(call, 41)))
        (asked,) = calls(self.caller.feed(data))
        self.asked = asked.token
        if isinstance(asked.call, Fault):
            return self.returned(asked.call)
        found = TABLE.find(asked.call.path, asked.call.operation)
        if isinstance(found, Fault):
            return self.returned(found)
        value = asked.call.value
        try:
            value = prepared(value, self.port.prepare(value))
        except Unportable as reason:
            return self.returned(faults.not_portable("service", str(reason)))
        actions = self.port.ask("me", Call(found.path, asked.call.operation, value), 0)
        if isinstance(actions[0], Respond):
            return self.returned(actions[0].answer)
        (write,) = self.port.opened(1, 0)
        (asked,) = calls(self.service.feed(b"".join(self.link.send(write.request))))
        self.token = asked.token
        return asked.call

    def answer(self, answer: Result | Fault) -> Result | Fault:
        """What the caller gets when the service answers so."""
        self.service.answer(self.token, answer)
        found = answers(self.link.feed(b"".join(self.service.take())))
        (action,) = answered(self.port, 1, self.link, found, 0)
        return self.returned(action.answer)

    def returned(self, answer: Result | Fault) -> Result | Fault:
        try:
            value = prepared(answer.value, self.caller_form.prepare(answer.value))
            answer = answer._replace(value=value)
        except Unportable as reason:
            answer = io_fault(f"caller cannot carry the answer: {reason}")
        self.caller.answer(self.asked, answer)
        ((id, found),) = answers(self.client.feed(b"".join(self.caller.take())))
        assert id == 41
        assert not self.client.broken
        return found


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("caller", "service"), PAIRS)
@given(tree=TREES, operation=OPERATIONS)
@settings(max_examples=40, deadline=None)
def test_a_call_arrives_as_it_was_or_is_answered_with_a_fault(
    caller, service, large, tree, operation
):
    with in_steps(large):
        call_arrives(caller, service, tree, operation)


def call_arrives(caller, service, tree, operation):
    exchange = Exchange(caller, service)
    wide = caller == service == "sodep"
    if not portable(tree, caller):
        with pytest.raises(Unportable):
            exchange.client_form.request(Call("/Sum", operation, tree), 41)
        return
    found = exchange.ask(Call("/Sum", operation, tree))
    if portable(tree, caller, service):
        assert isinstance(found, Call)
        assert (found.path, found.operation) == ("/", operation)
        assert shape(found.value.tree(), wide) == shape(tree, wide)
    else:
        assert found.name == "IOException"
        assert "cannot carry the call" in found.value.tree().payload


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize(("caller", "service"), PAIRS)
@given(tree=TREES, name=st.one_of(st.none(), FAULTS))
@settings(max_examples=40, deadline=None)
def test_an_answer_arrives_as_it_was_or_as_a_fault(caller, service, large, tree, name):
    with in_steps(large):
        answer_arrives(caller, service, tree, name)


def answer_arrives(caller, service, tree, name):
    exchange = Exchange(caller, service)
    exchange.ask(Call("/Sum", "sum", Tree(1)))
    found = exchange.answer(Result(tree) if name is None else Fault(name, tree))
    if name is None and "jsonrpc" in (caller, service) and tree == NULL:
        return
    wide = caller == service == "sodep"
    if portable(tree, caller, service):
        assert isinstance(found, Result) == (name is None)
        assert name is None or found.name == name
        assert shape(found.value.tree(), wide) == shape(tree, wide)
    else:
        assert found.name == "IOException"
        assert "cannot carry the answer" in found.value.tree().payload


@pytest.mark.parametrize("service", PROTOCOLS)
@given(tree=TREES)
@settings(max_examples=60, deadline=None)
def test_cc_messages_are_a_fourth_form(service, tree):
    if not portable(tree, "cc") or tree.children.keys() & cccall.ENVELOPE:
        return
    fields = from_tree(tree)
    if not isinstance(fields, dict):
        fields = {"$": fields}
    if isinstance(fields.get("$"), list):
        return
    value = cccall.value_of({**fields, "req": "calc.Sum.sum", "time": 1.0}, None)
    exchange = Exchange("sodep", service)
    port = exchange.port
    port.ask("cc", Call("/", "sum", value), 0)
    (write,) = port.opened(1, 0)
    (asked,) = exchange.service.feed(b"".join(exchange.link.send(write.request)))
    assert shape(asked.call.value.tree(), False) == shape(tree, False)
    exchange.service.answer(asked.token, Result(tree))
    (action,) = answered(
        port, 1, exchange.link, exchange.link.feed(b"".join(exchange.service.take())), 0
    )
    assert cccall.fields_of(action.answer) == {"data": from_tree(tree)}


@pytest.mark.parametrize("caller", PROTOCOLS)
def test_an_unknown_resource_is_answered_in_the_form_of_the_caller(caller):
    exchange = Exchange(caller, "sodep")
    unknown = "Unknown resource: /Nope; there are Sum"
    for path, text in (("/Nope", unknown), ("/", "Invalid operation: sum")):
        found = exchange.ask(Call(path, "sum", Tree(1)))
        assert found == Fault("IOException", found.value)
        assert found.value.tree() == Tree(text)


FAILURES = {
    "No connection to the service": lambda port: port.tick(31),
    "Connection refused": lambda port: port.refused(1, "Connection refused", 1),
    "No answer from the service": lambda port: [*port.opened(1, 0), *port.tick(31)],
    "Connection reset": lambda port: [
        *port.opened(1, 0),
        *port.lost(1, "Connection reset", 1),
    ],
    "closed by the service": lambda port: [*port.opened(1, 0), *port.lost(1, "", 1)],
    "The redirector stops": lambda port: port.stop(1),
}


@pytest.mark.parametrize("text", FAILURES)
@pytest.mark.parametrize(("caller", "service"), PAIRS)
def test_every_failure_is_answered_in_the_form_of_the_caller(caller, service, text):
    exchange = Exchange(caller, service)
    request = exchange.client_form.request(Call("/Sum", "sum", Tree(1)), 41)
    data = b"".join(exchange.client.send(request))
    ((exchange.asked, call),) = exchange.caller.feed(data)
    exchange.port.ask("me", call._replace(path="/"), 0)
    actions = FAILURES[text](exchange.port)
    (answer,) = [action.answer for action in actions if isinstance(action, Respond)]
    found = exchange.returned(answer)
    assert found.name == "IOException"
    assert text in found.value.tree().payload


@pytest.mark.parametrize(("caller", "service"), PAIRS)
@pytest.mark.parametrize(
    "garbage", [b"\xff" * 64, b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n{"]
)
def test_garbage_from_a_service_is_answered_in_the_form_of_the_caller(caller, service, garbage):
    exchange = Exchange(caller, service)
    exchange.ask(Call("/Sum", "sum", Tree(1)))
    actions = answered(exchange.port, 1, exchange.link, exchange.link.feed(garbage), 0)
    found = exchange.returned(actions[0].answer)
    assert found.name == "IOException"


@pytest.mark.parametrize(("caller", "service"), PAIRS)
def test_many_calls_on_one_connection(caller, service):
    exchange = Exchange(caller, service)
    exchange.ask(Call("/Sum", "sum", Tree(0)))
    for number in range(1, 4):
        assert exchange.answer(Result(Tree(number))).value.tree() == Tree(number)
        request = exchange.client_form.request(Call("/Sum", "sum", Tree(number)), 41)
        (asked,) = exchange.caller.feed(b"".join(exchange.client.send(request)))
        exchange.asked = asked.token
        (write,) = exchange.port.ask("me", asked.call._replace(path="/"), 0)
        (asked,) = exchange.service.feed(b"".join(exchange.link.send(write.request)))
        exchange.token = asked.token


JSON_FORMS = ("http", "jsonrpc")


@pytest.mark.parametrize("caller", JSON_FORMS)
@pytest.mark.parametrize("service", JSON_FORMS)
@pytest.mark.parametrize("text", [b'{"a":[1],"b":{},"c":[]}', b'{"n":36893488147419103232}'])
def test_between_json_protocols_the_json_itself_crosses(caller, service, text):
    exchange = Exchange(caller, service)
    body = (
        text
        if caller == "http"
        else b'{"jsonrpc":"2.0","method":"sum","id":1,"params":' + text + b"}"
    )
    target = b"/!/Sum!/sum" if caller == "http" else b"/!/Sum"
    head = b"POST %s HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % (target, len(body))
    (asked,) = exchange.caller.feed(head + body)
    exchange.port.ask("me", asked.call._replace(path="/"), 0)
    (write,) = exchange.port.opened(1, 0)
    assert text in write.request.body
