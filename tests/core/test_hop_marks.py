"""Messages that bear the mark of this server are dropped, all others pass as ever."""

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.hop_marks import MARK_SIZE, MarkedIngress
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.routes import Routes
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import BLOCKED, COMMAND, MORE
from ccproxy.core.switch import Switch
from ccproxy.core.verdict import Forward
from ccproxy.testing import CODEC
from ccproxy.wire.zmtp.frames import command, pack

MARK = b"M" * MARK_SIZE
OTHER = b"O" * MARK_SIZE
MINE = pack([b"far", MARK + b"12345", b"pub", b"", b"bus", b"body"])
PASSING = pack([OTHER + b"1", b"", b"bus", MARK, b"x" + MARK])


class To:
    name, exclusive = "h:to", False

    def __init__(self, sink):
        self.sink = sink

    def decide(self, type):
        return Forward(self.sink)


def made(limits=None):
    box = Outbox("box", limits or Limits())
    switch = Switch(CODEC, None)
    switch.configure(Routes([("bus", ("h:to",))]), {"h:to": To(box)}, {})
    input = PeerInput(MessageSource(b"me", "peer", "in"), (1000, 20))
    return MarkedIngress(switch, input, MARK), switch.ledger, box


@given(st.lists(st.sampled_from([MINE, PASSING]), max_size=6), st.binary(max_size=1))
def test_only_what_has_passed_here_is_dropped(messages, rest):
    ingress, ledger, box = made()
    data = b"".join(messages)
    assert ingress.feed(data + rest[:1]) == (len(data), MORE, ())
    assert box.waiting == messages.count(PASSING)
    assert ledger.fates["looped"] == messages.count(MINE) and ledger.balance() == 0
    assert sum(ledger.fate_bytes.values()) == ledger.bytes == len(data)


def test_commands_and_full_queues_stop_it_as_ever():
    ingress, _, box = made(Limits(bytes=10, policy="block"))
    assert ingress.feed(MINE + command(b"PING", b"xx")) == (len(MINE), COMMAND, ())
    assert ingress.feed(MINE + PASSING * 2) == (len(MINE + PASSING), BLOCKED, [box])
