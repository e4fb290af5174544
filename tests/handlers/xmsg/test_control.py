"""The control channel: who is answered, what is counted, and that a flood is answered in steps."""

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.switch import Switch
from ccproxy.testing import CODEC, FakeContext
from ccproxy.wire.zmtp.frames import frame, pack
from ccproxy_handlers.xmsg import control
from ccproxy_handlers.xmsg.control import ControlChannel


@pytest.fixture
def ctx():
    made = FakeContext()
    yield made
    made.close()


@pytest.fixture
def made(ctx):
    one = ControlChannel(
        "h:dpe", ctx, lambda topic, request: one.confirmed.append((topic, request))
    )
    one.confirmed = []
    return one


def join(made, name, identity):
    box = Outbox(f"client {identity}", Limits())
    source = MessageSource(identity, "peer", "h:dpe", name, box=box)
    return box, made.role().ingress(Switch(CODEC, None), PeerInput(source, (99, 9)))


def ask(ctx, made, *frames):
    request = pack([b"xmsg:control", *frames])
    made.box.offer(request, 1)
    ctx.advance(0)
    return request


def said(box):
    chunk = b"".join(box.peek(99))
    box.clear("read")
    return chunk


def test_a_handshake_is_answered_each_time_to_the_client_that_it_names(ctx, made):
    one, other = join(made, b"1", b"a")[0], join(made, b"2", b"b")[0]
    for word in (b"pub", b"rep", b"pub"):
        ask(ctx, made, word, b"1")
        assert said(one) == frame(word)
    assert not other.waiting and made.answered == 3


def test_a_check_of_a_subscription_is_confirmed(ctx, made):
    request = ask(ctx, made, b"sub", b"A:B")
    assert made.confirmed == [(b"A:B", request)]


@pytest.mark.parametrize(
    ("frames", "counter"),
    [
        ([], "malformed"), ([b"pub"], "malformed"), ([b"pub", b"1", b""], "malformed"),
        ([b"zzz", b"1"], "unknown"), ([b"pub", b""], "no-client"), ([b"pub", b"9"], "no-client"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_counted(ctx, made, frames, counter):
    box, _ = join(made, b"1", b"a")
    ask(ctx, made, *frames)
    assert ctx.counters == {f"control.{counter}": 1}
    assert not box.waiting and not made.confirmed


def test_a_client_that_leaves_late_takes_nobody_along(ctx, made):
    old, _ = join(made, b"1", b"a")
    new, _ = join(made, b"1", b"b")
    made.role().left(b"a", old)
    ask(ctx, made, b"pub", b"1")
    assert said(new) == frame(b"pub") and made.status()["clients"] == 1
    made.role().left(b"b", new)
    made.role().left(b"b", new)
    assert made.status()["clients"] == 0


def test_what_clients_send_to_the_control_port_is_discarded(made):
    switch = Switch(CODEC, None)
    source = MessageSource(b"a", "peer", "h:dpe", b"1")
    ingress = made.role().ingress(switch, PeerInput(source, (99, 9)))
    assert ingress.feed(pack([b"x", b"y"]) * 2 + b"\1")[0] == 12
    assert switch.ledger.fates == {"discarded": 2} and switch.ledger.balance() == 0


def test_a_flood_is_answered_in_steps_and_bounded(ctx, made, monkeypatch):
    monkeypatch.setattr(control, "STEP", 0.0)
    join(made, b"1", b"a")
    flood = pack([b"xmsg:control", b"pub", b"1"])
    made.box.offer(flood * 20_000, 20_000)
    assert made.status()["dropped"] == 10_000
    answered = []
    later = ctx.call_later
    ctx.call_later = lambda seconds, call: (answered.append(made.answered), later(seconds, call))
    ctx.advance(0)
    assert made.answered == 10_000
    assert answered == list(range(control.PART, 10_001, control.PART))
