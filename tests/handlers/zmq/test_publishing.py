"""The publishing socket: subscriptions of every form, limits, and peers that leave."""

import pytest

from ccproxy.core.ledger import Ledger
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.rights import PeerAccess, Rights
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.stops import COMMAND, MORE, TIRED
from ccproxy.testing import options_for, run_handler
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.frames import command, pack
from ccproxy_handlers.zmq import publishing
from ccproxy_handlers.zmq.handler import Zmq
from ccproxy_handlers.zmq.publishing import PublishingSocket


class FakeSwitch:
    def __init__(self):
        self.ledger = Ledger()


class FakeContext:
    def __init__(self):
        self.later = []
        self.counted = []

    def count(self, name):
        self.counted.append(name)

    def call_later(self, seconds, call):
        self.later.append(call)

    def now(self):
        return 0.0

    def work(self, steps, size, wanted):
        self.steps = [one for one in steps if wanted()]


@pytest.fixture
def socket():
    options = options_for(Zmq, "socket = xpub\nbind = tcp://*:1\nmax-subscriptions = 3")
    return PublishingSocket("h:out", options, FakeContext())


def join(socket, identity=b"1", version=(3, 1), tired=bool):
    box = Outbox("peer", Limits())
    socket.joined(identity, box)
    source = MessageSource(identity, "peer", "h:out", version=version)
    return socket.ingress(FakeSwitch(), PeerInput(source, (1000, 9), tired)), box


def prefixes(socket):
    return set(socket.sink.subscriptions.prefixes)


def test_messages_and_commands_subscribe(socket):
    ingress, _ = join(socket)
    data = pack([b"\1a"]) + pack([b"\1b"]) + pack([b"\0a"]) + pack([b"\0never"])
    assert ingress.feed(data + b"\0") == (len(data), MORE, ())
    assert prefixes(socket) == {b"b"}
    assert ingress.feed(command(b"SUBSCRIBE", b"c")) == (0, COMMAND, ())
    ingress.change(True, b"c")
    ingress.change(True, b"c")
    ingress.change(False, b"b")
    assert prefixes(socket) == {b"c"}
    assert socket.status() == {"subscribers": 1, "subscriptions": 1, "unsubscribed": 0}


def test_a_peer_subscribes_to_what_its_section_allows(socket):
    access = PeerAccess({}, bool, Rights("sub", subscribe=("a.", "b")))
    socket.joined(b"1", Outbox("peer", Limits()))
    source = MessageSource(b"1", "sub@peer", "h:out", access=access)
    ingress = socket.ingress(FakeSwitch(), PeerInput(source, (1000, 9)))
    for prefix in (b"a.x", b"a", b"", b"b", b"c"):
        ingress.change(True, prefix)
    ingress.feed(pack([b"\1d"]))
    assert prefixes(socket) == {b"a.x", b"b"}
    assert socket.ctx.counted == 4 * ["subscriptions.refused"]
    access.become(PeerAccess({}, bool))
    ingress.change(True, b"a")
    assert b"a" in prefixes(socket)


def test_a_peer_loses_what_a_reload_does_not_allow_any_more(socket, monkeypatch):
    monkeypatch.setattr(publishing, "PART", 2)
    ingress, _ = join(socket)
    ingress.access = access = PeerAccess({}, len, Rights("", None, ("a", "b")))
    access.changed = ingress.rights_changed
    ingress.feed(pack([b"\1a"]) + pack([b"\1b"]) + pack([b"\1bb"]))
    access.become(PeerAccess({}, len, Rights("", (), ("a", "b"))))
    assert prefixes(socket) == {b"a", b"b", b"bb"} and len(socket.ctx.steps) == 1
    socket.ctx.counted.clear()
    access.become(PeerAccess({}, len, Rights("", None, ("a", "bb"))))
    assert prefixes(socket) == {b"a", b"bb"}
    assert socket.ctx.counted == ["subscriptions.refused"]


def test_a_peer_of_zmtp_1_gets_everything(socket):
    join(socket, version=(1, 0))
    assert prefixes(socket) == {b""}


def test_prefixes_of_one_peer_are_limited(socket, monkeypatch):
    ingress, _ = join(socket)
    ingress.feed(b"".join(pack([b"\1%d" % number]) for number in range(3)))
    ingress.change(True, b"1")
    with pytest.raises(ZmtpError, match="max-subscriptions = 3"):
        ingress.change(True, b"4")
    other, _ = join(socket, b"2")
    monkeypatch.setattr(publishing, "PREFIX_BYTES", 4)
    with pytest.raises(ZmtpError, match="more than 4 bytes"):
        other.change(True, b"12345")


def test_a_prefix_has_a_longest_length(socket):
    ingress, _ = join(socket)
    ingress.change(True, bytes(1024))
    ingress.change(False, bytes(1025))
    with pytest.raises(ZmtpError, match="a prefix of 1025 bytes, max-prefix = 1024"):
        ingress.change(True, bytes(1025))


def test_others_get_their_turn(socket):
    ingress, _ = join(socket, tired=lambda: True)
    one = pack([b"\1a"])
    assert ingress.feed(one + pack([b"\1b"])) == (len(one), TIRED, ())


