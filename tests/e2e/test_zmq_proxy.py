"""A drop-in for `zmq.proxy(XSUB, XPUB)`: each scenario is played through a real one in libzmq and
through ccserver, and what the programs at both ends see must be the same.

Subscriptions of two peers come in no order, so a scenario ends a phase by a marker: a subscription,
or a message, on the connection that it has just used.
"""

import itertools
import re
import socket
import threading
from contextlib import ExitStack

import pytest
import zmq

from ccproxy.testing import free_ports
from ccproxy.testing.server import RunningServer
from ccproxy.wire.zmtp import Handshake, Ready, Transmit, WireConnection

SECONDS = 60
HWM = 1000
INI = f"""
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
control = no
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT2
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT3
queue-messages = {HWM}
"""
MARKS = (b"\0\xff", b"\1\xff")


class LibzmqProxy:
    """The real one, in a thread."""

    def __init__(self, folder, ports):
        self._addresses = [f"tcp://127.0.0.1:{ports[word]}" for word in ("PORT2", "PORT3")]

    def start(self):
        self._context = zmq.Context()
        self._sockets = [self._context.socket(zmq.XSUB), self._context.socket(zmq.XPUB)]
        for made, address in zip(self._sockets, self._addresses, strict=True):
            made.linger = 0
            bound(made, address)
        self._thread = threading.Thread(target=self._work)
        self._thread.start()

    def _work(self):
        with pytest.raises(zmq.ContextTerminated):
            zmq.proxy(*self._sockets)
        for made in self._sockets:
            made.close()

    def stop(self):
        self._context.term()
        self._thread.join()


class CcserverProxy:
    """Ours, a process."""

    def __init__(self, folder, ports):
        self._folder, self._ports = folder, ports
        text = re.sub(r"PORT\d", lambda word: str(ports[word[0]]), INI)
        (folder / "server.ini").write_text(text)

    def start(self):
        self._server = RunningServer(self._folder, self._ports)
        self._server.wait_for("ready data-path", SECONDS)

    def stop(self):
        assert self._server.stop(SECONDS) == 0
        counts = dict(re.findall(r"([a-z-]+)=(\d+)", self._server.wait_for("ledger received=")))
        assert int(counts.pop("received")) == sum(map(int, counts.values()))


class World:
    """A proxy, and the programs around it: all sockets of one scenario are closed at its end."""

    def __init__(self, kind, folder):
        words = ("PORT1", "PORT2", "PORT3")
        self.ports = dict(zip(words, free_ports(3), strict=True))
        self.proxy = kind(folder, self.ports)
        self.context = zmq.Context()
        self.sockets = []
        self.raw_sockets = []
        self.marks = itertools.count()

    def connect(self, kind, word, **options):
        made = self.context.socket(kind)
        self.sockets.append(made)
        made.linger, made.rcvtimeo, made.sndtimeo = 0, SECONDS * 1000, SECONDS * 1000
        made.reconnect_ivl = 20
        for name, value in options.items():
            setattr(made, name, value)
        made.connect(f"tcp://127.0.0.1:{self.ports[word]}")
        return made

    def publisher(self, kind=zmq.XPUB, **options):
        return self.connect(kind, "PORT2", **options)

    def subscriber(self, *topics, kind=zmq.SUB, **options):
        made = self.connect(kind, "PORT3", **options)
        for topic in topics:
            subscribe(made, topic)
        return made

    def told(self, subscriber, *publishers):
        """What each publisher is told up to a marker that this subscriber subscribes to now."""
        mark = b"\xff%d." % next(self.marks)
        subscribe(subscriber, mark)
        said = [until(one, b"\1" + mark) for one in publishers]
        return [[one for one in messages if not marks(one)] for messages in said]

    def got(self, publisher, *subscribers):
        """What each subscriber gets up to a marker that is published now. It has to have one."""
        for one in subscribers:
            self.told(one, publisher)
        mark = b"\xff%d." % (next(self.marks) - 1)
        for one in subscribers[:-1]:
            subscribe(one, mark)
            self.told(one, publisher)
        publisher.send_multipart([mark])
        return [until_message(one, mark) for one in subscribers]

    def raw(self, kind=b"SUB"):
        """A subscriber without libzmq, which sends exactly what it is told to."""
        made = socket.create_connection(("127.0.0.1", self.ports["PORT3"]), SECONDS)
        self.raw_sockets.append(made)
        wire = WireConnection(Handshake(kind, b""))
        made.sendall(wire.start())
        ready = False
        while not ready:
            for event in wire.receive(made.recv(65536)):
                if isinstance(event, Transmit):
                    made.sendall(event.data)
                ready = ready or isinstance(event, Ready)
        return lambda *frames: made.sendall(wire.send(frames))

    def clear(self):
        """Close all sockets; wait until the proxy wants nothing any more."""
        for one in (*self.sockets, *self.raw_sockets):
            one.close()
        self.sockets, self.raw_sockets = [], []
        publisher, subscriber = self.publisher(), self.subscriber(b"\xffend")
        wanted = set()
        changes = iter(publisher.recv, None)
        while b"\xffend" not in wanted:
            change(wanted, next(changes))
        subscriber.subscribe(b"\xffvery end")
        while wanted != {b"\xffend", b"\xffvery end"}:
            change(wanted, next(changes))
        publisher.close()
        subscriber.close()
        self.sockets = []


