from itertools import count
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy import Courier
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import Answered, Call, Fault, Result, Tree
from ccproxy_handlers.redirect.actions import CloseConnection, OpenConnection, Respond, WriteRequest
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.output_port import OutputPort
from ccproxy_handlers.redirect.target import ConnectionLimits, ServiceTarget

PROTOCOLS = {word: Plugins().protocol(word)(word) for word in ("sodep", "http", "jsonrpc")}

A, B, C = (ServiceTarget(Location("h", port), PROTOCOLS["sodep"]) for port in (8001, 8002, 8003))
CALL = Call("/", "sum", Tree())


def port(target: ServiceTarget = A, couriers: tuple[Courier, ...] = ()) -> OutputPort:
    return OutputPort(target, count(1), couriers)


def ok(id: int, value: object = None) -> list[Answered]:
    return [Answered(id, Result(Tree(value)))]


def test_calls_sent_finish_at_the_old_target_and_new_ones_go_to_the_new():
    one = port()
    assert one.ask("a", CALL, 0) == [OpenConnection(1, A.location)]
    one.opened(1, 0)
    assert one.relocate(B, 1) == []
    assert one.draining == 1
    assert one.ask("b", CALL, 1) == [OpenConnection(2, B.location)]
    (write,) = one.opened(2, 1)
    assert write.connection == 2
    assert one.answered(2, ok(1, 2000), 2) == [Respond("b", Result(Tree(2000)))]
    assert one.answered(1, ok(1, 1000), 2) == [Respond("a", Result(Tree(1000))), CloseConnection(1)]
    assert one.draining == 0


def test_a_renewed_port_has_the_same_target_and_another_fast_path():
    one = OutputPort(A, count(1), (), lambda: 0.0)
    one.ask("a", CALL, 0)
    one.opened(1, 0)
    before = one.upstreams
    assert one.renew(1) == []
    assert (one.target, one.draining) == (A, 1)
    assert one.upstreams is not before
    assert one.answered(1, ok(1), 2) == [Respond("a", Result(Tree())), CloseConnection(1)]
    assert one.draining == 0
    one.stop(3)
    assert one.renew(4) == []


def test_calls_not_sent_yet_move_with_the_port_and_keep_their_deadline():
    one = port()
    one.ask("a", CALL, 0)
    assert one.relocate(B, 20) == [CloseConnection(1), OpenConnection(2, B.location)]
    assert one.draining == 0
    assert one.deadline() == A.limits.timeout
    (write,) = one.opened(2, 21)
    assert write.connection == 2
    assert one.opened(1, 21) == []
    assert one.refused(1, "late", 21) == []
    assert one.answered(2, ok(1), 22) == [Respond("a", Result(Tree()))]


def test_relocation_to_another_protocol_encodes_anew():
    one = port()
    one.ask("a", CALL, 0)
    one.relocate(ServiceTarget(B.location, PROTOCOLS["http"]), 0)
    (write,) = one.opened(2, 0)
    assert write.request.target == "/sum"


def test_relocation_to_the_same_place_is_nothing():
    one = port()
    one.ask("a", CALL, 0)
    one.opened(1, 0)
    one.answered(1, ok(1), 0)
    assert one.relocate(ServiceTarget(Location("h", 8001), PROTOCOLS["sodep"]), 1) == []
    assert one.relocate(B, 1) == [CloseConnection(1)]
    assert one.target == B


def test_an_old_target_that_never_answers_is_given_up_at_the_timeout():
    one = port()
    one.ask("a", CALL, 0)
    one.opened(1, 0)
    one.relocate(B, 1)
    actions = one.tick(A.limits.timeout)
    assert actions[0].caller == "a"
    assert actions[1:] == [CloseConnection(1)]
    assert one.draining == 0


def test_a_port_that_stops_answers_everybody():
    one = port()
    one.ask("sent", CALL, 0)
    one.opened(1, 0)
    one.relocate(B, 1)
    one.ask("waiting", CALL, 1)
    actions = one.stop(2)
    assert CloseConnection(2) in actions
    assert [action.caller for action in actions if isinstance(action, Respond)] == ["waiting"]
    assert isinstance(one.ask("late", CALL, 2)[0].answer, Fault)
    assert one.relocate(C, 2) == []
    assert one.answered(1, ok(1), 3)[0] == Respond("sent", Result(Tree()))
    assert len(one) == 0


class Adds(Courier):
    def before(self, call):
        if call.operation == "denied":
            return Fault("Denied", Tree())
        return call._replace(operation="add")

    def after(self, call, answer):
        return Result(Tree("Fault" if isinstance(answer, Fault) else "Result"))


def test_couriers_see_the_call_and_its_answer_wherever_it_ends():
    one = port(couriers=(Adds(),))
    assert one.ask("d", CALL._replace(operation="denied"), 0) == [
        Respond("d", Fault("Denied", Tree()))
    ]
    one.ask("a", CALL, 0)
    (write,) = one.opened(1, 0)
    assert Sodep().caller().feed(write.request)[0].call.operation == "add"
    assert one.answered(1, ok(1), 1) == [Respond("a", Result(Tree("Result")))]
    one.ask("b", CALL, 1)
    assert one.lost(1, "gone", 1) == [Respond("b", Result(Tree("Fault")))]
    one.ask("c", CALL, 1)
    one.relocate(B, 1)
    assert one.refused(3, "no", 2) == [Respond("c", Result(Tree("Fault")))]


