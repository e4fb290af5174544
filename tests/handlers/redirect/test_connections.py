from itertools import count

from ccproxy.config.tls import SecureLinkOptions
from ccproxy.net.work import result
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http.exchange import Exchange, PassedRequest
from ccproxy.protocols.jolie.http.passage import MOST_WAITING
from ccproxy.protocols.jolie.sodep import answer_tail, message
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree
from ccproxy.testing import FakeContext
from ccproxy_handlers.redirect.actions import CloseConnection, OpenConnection, Respond
from ccproxy_handlers.redirect.connections import Connections, answered, ended
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.output_port import OutputPort
from ccproxy_handlers.redirect.target import ConnectionLimits, ServiceTarget

PROTOCOLS = {word: Plugins().protocol(word)(word) for word in ("sodep", "http", "jsonrpc")}


def test_cut_answers_whoever_waits_and_closes_everything():
    ctx, answers = FakeContext(), []
    port = OutputPort(
        ServiceTarget(
            Location("h", 1), PROTOCOLS["sodep"], ConnectionLimits(mode="pooled", connections=3)
        ),
        count(1),
    )
    connections = Connections(
        ctx, port, SecureLinkOptions(), lambda caller, answer: answers.append((caller, answer))
    )
    for caller in "abc":
        connections.ask(caller, Call("/", "sum", Tree()))
    ctx.wires[0].owner.opened(ctx.wires[0])
    assert len(connections) == 3
    connections.stop()
    connections.cut("The end")
    assert all(wire.closed for wire in ctx.wires)
    assert sorted(caller for caller, _ in answers) == ["a", "b", "c"]
    assert all(isinstance(answer, Fault) for _, answer in answers)
    assert len(connections) == len(port) == 0
    ctx.close()


def test_a_call_is_watched_although_the_idle_end_is_further_away():
    ctx, answers = FakeContext(), []
    target = ServiceTarget(
        Location("h", 1), PROTOCOLS["sodep"], ConnectionLimits(timeout=2.0, idle=60.0)
    )
    port = OutputPort(target, count(1), clock=ctx.now)
    connections = Connections(
        ctx, port, SecureLinkOptions(), lambda caller, answer: answers.append((caller, answer))
    )
    connections.ask("a", Call("/", "sum", Tree()))
    [wire] = ctx.wires
    wire.owner.opened(wire)
    wire.owner.received(wire, message(1, b"/", answer_tail("sum", Result(Tree(8)))))
    assert [caller for caller, _ in answers] == ["a"]
    ctx.advance(5.0)  # the timer of the first call is over, the next is the idle end
    connections.ask("b", Call("/", "sum", Tree()))
    ctx.advance(1.9)
    assert len(answers) == 1
    ctx.advance(0.2)
    assert answers[1][0] == "b"
    assert isinstance(answers[1][1], Fault)
    ctx.close()


def test_a_connection_that_breaks_while_nothing_is_called_is_replaced():
    ctx, answers = FakeContext(), []
    port = OutputPort(ServiceTarget(Location("h", 1), PROTOCOLS["sodep"]), count(1), clock=ctx.now)
    connections = Connections(
        ctx, port, SecureLinkOptions(), lambda caller, answer: answers.append((caller, answer))
    )
    connections.ask("a", Call("/", "sum", Tree()))
    [wire] = ctx.wires
    wire.owner.opened(wire)
    wire.owner.received(wire, message(1, b"/", answer_tail("sum", Result(Tree(8)))))
    wire.owner.closed(wire, "reset")
    assert (len(connections), len(port)) == (0, 0)
    connections.ask("b", Call("/", "sum", Tree()))
    assert len(ctx.wires) == 2
    ctx.close()


HERE = Location("h", 1)
CALL = Call("/", "sum", Tree())