def marks(message):
    """True for a subscription to a marker, and for the end of one."""
    return isinstance(message, bytes) and message.startswith(MARKS)


def change(wanted, message):
    (wanted.add if message[:1] == b"\1" else wanted.discard)(message[1:])


def bound(made, address):
    """libzmq closes in the background: the address may still be taken by the socket before."""
    while True:
        try:
            return made.bind(address)
        except zmq.ZMQError as error:
            if error.errno != zmq.EADDRINUSE:
                raise


def subscribe(made, topic):
    if made.type == zmq.SUB:
        made.subscribe(topic)
    else:
        made.send(b"\1" + topic)


def until(made, last):
    """Messages up to this one, which is left out; one of several frames as a list."""
    found = []
    while (frames := made.recv_multipart()) != [last]:
        found.append(frames if len(frames) > 1 else frames[0])
    return found


def until_message(made, last):
    """As `until`, always as lists of frames."""
    found = []
    while (frames := made.recv_multipart()) != [last]:
        if not frames[0].startswith(b"\xff"):
            found.append(frames)
    return found


@pytest.fixture(scope="module")
def worlds(tmp_path_factory):
    with ExitStack() as stack:
        made = []
        for kind in (LibzmqProxy, CcserverProxy):
            made.append(World(kind, tmp_path_factory.mktemp(kind.__name__)))
            stack.callback(made[-1].context.destroy, linger=0)
            made[-1].proxy.start()
            stack.callback(made[-1].proxy.stop)
        yield made


@pytest.fixture
def play(worlds):
    """Play a scenario in both worlds; what was seen, if it is the same."""

    def play(scenario):
        seen = []
        for world in worlds:
            try:
                seen.append(scenario(world))
            finally:
                world.clear()
        assert seen[1] == seen[0]
        return seen[0]

    return play


def test_the_first_subscription_and_the_last_cancel_go_to_publishers(play):
    def scenario(world):
        publisher = world.publisher()
        one, two = world.subscriber(b"a"), world.subscriber()
        seen = [world.told(one, publisher)]
        two.subscribe(b"a")
        two.subscribe(b"b")
        seen.append(world.told(two, publisher))
        one.unsubscribe(b"a")
        seen.append(world.told(one, publisher))
        two.unsubscribe(b"a")
        seen.append(world.told(two, publisher))
        return seen

    assert play(scenario) == [[[b"\1a"]], [[b"\1b"]], [[]], [[b"\0a"]]]


def test_a_duplicate_is_one_entry_and_one_cancel_ends_it(play):
    def scenario(world):
        publisher = world.publisher()
        send = world.raw()
        for message in (b"\1a", b"\1a", b"\1a", b"\0a", b"\0a", b"\0never", b"\1a", b"\1end"):
            send(message)
        return until(publisher, b"\1end")

    assert play(scenario) == [b"\1a", b"\0a", b"\1a"]


