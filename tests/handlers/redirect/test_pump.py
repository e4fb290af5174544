from itertools import count

from ccproxy.protocols.jolie.sodep import answer_tail, message
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree
from ccproxy_handlers.redirect import pump
from ccproxy_handlers.redirect.actions import Close, Open, Respond
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.port import Port
from ccproxy_handlers.redirect.target import Shape, Target

HERE = Location("h", 1)
CALL = Call("/", "sum", Tree())


def running(protocol: str, asks: int = 1):
    """A port with that many calls of which the first is on connection 1."""
    target = Target(HERE, protocol, Shape(mode="pooled", connections=1))
    port = Port(target, count(1))
    side = target.form().service()
    for number in range(asks):
        port.ask(number, CALL, 0)
    (write,) = port.opened(1, 0)
    side.send(write.request)
    return port, side


def texts(actions) -> list[str]:
    return [
        one.answer.value.tree().payload
        for one in actions
        if isinstance(one, Respond) and isinstance(one.answer, Fault)
    ]


def test_an_answer_in_pieces():
    port, side = running("sodep")
    data = message(1, b"/", answer_tail("sum", Result(Tree(8))))
    assert pump.told(port, 1, side, side.feed(data[:9]), 0) == []
    (action,) = pump.told(port, 1, side, side.feed(data[9:]), 0)
    assert action.answer.value.tree() == Tree(8)


def test_garbage_is_a_fault_at_once_and_the_next_call_gets_another_connection():
    port, side = running("sodep", asks=2)
    actions = pump.told(port, 1, side, side.feed(b"HTTP/1.1 200 OK\r\n"), 0)
    assert "cannot be read" in texts(actions)[0]
    assert Open(2, HERE) in actions


def test_an_answer_in_front_of_garbage_is_given():
    port, side = running("sodep")
    data = message(1, b"/", answer_tail("sum", Result(Tree(8))))
    actions = pump.told(port, 1, side, side.feed(data + b"\xff" * 20), 0)
    assert actions[0].answer.value.tree() == Tree(8)
    assert actions[1:] == [Close(1)]


def test_a_service_that_breaks_off_inside_its_answer():
    port, side = running("sodep")
    pump.told(port, 1, side, side.feed(bytes(10)), 0)
    assert "closed by the service" in texts(pump.ended(port, 1, side, "", 0))[0]


def test_a_reset_says_so():
    port, side = running("http")
    assert texts(pump.ended(port, 1, side, "Connection reset", 0)) == ["Connection reset"]


def test_a_response_that_ends_with_the_connection():
    port, side = running("http", asks=2)
    assert pump.told(port, 1, side, side.feed(b"HTTP/1.0 200 OK\r\n\r\n8"), 0) == []
    actions = pump.ended(port, 1, side, "", 0)
    assert actions[0].answer.value.tree() == Tree(8)
    assert actions[1:] == [Close(1), Open(2, HERE)]


def test_no_call_follows_on_a_connection_that_the_service_closes():
    port, side = running("http", asks=2)
    data = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n8"
    assert pump.told(port, 1, side, side.feed(data), 0)[1:] == [Close(1), Open(2, HERE)]
