"""A sink that is no outbox: the switch treats it like one, and its outcome may come later."""

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.sinks import TAKEN, Sink
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Forward
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import pack


class Later:
    """Keeps what it is offered until the test says what became of it."""

    name = "later"
    may_block = True
    blocked = False

    def __init__(self):
        self.held = []

    def offer(self, chunk, messages, receipt=None):
        self.held.append((chunk, messages, receipt))
        return messages

    def wait(self, call):
        raise AssertionError("it is never blocked")

    def resolve(self, outcome):
        for _, messages, receipt in self.held:
            if receipt is not None:
                receipt(messages, outcome)


class To:
    name = "h:to"
    exclusive = False

    def __init__(self, sink):
        self.sink = sink

    def decide(self, type):
        return Forward(self.sink)


class Notices:
    def __getattr__(self, name):
        raise AssertionError(name)


def test_a_flow_may_lead_to_any_sink():
    from ccproxy.core.ingress import Ingress
    from ccproxy.core.runs import MessageSource, PeerInput

    sink = Later()
    switch = Switch(CODEC, Notices())
    switch.configure(Routes([("a", ("h:to",))]), {"h:to": To(sink)}, {})
    ingress = Ingress(switch, PeerInput(MessageSource(b"me", "peer", "cc"), (1000, 100)))
    one = pack([b"", b"a", b"body"])
    assert ingress.feed(one * 3)[0] == 3 * len(one)
    assert sink.held == [(pack([b"me", b"", b"a", b"body"]) * 3, 3, None)]
    assert switch.ledger.fates == {"forwarded": 3} and switch.ledger.balance() == 0


def test_the_outcome_comes_when_the_sink_knows_it():
    heard = []
    sink = Later()
    assert isinstance(sink, Sink)
    assert sink.offer(b"x", 2, lambda messages, outcome: heard.append((messages, outcome))) == 2
    assert heard == []
    sink.resolve("safe")
    assert heard == [(2, "safe")]


def test_an_outbox_says_at_once_that_it_took_them_and_no_more():
    heard = []
    box = Outbox("x", Limits(bytes=40))
    assert isinstance(box, Sink) and not box.may_block
    one = pack([b"", b"a"])
    taken = box.offer(one * 20, 20, lambda messages, outcome: heard.append((messages, outcome)))
    assert 0 < taken < 20 and heard == [(taken, TAKEN)]
    assert box.offer(one * 2, 2, lambda *_: heard.append("more")) == 0
    assert len(heard) == 1, "what is not accepted has no receipt"
    assert Outbox("y", Limits(policy="block")).may_block