def test_a_disconnect_ends_all_subscriptions_of_a_peer_and_no_other(play):
    def scenario(world):
        publisher = world.publisher()
        staying = world.subscriber(b"kept", b"both")
        world.told(staying, publisher)
        leaving = world.subscriber(b"both", b"gone 1", b"gone 2", b"")
        first = world.told(leaving, publisher)
        leaving.close()
        ended = set()
        while len(ended) < 3:
            message = publisher.recv()
            if not marks(message):
                ended.add(message)
        return first, sorted(ended), world.told(staying, publisher)

    first, ended, after = play(scenario)
    assert first == [[b"\1gone 1", b"\1gone 2", b"\1"]]
    assert ended == [b"\0", b"\0gone 1", b"\0gone 2"] and after == [[]]


def test_a_late_publisher_gets_all_subscriptions(play):
    def scenario(world):
        early = world.publisher()
        subscriber = world.subscriber(b"a", b"b", b"", kind=zmq.XSUB)
        world.told(subscriber, early)
        late = [world.publisher(), world.publisher(xpub_verbose=1)]
        wanted = []
        for one in late:
            told = [one.recv() for _ in range(4)]
            wanted.append(sorted(message for message in told if not marks(message)))
        subscriber.send(b"\0a")
        return wanted, world.told(subscriber, early, *late)

    wanted, after = play(scenario)
    assert wanted == [[b"\1", b"\1a", b"\1b"]] * 2
    assert after == [[b"\0a"]] * 3


def test_a_publisher_that_wants_duplicates_gets_none_of_other_subscribers(play):
    """XPUB_VERBOSE of a publisher is for its own peers: the proxy is one, and passes the first."""

    def scenario(world):
        publisher = world.publisher(xpub_verbose=1)
        one, two = world.subscriber(b"a", kind=zmq.XSUB), world.subscriber(kind=zmq.XSUB)
        seen = [world.told(one, publisher)]
        for _ in range(3):
            two.send(b"\1a")
        return [*seen, world.told(two, publisher)]

    assert play(scenario) == [[[b"\1a"]], [[]]]


def test_messages_of_subscribers_go_to_all_publishers(play):
    def scenario(world):
        publishers = [world.publisher(), world.publisher()]
        subscriber = world.subscriber(kind=zmq.XSUB)
        world.told(subscriber, *publishers)
        subscriber.send(b"a message")
        subscriber.send(b"")
        subscriber.send_multipart([b"\2", b"", b"more", b""])
        return world.told(subscriber, *publishers)

    assert play(scenario) == [[b"a message", b"", [b"\2", b"", b"more", b""]]] * 2


def test_frames_in_front_of_a_message_may_be_subscriptions(play):
    messages = [
        (b"\1a", b"\1b", b"x"),
        (b"\1c", b"\1d"),
        (b"\0a", b"\0b", b"\1e", b"y", b"\1f"),
        (b"x", b"\1later"),
        (b"\1g", b""),
    ]

    def scenario(world):
        publisher, send = world.publisher(), world.raw(b"XSUB")
        for frames in messages:
            send(*frames)
        send(b"\1end")
        return until(publisher, b"\1end")

    assert play(scenario) == [
        b"\1a", b"\1b", b"x",
        b"\1c", b"\1d",
        b"\0a", b"\0b", b"\1e", [b"y", b"\1f"],
        [b"x", b"\1later"],
        b"\1g", b"",
    ]  # fmt: skip


def test_messages_pass_unchanged(play):
    messages = [
        [b""],
        [b"", b""],
        [b"topic"],
        [b"topic", b"", b"\0", b"\1topic", b""],
        [b"\0\1\2", b"x" * 254, b"x" * 255, b"x" * 256],
        [b"x" * 300],
        [b"big", b"y" * 1_000_000, b"", b"z" * 1_000_000],
        [b"%d" % number for number in range(200)],
    ]

    def scenario(world):
        publisher, subscriber = world.publisher(), world.subscriber(b"")
        world.told(subscriber, publisher)
        for frames in messages:
            publisher.send_multipart(frames)
        return world.got(publisher, subscriber)

    assert play(scenario) == [messages]