def test_messages_of_subscribers_go_up(socket):
    ingress, _ = join(socket)

    class Above:
        def message(self, payload):
            self.payload = payload
            return True

    up = pack([b"hello", b""])
    ingress.feed(up)
    above = Above()
    socket.sink.upstream.append(above)
    ingress.feed(up)
    assert above.payload == up
    assert ingress._switch.ledger.fates == {"unrouted": 1, "forwarded": 1}


def test_frames_in_front_that_are_subscriptions_are_taken_and_the_rest_goes_up(socket):
    ingress, _ = join(socket)
    ingress.feed(pack([b"\1a", b"\1b", b"\0a", b"", b"\1c"]))
    assert prefixes(socket) == {b"b"}
    assert ingress._switch.ledger.fates == {"unrouted": 1}
    ingress.feed(pack([b"\0b", b"\1d"]))
    assert prefixes(socket) == {b"d"}
    assert ingress._switch.ledger.fates == {"unrouted": 1}


def test_a_peer_that_leaves_is_forgotten_step_by_step(socket, monkeypatch):
    monkeypatch.setattr(publishing, "STEP", 1)
    boxes = []
    for identity in (b"1", b"2"):
        ingress, box = join(socket, identity)
        ingress.feed(pack([b"\1a"]) + pack([b"\1" + identity]))
        boxes.append(box)
    for identity, box in zip((b"1", b"2"), boxes, strict=True):
        socket.left(identity, box)
    assert socket.status()["subscribers"] == 0
    steps = 0
    while socket.ctx.later:
        socket.ctx.later.pop()()
        steps += 1
    assert prefixes(socket) == set() and steps == 3


def test_it_is_not_the_handlers_to_see_messages():
    with run_handler(Zmq, "socket = pub\nbind = tcp://*:1") as running:
        assert not running.handler.socket.sink.tells


def made(**options):
    text = "".join(f"\n{name.replace('_', '-')} = {value}" for name, value in options.items())
    return PublishingSocket(
        "h:out", options_for(Zmq, f"socket = xpub\nbind = tcp://*:1{text}"), FakeContext()
    )


class Above:
    def __init__(self):
        self.seen = []

    def change(self, more, prefix):
        self.seen.append((more, prefix))

    def message(self, payload):
        self.seen.append(payload)
        return True


@pytest.mark.parametrize(
    ("verbose", "repeated"),
    [("no", []), ("yes", [pack([b"\1a"])]), ("all", [pack([b"\1a"]), pack([b"\0a"])])],
)
def test_publishers_may_hear_of_every_subscription(verbose, repeated):
    socket, above = made(verbose=verbose), Above()
    socket.sink.upstream.append(above)
    one, _ = join(socket, b"1")
    other, _ = join(socket, b"2")
    for ingress in (one, other):
        ingress.feed(pack([b"\1a"]))
    for ingress in (one, other):
        ingress.feed(pack([b"\0a"]))
    assert above.seen == [(True, b"a"), *repeated, (False, b"a")]


def test_a_new_subscriber_gets_the_newest_of_its_topics():
    socket = made(last_value="1 MiB", welcome="hello")
    assert not socket.sink.tells
    old, box = join(socket, b"1")
    assert b"".join(box.peek(9)) == pack([b"hello"])
    old.feed(pack([b"\1"]))
    for body in (b"1", b"2"):
        socket.sink.offer(b"".join(pack([b"", b"bus", one, body]) for one in (b"a", b"b")), 2)
    assert box.waiting == 5
    ingress, box = join(socket, b"2")
    ingress.feed(pack([b"\1a"]) * 2)
    assert b"".join(box.peek(9)) == pack([b"hello"]) + pack([b"a", b"2"])


def test_a_slow_subscriber_gets_the_newest_of_each_topic():
    socket = made(on_full="latest", queue="2 KiB")
    box = Outbox("peer", socket.options.limits)
    socket.joined(b"1", box)
    input = PeerInput(MessageSource(b"1", "peer", "h"), (1000, 9))
    ingress = socket.ingress(FakeSwitch(), input)
    ingress.feed(pack([b"\1"]))
    for number in range(100):
        assert socket.sink.offer(pack([b"", b"bus", b"a", b"%100d" % number]), 1) == 1
    assert not socket.sink.blocked and box.dropped["replaced"] > 50
    box.advance(box.bytes)
    assert b"".join(box.peek(9)) == pack([b"a", b"%100d" % 99])
    socket.left(b"1", box)
    assert socket.status()["subscribers"] == 0


def test_a_new_subscriber_of_many_topics_catches_up_in_steps(monkeypatch):
    monkeypatch.setattr(publishing, "STEP", 10)
    socket = made(last_value="1 MiB")
    topics = [b"%03d" % number for number in range(95)]
    socket.sink.offer(b"".join(pack([b"", b"bus", one, b"x"]) for one in topics), 95)
    ingress, box = join(socket, b"1")
    leaving, gone = join(socket, b"2")
    for one in (ingress, leaving):
        one.feed(pack([b"\1"]))
    assert box.waiting == 10 and not gone.waiting
    socket.left(b"2", gone)
    while socket.ctx.later:
        before = box.waiting
        socket.ctx.later.pop(0)()
        assert box.waiting - before <= 10
    assert box.waiting == 95 and not gone.waiting
