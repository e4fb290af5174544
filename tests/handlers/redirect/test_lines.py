from itertools import count

from ccproxy import LinkOptions
from ccproxy.testing import FakeContext
from ccproxy.wire.values import Call, Fault, Tree
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