def running(protocol: str, asks: int = 1):
    """A port with that many calls of which the first is on connection 1."""
    target = ServiceTarget(
        HERE, PROTOCOLS[protocol], ConnectionLimits(mode="pooled", connections=1)
    )
    port = OutputPort(target, count(1))
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
    assert answered(port, 1, side, side.feed(data[:9]), 0) == []
    (action,) = answered(port, 1, side, side.feed(data[9:]), 0)
    assert action.answer.value.tree() == Tree(8)


def test_garbage_is_a_fault_at_once_and_the_next_call_gets_another_connection():
    port, side = running("sodep", asks=2)
    actions = answered(port, 1, side, side.feed(b"HTTP/1.1 200 OK\r\n"), 0)
    assert "cannot be read" in texts(actions)[0]
    assert OpenConnection(2, HERE) in actions


def test_an_answer_in_front_of_garbage_is_given():
    port, side = running("sodep")
    data = message(1, b"/", answer_tail("sum", Result(Tree(8))))
    actions = answered(port, 1, side, side.feed(data + b"\xff" * 20), 0)
    assert actions[0].answer.value.tree() == Tree(8)
    assert actions[1:] == [CloseConnection(1)]


def test_a_service_that_breaks_off_inside_its_answer():
    port, side = running("sodep")
    answered(port, 1, side, side.feed(bytes(10)), 0)
    assert "closed by the service" in texts(ended(port, 1, side, side.eof(), 0))[0]


def test_a_reset_says_so():
    port, side = running("http")
    assert texts(port.lost(1, "Connection reset", 0)) == ["Connection reset"]


def test_a_response_that_ends_with_the_connection():
    port, side = running("http", asks=2)
    assert answered(port, 1, side, side.feed(b"HTTP/1.0 200 OK\r\n\r\n8"), 0) == []
    actions = ended(port, 1, side, side.eof(), 0)
    assert actions[0].answer.value.tree() == Tree(8)
    assert actions[1:] == [CloseConnection(1), OpenConnection(2, HERE)]


def test_no_call_follows_on_a_connection_that_the_service_closes():
    port, side = running("http", asks=2)
    data = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\n8"
    assert answered(port, 1, side, side.feed(data), 0)[1:] == [
        CloseConnection(1),
        OpenConnection(2, HERE),
    ]


class Work(FakeContext):
    """A context whose computations go on when the test says so."""

    def __init__(self):
        super().__init__()
        self.works = []

    def work(self, steps, size, wanted):
        self.works.append((steps, wanted))


def large_answer(head: bytes = b"Content-Length: %d\r\n") -> bytes:
    body = b"[" + b"1," * 100_000 + b"1]"
    head = head % len(body) if b"%" in head else head
    return b"HTTP/1.1 200 OK\r\n" + head + b"\r\n" + body


def asked(ctx: FakeContext):
    """Connections to an http service that was asked something, its wire, and the answers."""
    answers = []
    port = OutputPort(ServiceTarget(Location("h", 1), PROTOCOLS["http"]), count(1))
    connections = Connections(
        ctx, port, SecureLinkOptions(), lambda caller, answer: answers.append(answer)
    )
    connections.ask("a", Call("/", "sum", Tree()))
    [wire] = ctx.wires
    wire.owner.opened(wire)
    return connections, wire, answers


def payloads(answer) -> int:
    return len(answer.value.parsed())


def test_a_large_answer_is_read_in_steps_whatever_happens_to_the_connection():
    ends = {
        "nothing": lambda wire: None,
        "closed": lambda wire: wire.owner.received(wire, b""),
        "reset": lambda wire: wire.owner.closed(wire, "Connection reset"),
        "both": lambda wire: (wire.owner.received(wire, b""), wire.owner.closed(wire, "closed")),
        "garbage": lambda wire: wire.owner.received(wire, b"garbage"),
    }
    for name, end in ends.items():
        ctx = Work()
        connections, wire, answers = asked(ctx)
        wire.owner.received(wire, large_answer())
        end(wire)
        [(steps, wanted)] = ctx.works
        assert wanted() and answers == [], name
        result(steps)
        assert [payloads(one) for one in answers] == [100_001], name
        assert len(connections) == (name == "nothing"), name
        ctx.close()


