from ccproxy.core.message import Message
from ccproxy.net.work import result
from ccproxy.protocols.jolie.cc_calls import CallCodec
from ccproxy.protocols.jolie.values import Call, Tree, Unportable
from ccproxy.testing import FakeContext
from ccproxy_handlers.redirect.preparing import CallPreparation


class Work(FakeContext):
    """A context whose computations go on when the test says so."""

    def __init__(self):
        super().__init__()
        self.steps = []

    def work(self, steps, size, wanted):
        self.steps.append(steps)


class Target:
    """Connections to a service for which values above 9 have to be converted in two steps."""

    def __init__(self):
        self.port = self.target = self.protocol = self
        self.word = "sodep"
        self.asked = []

    def prepare(self, value):
        return self._steps(value) if value.payload > 9 else None

    def _steps(self, value):
        yield
        if value.payload == 13:
            raise Unportable("thirteen")
        yield
        return Tree(-value.payload)

    def ask(self, message, call):
        self.asked.append(call.value.payload)


def message(origin) -> Message:
    return Message("calc.sum", (b"p", b"1"), (), CallCodec(), "listen:x", origin)


def made():
    ctx, target, faults = Work(), Target(), []
    calls = CallPreparation(ctx, lambda message, answer: faults.append(answer))

    def ask(origin, number):
        calls.ask(message(origin), target, Call("/", "sum", Tree(number)))

    return ctx, target, faults, calls, ask


def test_calls_of_one_caller_keep_their_order_and_others_do_not_wait():
    ctx, target, _, calls, ask = made()
    for number in (1, 10, 2, 11):
        ask("a", number)
    ask("b", 3)
    assert target.asked == [1, 3]
    assert len(calls) == 3
    [steps] = ctx.steps
    result(steps)
    assert target.asked == [1, 3, -10, 2, -11]
    assert len(calls) == 0
    ask("a", 4)
    assert target.asked[-1] == 4
    ctx.close()


def test_what_the_service_cannot_be_told_is_a_fault_and_the_next_call_goes_on():
    ctx, target, faults, _, ask = made()
    ask("a", 13)
    ask("a", 1)
    result(ctx.steps[0])
    assert [one.value.payload for one in faults] == ["sodep cannot carry the call: thirteen"]
    assert target.asked == [1]
    ctx.close()


def test_nothing_is_converted_for_a_caller_that_is_gone(monkeypatch):
    ctx, target, faults, calls, ask = made()
    ask("a", 10)
    ask("a", 11)
    next(ctx.steps[0])
    monkeypatch.setattr("ccproxy_handlers.redirect.preparing.waits", lambda message: False)
    result(ctx.steps[0])
    assert target.asked == faults == []
    assert len(calls) == 0
    ctx.close()