def test_a_subscription_is_a_prefix_of_the_first_frame(play):
    long = b"l" * 300

    def scenario(world):
        publisher = world.publisher()
        prefixes = [[b"a"], [b"ab", b"a", b"abc"], [b"abc "], [long, b"\0"], [b""]]
        subscribers = [world.subscriber(*some) for some in prefixes]
        for one in subscribers:
            world.told(one, publisher)
        topics = [b"", b"a", b"ab", b"abc", b"abc payload", b"b", b"A", b"\0z", long, long[1:]]
        for topic in topics:
            publisher.send_multipart([topic, b"ab"])
        return [[frames[0] for frames in some] for some in world.got(publisher, *subscribers)]

    seen = play(scenario)
    assert seen[:2] == [[b"a", b"ab", b"abc", b"abc payload"]] * 2
    assert seen[2:4] == [[b"abc payload"], [b"\0z", long]]
    assert len(seen[4]) == 10


def test_what_is_cancelled_does_not_come_any_more_and_what_is_left_does(play):
    def scenario(world):
        publisher, subscriber = world.publisher(), world.subscriber(b"a", b"ab", b"")
        seen = []
        for prefix in (b"", b"a", b"ab"):
            world.told(subscriber, publisher)
            for topic in (b"a", b"ab", b"c"):
                publisher.send(topic)
            seen += world.got(publisher, subscriber)
            subscriber.unsubscribe(prefix)
        return seen

    assert play(scenario) == [
        [[b"a"], [b"ab"], [b"c"]],
        [[b"a"], [b"ab"]],
        [[b"ab"]],
    ]


def test_a_plain_pub_is_heard(play):
    def scenario(world):
        subscriber = world.subscriber(b"w")
        publisher = world.publisher(zmq.PUB)
        while not subscriber.poll(10):  # until the PUB knows that somebody subscribes
            publisher.send_multipart([b"weather", b"1"])
            publisher.send_multipart([b"other", b"2"])
        return subscriber.recv_multipart()

    assert play(scenario) == [b"weather", b"1"]


def test_a_subscriber_that_does_not_read_loses_messages_and_the_others_none(play):
    count, body = 20_000, b"x" * 1000

    def scenario(world):
        publisher = world.publisher(sndhwm=0)
        quick = world.subscriber(b"n", rcvhwm=0)
        slow = world.subscriber(b"n", rcvhwm=10, rcvbuf=4096)
        for one in (quick, slow):
            world.told(one, publisher)
        missing = 0
        for number in range(count):
            publisher.send_multipart([b"n", b"%d" % number, body])
            if number % 100 == 99:
                expected = [b"%d" % n for n in range(number - 99, number + 1)]
                missing += [quick.recv_multipart()[1] for _ in range(100)] != expected
        found = []
        while not found or found[-1][1] != b"again":
            if not slow.poll(200):  # it has all that is left, or a busy machine lets it wait
                publisher.send_multipart([b"n", b"again"])
            found.append(slow.recv_multipart())
        numbers = [int(frames[1]) for frames in found[:-1]]
        in_order = numbers == sorted(set(numbers))
        return missing, numbers[: HWM // 2], in_order, len(numbers) < count, found[-1]

    again = [b"n", b"again"]
    assert play(scenario) == (0, list(range(HWM // 2)), True, True, again)


@pytest.mark.parametrize("first", ["publisher", "subscriber"])
def test_both_ends_find_a_proxy_that_starts_late_and_starts_again(first, tmp_path):
    seen = []
    for kind in (LibzmqProxy, CcserverProxy):
        folder = tmp_path / kind.__name__
        folder.mkdir()
        world = World(kind, folder)
        if first == "publisher":
            publisher, subscriber = world.publisher(zmq.PUB), world.subscriber(b"a")
        else:
            subscriber, publisher = world.subscriber(b"a"), world.publisher(zmq.PUB)
        found = []
        for round in range(3):
            message = [b"a", b"%d" % round]
            world.proxy.start()
            while message not in found:  # subscriptions come a little later
                publisher.send_multipart(message)
                publisher.send_multipart([b"other"])
                if subscriber.poll(5):
                    found.append(subscriber.recv_multipart())
            world.proxy.stop()
        found = sorted(set(map(tuple, found)))
        world.context.destroy(linger=0)
        seen.append(found)
    assert seen[0] == seen[1] == [(b"a", b"%d" % round) for round in range(3)]