class World:
    """Sockets and services as a random machine; it records which caller got which answer."""

    def __init__(self, seed: int, mode: str) -> None:
        self.random = Random(seed)
        shape = ConnectionLimits(mode, self.random.randint(1, 3), timeout=10.0, idle=4.0, calls=20)
        self.targets = [
            ServiceTarget(Location("h", number), PROTOCOLS["sodep"], shape) for number in (1, 2, 3)
        ]
        self.port = OutputPort(self.targets[0], count(1))
        self.now = 0.0
        self.asked = 0
        self.opening: dict[int, Location] = {}
        self.up: dict[int, Location] = {}
        self.sent: dict[int, dict[int, str]] = {}
        self.got: dict[str, object] = {}
        self.where: dict[str, Location] = {}

    def act(self, actions) -> None:
        for action in actions:
            if isinstance(action, OpenConnection):
                self.opening[action.connection] = action.location
            elif isinstance(action, CloseConnection):
                self.drop(action.connection)
            elif isinstance(action, WriteRequest):
                self.write(action)
            else:
                assert action.caller not in self.got, "answered twice"
                self.got[action.caller] = action.answer

    def write(self, action: WriteRequest) -> None:
        (asked,) = Sodep().caller().feed(action.request)
        caller = asked.call.value.tree().payload
        assert caller not in self.where, "sent twice"
        self.where[caller] = self.up[action.connection]
        self.sent[action.connection][asked.token.id] = caller

    def drop(self, connection: int) -> None:
        assert (connection in self.opening) != (connection in self.up), "closed twice"
        self.opening.pop(connection, None)
        self.up.pop(connection, None)
        self.sent.pop(connection, None)

    def step(self) -> None:
        name = self.random.choice(
            ["ask", "ask", "open", "open", "answer", "answer", "answer", "refuse", "lose", "stray"]
            + ["tick", "relocate", "ending"]
        )
        getattr(self, name)()

    def ask(self) -> None:
        self.asked += 1
        caller = f"caller {self.asked}"
        self.act(self.port.ask(caller, Call("/", "sum", Tree(caller)), self.now))

    def open(self) -> None:
        if self.opening:
            connection = self.random.choice(list(self.opening))
            self.up[connection] = self.opening.pop(connection)
            self.sent[connection] = {}
            self.act(self.port.opened(connection, self.now))

    def refuse(self) -> None:
        if self.opening:
            connection = self.random.choice(list(self.opening))
            del self.opening[connection]
            self.act(self.port.refused(connection, "refused", self.now))

    def answer(self) -> None:
        busy = [number for number, sent in self.sent.items() if sent]
        if busy:
            connection = self.random.choice(busy)
            id = self.random.choice(list(self.sent[connection]))
            caller = self.sent[connection].pop(id)
            late = caller in self.got
            answer = Result(Tree(caller))
            self.act(self.port.answered(connection, [Answered(id, answer)], self.now))
            assert late or self.got[caller] == answer

    def stray(self) -> None:
        for connection in list(self.up):
            self.act(self.port.answered(connection, ok(self.random.choice([-1, 10_000])), self.now))

    def lose(self) -> None:
        if self.up:
            connection = self.random.choice(list(self.up))
            self.drop(connection)
            self.act(self.port.lost(connection, "reset", self.now))

    def ending(self) -> None:
        if self.up:
            self.port.ending(self.random.choice(list(self.up)))

    def tick(self) -> None:
        self.now += self.random.choice([0.5, 3.0, 11.0])
        self.act(self.port.tick(self.now))

    def relocate(self) -> None:
        self.act(self.port.relocate(self.random.choice(self.targets), self.now))


@given(st.integers(0, 1 << 30), st.sampled_from(["pipelined", "pooled", "single"]))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_every_call_gets_one_answer_and_its_own(seed, mode):
    world = World(seed, mode)
    for _ in range(150):
        world.step()
    world.now += 100
    world.act(world.port.tick(world.now))
    assert len(world.got) == world.asked
    assert len(world.port) == 0
    for caller, answer in world.got.items():
        assert isinstance(answer, Fault) or answer.value == Tree(caller)
    world.act(world.port.stop(world.now))
    assert not world.up
    assert not world.opening


@pytest.mark.parametrize("mode", ["pipelined", "pooled", "single"])
def test_relocations_while_calls_run(mode):
    world = World(1, mode)
    for turn in range(1_000):
        world.ask()
        world.open()
        world.act(world.port.relocate(world.targets[turn % 2], world.now))
        if turn % 3:
            world.answer()
        world.now += 0.001
    while world.opening or any(world.sent.values()):
        world.open()
        world.answer()
    faults = [one for one in world.got.values() if isinstance(one, Fault)]
    assert len(world.got) == world.asked
    assert world.port.draining == 0
    assert all("Too many calls" in one.value.payload for one in faults)
