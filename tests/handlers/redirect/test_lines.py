from itertools import count

from ccproxy import LinkOptions
from ccproxy.protocols.jolie.sodep import answer_tail, message
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree
from ccproxy.testing import FakeContext
from ccproxy_handlers.redirect.lines import Lines
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.port import Port
from ccproxy_handlers.redirect.target import Shape, Target


def test_cut_answers_whoever_waits_and_closes_everything():
    ctx, answers = FakeContext(), []
    port = Port(Target(Location("h", 1), "sodep", Shape(mode="pooled", connections=3)), count(1))
    lines = Lines(ctx, port, LinkOptions(), lambda caller, answer: answers.append((caller, answer)))
    for caller in "abc":
        lines.ask(caller, Call("/", "sum", Tree()))
    ctx.wires[0].owner.opened(ctx.wires[0])
    assert len(lines) == 3
    lines.stop()
    lines.cut("The end")
    assert all(wire.closed for wire in ctx.wires)
    assert sorted(caller for caller, _ in answers) == ["a", "b", "c"]
    assert all(isinstance(answer, Fault) for _, answer in answers)
    assert len(lines) == len(port) == 0
    ctx.close()


def test_a_call_is_watched_although_the_idle_end_is_further_away():
    ctx, answers = FakeContext(), []
    target = Target(Location("h", 1), "sodep", Shape(timeout=2.0, idle=60.0))
    port = Port(target, count(1), clock=ctx.now)
    lines = Lines(ctx, port, LinkOptions(), lambda caller, answer: answers.append((caller, answer)))
    lines.ask("a", Call("/", "sum", Tree()))
    [wire] = ctx.wires
    wire.owner.opened(wire)
    wire.owner.received(wire, message(1, b"/", answer_tail("sum", Result(Tree(8)))))
    assert [caller for caller, _ in answers] == ["a"]
    ctx.advance(5.0)  # the timer of the first call is over, the next is the idle end
    lines.ask("b", Call("/", "sum", Tree()))
    ctx.advance(1.9)
    assert len(answers) == 1
    ctx.advance(0.2)
    assert answers[1][0] == "b"
    assert isinstance(answers[1][1], Fault)
    ctx.close()


def test_a_connection_that_breaks_while_nothing_is_called_is_replaced():
    ctx, answers = FakeContext(), []
    port = Port(Target(Location("h", 1)), count(1), clock=ctx.now)
    lines = Lines(ctx, port, LinkOptions(), lambda caller, answer: answers.append((caller, answer)))
    lines.ask("a", Call("/", "sum", Tree()))
    [wire] = ctx.wires
    wire.owner.opened(wire)
    wire.owner.received(wire, message(1, b"/", answer_tail("sum", Result(Tree(8)))))
    wire.owner.closed(wire, "reset")
    assert (len(lines), len(port)) == (0, 0)
    lines.ask("b", Call("/", "sum", Tree()))
    assert len(ctx.wires) == 2
    ctx.close()