def test_a_large_answer_that_ends_with_the_connection():
    ctx = Work()
    connections, wire, answers = asked(ctx)
    wire.owner.received(wire, large_answer(b""))
    assert ctx.works == []
    wire.owner.received(wire, b"")
    wire.owner.closed(wire, "closed")
    result(ctx.works[0][0])
    assert [payloads(one) for one in answers] == [100_001]
    assert len(connections) == 0
    ctx.close()


def test_an_answer_that_comes_too_late_is_read_no_further():
    ctx = Work()
    _, wire, answers = asked(ctx)
    wire.owner.received(wire, large_answer())
    ctx.advance(31)
    assert "No answer from the service" in answers[0].value.tree().payload
    [(_, wanted)] = ctx.works
    assert wire.closed and not wanted()
    ctx.close()


def test_a_service_that_is_not_there_is_reported_and_a_caller_that_leaves_is_not():
    ctx, answers = FakeContext(), []
    port = OutputPort(ServiceTarget(Location("h", 1), PROTOCOLS["sodep"]), count(1), clock=ctx.now)
    connections = Connections(
        ctx, port, SecureLinkOptions(), lambda caller, answer: answers.append((caller, answer))
    )
    connections.ask("a", Call("/", "sum", Tree()))
    [wire] = ctx.wires
    wire.owner.closed(wire, "Connection refused")
    assert [caller for caller, _ in answers] == ["a"]
    assert ctx.failures == ["Connection refused"]
    connections.ask("b", Call("/", "sum", Tree()))
    wire = ctx.wires[-1]
    wire.owner.opened(wire)
    wire.owner.abandon()
    assert len(answers) == 2 and len(ctx.failures) == 1
    ctx.close()


class Caller:
    """A caller of a request that is passed; it has room as long as a test says so."""

    gone = False
    room = True

    def attached(self):
        pass

    def respond(self, head):
        pass

    def data(self, data):
        return self.room

    def pause(self):
        pass

    def resume(self):
        pass


def passed(ctx: FakeContext):
    """A request that is passed and has waited for 1.9 of 2 seconds; what was answered."""
    answers = []
    target = ServiceTarget(Location("h", 1), PROTOCOLS["http"], ConnectionLimits(timeout=2.0))
    port = OutputPort(target, count(1), clock=ctx.now)
    connections = Connections(ctx, port, SecureLinkOptions(), lambda _, one: answers.append(one))
    headers = (b"Host", b"h"), (b"Content-Length", b"999999")
    exchange = Exchange(PassedRequest(b"PUT", b"/a", headers, b"h"), Caller())
    connections.ask("a", Call("/", "a", exchange))
    [wire] = ctx.wires
    wire.owner.opened(wire)
    ctx.advance(1.9)
    return wire, exchange, answers


def late(ctx: FakeContext, answers) -> bool:
    """True if a service is silent after its two seconds, and not before."""
    ctx.advance(1.9)
    early = bool(answers)
    ctx.advance(0.2)
    [fault] = answers
    return not early and "within 2 s" in fault.value.tree().payload


def test_a_service_is_not_late_while_its_caller_has_no_room():
    ctx = FakeContext()
    wire, exchange, answers = passed(ctx)
    exchange.caller.room = False
    wire.owner.received(wire, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nab")
    ctx.advance(100.0)
    assert not answers and wire.paused
    exchange.service.resume()
    assert not wire.paused and late(ctx, answers)
    ctx.close()


def test_a_service_that_reads_a_body_slowly_has_its_time_again():
    ctx = FakeContext()
    wire, exchange, answers = passed(ctx)
    wire.waiting = MOST_WAITING + 1
    exchange.service.data(b"ab")
    ctx.advance(1.9)
    wire.when.pop()()
    assert len(wire.when) == 1 and late(ctx, answers)
    ctx.close()
