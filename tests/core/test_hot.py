"""Plain and compiled scan agree with a slow and simple reader of ZMTP, on any bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.core import hot, stops
from ccproxy.core.flows import Flow, Target
from ccproxy.wire.cc import valid_type
from ccproxy.wire.zmtp.frames import COMMAND, LONG, MORE, ZmtpError, command, pack, span, unpack

try:
    from ccproxy.core import _hot as compiled
except ImportError:
    compiled = None  # type: ignore[assignment]

not_built = pytest.mark.skipif(compiled is None, reason="ccproxy.core._hot is not built")
both = pytest.mark.parametrize(
    "scanner",
    [pytest.param(hot, id="plain"), pytest.param(compiled, id="compiled", marks=not_built)],
)

Feed = Callable[[bytes], tuple[int, int, Sequence[Any]]]

LIMITS = (600, 9)
"""Bytes and frames of the largest message in these tests."""

# Input: messages of all sorts, commands, and bytes that are not ZMTP


def frame(body: bytes, flags: int = 0) -> bytes:
    """One frame, whose header is long if the flags or the body require it."""
    if flags & LONG or len(body) > 255:
        return bytes([flags | LONG]) + len(body).to_bytes(8, "big") + body
    return bytes([flags, len(body)]) + body


def message(parts: Sequence[tuple[bytes, int]]) -> bytes:
    """Frames of (body, LONG or 0); a long header is legal for a short body."""
    *first, (body, long) = parts
    return b"".join(frame(one, flags | MORE) for one, flags in first) + frame(body, long)


BODY = st.one_of(
    st.binary(max_size=3),
    st.sampled_from([b"", b"", b"a", b"\0abcd", bytes(253), bytes(255), bytes(256), bytes(300)]),
)
TYPE = st.sampled_from(
    [b"a", b"a", b"b", b"b.c", b"d", b"e", b"", b"a.", b"x y", b"\xff", b"t" * 256]
)
HEADER = st.sampled_from([0, 0, 0, 0, LONG])
FRAMES = st.lists(st.tuples(BODY, HEADER), min_size=1, max_size=11)


@st.composite
def typed(draw: st.DrawFn) -> bytes:
    """Route, empty frame, type, payload."""
    route = draw(st.lists(st.sampled_from([b"Q1", b"Q2", b"r" * 256]), max_size=2))
    payload = draw(st.lists(BODY, max_size=3))
    bodies = [*route, b"", draw(TYPE), *payload]
    return message([(body, draw(HEADER)) for body in bodies])


CLAIM = st.one_of(
    st.integers(0, 700), st.integers(0, 2**64 - 1), st.sampled_from([599, 600, 601, 2**63])
)
ANNOUNCED = st.builds(
    lambda flags, size: bytes([flags]) + size.to_bytes(8, "big"),
    st.sampled_from([2, 3, 6, 7]),
    CLAIM,
)
FEW = st.sampled_from(
    [
        *(pack([b"a", b"", b"a", one]) for one in (b"", b"12", bytes(255), bytes(300))),
        *(pack([b"a", one]) for one in (b"", b"a", b"12")),
        *(pack([b"", one]) for one in (b"a", b"b", b"b.c", b"d", b"e")),
        *(pack(frames) for frames in ([b"a"], [b"a"], [b"ab", b"1"], [b"\0abcd", b"1"], [b""])),
    ]
)
"""Messages that occur several times in one stream, so that remembered heads are used."""
INSIDE = st.just(b"\x01\x00" + command(b"PING", b"\0\0") + b"\0\1a")
USUAL = st.one_of(FEW, FEW, FEW, typed(), FRAMES.map(message), st.just(command(b"PING", b"\0\0")))
RUNS = st.tuples(FEW, st.integers(1, 4)).map(lambda run: run[0] * run[1])
WRONG = st.one_of(st.just(b""), st.binary(max_size=12), ANNOUNCED, INSIDE)
GOOD = st.lists(st.one_of(USUAL, RUNS), max_size=12).map(b"".join)
PLAIN = st.lists(FEW, max_size=12).map(b"".join)


@st.composite
def cut(draw: st.DrawFn) -> bytes:
    """A stream that may end anywhere and may have mistakes in it."""
    data = draw(st.one_of(PLAIN, GOOD)) + draw(WRONG) + draw(PLAIN)
    return data[: len(data) - draw(st.one_of(st.just(0), st.integers(0, len(data))))]


# The surroundings of the hot function: flows, targets, and outboxes that fill up


class World:
    """Targets by the first letter of a type; two of them block after some messages."""

    def __init__(self, rooms: Sequence[int] = (10**9, 10**9)) -> None:
        self.boxes = [SimpleNamespace(blocked=room <= 0, room=room) for room in rooms]
        one, two = self.boxes
        blocking = {b"a": [one], b"b": [two], b"d": [one, two], b"e": []}
        self.targets = {name: self._target(boxes) for name, boxes in blocking.items()}
        self.malformed = Flow(Target(fate="malformed"))
        self.flows: dict[bytes, Flow] = {}
        self.emitted: list[tuple[Target, list[bytes], int]] = []

    def _target(self, boxes: list[Any]) -> Target:
        target = Target(fate="forwarded")
        target.sinks = target.blocking = tuple(boxes)
        return target

    def miss(self, name: bytes) -> Flow:
        if not valid_type(name):
            return self.malformed
        flow = self.flows[name] = Flow(self.targets.get(name[:1]) or Target(fate="unrouted"))
        return flow

    def emit(self, target: Target, parts: list[hot.Buffer], size: int) -> None:
        assert parts[0] == b""
        self.pass_on(target, [bytes(part) for part in parts[1:]], size)

    def pass_on(self, target: Target, messages: list[bytes], size: int) -> None:
        self.emitted.append((target, messages, size))
        fill(target.sinks, len(messages))

    def transcript(self) -> list[tuple[str, list[bytes], int]]:
        names = {id(target): repr(name) for name, target in self.targets.items()}
        return [(names.get(id(one), one.fate), parts, size) for one, parts, size in self.emitted]

    def messages(self) -> list[tuple[str, bytes]]:
        return [(name, one) for name, parts, _ in self.transcript() for one in parts]

    def counts(self) -> dict[bytes, tuple[int, int]]:
        flows = {**self.flows, b"": self.malformed}
        return {name: (flow.count, flow.bytes) for name, flow in flows.items()}


def fill(boxes: Iterable[Any], messages: int) -> None:
    """Put messages into outboxes that have a `room`."""
    for box in boxes:
        box.room -= messages
        box.blocked = box.room <= 0


# The reference


class Stopped(Exception):
    """Raised for bytes that cannot be passed on, with the reason of `hot`."""


def read_frame(data: bytes, at: int, first: bool) -> tuple[bool, bytes, int]:
    """(more, body, end) of the frame at this offset."""
    if len(data) - at < 2:
        raise Stopped(stops.MORE)
    try:
        found = span(data, at)
    except ZmtpError:
        raise Stopped(stops.BROKEN) from None
    if data[at] & COMMAND:
        raise Stopped(stops.COMMAND if first else stops.BROKEN)
    if found is None:
        raise Stopped(stops.MORE)
    flags, body, end = found
    if flags & LONG and end - body > LIMITS[0]:
        raise Stopped(stops.TOO_BIG)
    if end > len(data):
        raise Stopped(stops.MORE)
    return bool(flags & MORE), data[body:end], end


def read_head(data: bytes, start: int, enough: Callable[[list[bytes]], bool]) -> list[bytes]:
    """The frames of a message up to the last one, or until there are enough."""
    frames: list[bytes] = []
    at, more = start, True
    while more and not enough(frames):
        more, body, at = read_frame(data, at, not frames)
        frames.append(body)
    return frames


def read_message(data: bytes, start: int) -> int:
    """The offset of the end of the message."""
    frames, at, more = 0, start, True
    while more:
        more, _, at = read_frame(data, at, not frames)
        frames += 1
    if at - start > LIMITS[0]:
        raise Stopped(stops.TOO_BIG)
    if frames > LIMITS[1]:
        raise Stopped(stops.BROKEN)
    return at


def type_known(frames: list[bytes]) -> bool:
    return b"" in frames[:-1]


class Runs:
    """Collects messages of the same key, and passes them on when the key changes."""

    def __init__(self, pass_on: Callable[[Any, list[bytes], int], None]) -> None:
        self.key: Any = None
        self._pass_on = pass_on
        self._row: list[tuple[bytes, int]] = []

    def turn_to(self, key: Any) -> None:
        if key is not self.key:
            self.close()
            self.key = key

    def add(self, part: bytes, size: int) -> None:
        self._row.append((part, size))

    def close(self) -> None:
        row, self._row = self._row, []
        if row:
            self._pass_on(self.key, [part for part, _ in row], sum(size for _, size in row))


def reference(data: bytes, world: World) -> tuple[int, int]:
    """The expected behaviour of `scan`, message by message."""
    runs = Runs(world.pass_on)
    at, stop, before = 0, stops.MORE, None
    try:
        while at < len(data):
            frames = read_head(data, at, type_known)
            name = frames[-1] if type_known(frames) else b""
            flow = world.flows.get(name) or world.miss(name)
            runs.turn_to(flow.target)
            if flow is not before and any(box.blocked for box in flow.target.blocking):
                raise Stopped(stops.BLOCKED)
            before = flow
            end = read_message(data, at)
            runs.add(data[at:end], end - at)
            flow.count, flow.bytes = flow.count + 1, flow.bytes + end - at
            at = end
    except Stopped as reason:
        (stop,) = reason.args
    runs.close()
    return at, stop


def scanned(scanner: ModuleType, data: bytes, world: World) -> tuple[int, int, Sequence[Any]]:
    return scanner.scan(data, world.flows, world.miss, world.emit, LIMITS)  # type: ignore[no-any-return]


def feeder(scanner: ModuleType, world: World) -> Feed:
    return lambda data: scanned(scanner, data, world)


def command_end(data: bytes, at: int) -> int:
    """The end of the command at this offset; 0 if it is cut off."""
    found = span(data, at)
    return found[2] if found and found[2] <= len(data) else 0


def whole(feed: Feed, pieces: Iterable[bytes]) -> Any:
    """Feed a stream as a connection does: keep the rest and step over commands.

    Returns the bytes that are left, and why the scan stopped.
    """
    rest, stop = b"", stops.MORE
    for piece in pieces:
        rest += piece
        done, stop, _ = feed(rest)
        while stop == stops.COMMAND and (after := command_end(rest, done)):
            rest = rest[after:]
            done, stop, _ = feed(rest)
        rest = rest[done:]
    return rest, stop


@st.composite
def in_pieces(draw: st.DrawFn) -> list[bytes]:
    data = draw(GOOD)
    ends = sorted(draw(st.lists(st.integers(0, len(data)), max_size=8)))
    return [data[a:b] for a, b in zip([0, *ends], [*ends, len(data)], strict=True)]


# scan


@both
@settings(max_examples=300, deadline=None)
@given(cut(), st.lists(st.integers(0, 6), min_size=2, max_size=2))
def test_scan_does_as_the_reference(scanner: ModuleType, data: bytes, rooms: list[int]) -> None:
    world, expected = World(rooms), World(rooms)
    done, stop, wait = scanned(scanner, data, world)
    assert (done, stop) == reference(data, expected)
    assert world.transcript() == expected.transcript()
    assert world.counts() == expected.counts()
    assert all(box.blocked for box in wait)
    assert bool(wait) == (stop == stops.BLOCKED)


@both
@settings(max_examples=100, deadline=None)
@given(cut())
def test_what_is_passed_on_is_what_came(scanner: ModuleType, data: bytes) -> None:
    world = World()
    done, _, _ = scanned(scanner, data, world)
    parts = [one for _, one in world.messages()]
    assert b"".join(parts) == data[:done]
    assert all(pack(unpack(one)) and len(unpack(one)) <= LIMITS[1] for one in parts)
    assert all(len(b"".join(run)) == size for _, run, size in world.transcript())


@both
@settings(max_examples=150, deadline=None)
@given(in_pieces())
def test_pieces_give_the_messages_of_the_whole(scanner: ModuleType, pieces: list[bytes]) -> None:
    ends = []
    for stream in (pieces, [b"".join(pieces)]):
        world = World()
        end = whole(feeder(scanner, world), stream)
        ends.append((end, world.messages(), world.counts()))
    assert ends[0] == ends[1]


@both
def test_a_message_is_found_wherever_it_is_cut(scanner: ModuleType) -> None:
    data = (
        pack([b"Q1", b"", b"a", bytes(256), b"x"]) + command(b"PING", b"\0\0") + pack([b"", b"b"])
    )
    for at in range(len(data) + 1):
        world = World()
        rest, _ = whole(feeder(scanner, world), [data[:at], data[at:]])
        assert not rest
        assert [name for name, _ in world.messages()] == ["b'a'", "b'b'"]


@both
@settings(max_examples=100, deadline=None)
@given(GOOD, st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_nothing_is_lost_or_twice_around_a_full_outbox(
    scanner: ModuleType, data: bytes, rooms: list[int]
) -> None:
    world, free, rest = World(rooms), World(), data
    for _ in range(4 * len(data) + 4):
        done, stop, wait = scanned(scanner, rest, world)
        rest = rest[done:]
        if stop != stops.BLOCKED:
            break
        for box in wait:
            box.room, box.blocked = 2, False
    assert scanned(scanner, data, free)[:2] == (len(data) - len(rest), stop)
    assert world.messages() == free.messages()


@both
@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), ANNOUNCED.map(lambda head: head + bytes(20))))
def test_garbage_never_raises(scanner: ModuleType, data: bytes) -> None:
    world, expected = World(), World()
    assert scanned(scanner, data, world)[:2] == reference(data, expected)
    assert world.transcript() == expected.transcript()


@both
@pytest.mark.parametrize("size", [601, 2**31, 2**32, 2**63 - 1, 2**63, 2**64 - 1])
@pytest.mark.parametrize("before", [b"", b"\0\1x", b"\1\0\0\1a", b"\1\0\1\1a\1\1x"])
def test_any_announced_size_is_too_big(scanner: ModuleType, before: bytes, size: int) -> None:
    data = before + b"\x02" + size.to_bytes(8, "big")
    assert scanned(scanner, data, World())[1] == stops.TOO_BIG


@both
@pytest.mark.parametrize("before", [b"", b"\1\0\0\1a", b"\1\0\1\1a\1\1x"])
def test_a_size_is_looked_at_when_it_is_whole(scanner: ModuleType, before: bytes) -> None:
    header = b"\x02" + bytes([255] * 8)
    for at in range(9):
        world, peers = World(), Peers()
        assert scanned(scanner, before + header[:at], world)[1] == stops.MORE
        assert scanned_replies(scanner, before + header[:at], peers)[1] == stops.MORE


@both
def test_the_limit_holds_for_the_message_not_for_each_frame(scanner: ModuleType) -> None:
    fits = pack([b"", b"a", bytes(250), bytes(254), bytes(600 - 515)])
    assert len(fits) == LIMITS[0]
    assert scanned(scanner, fits, World())[:2] == (600, stops.MORE)
    larger = pack([b"", b"a", bytes(250), bytes(254), bytes(601 - 515)])
    assert scanned(scanner, fits + larger, World())[:2] == (600, stops.TOO_BIG)


@both
def test_the_number_of_frames_is_limited(scanner: ModuleType) -> None:
    fits = pack([b"", b"a", *[b""] * 7])
    many = pack([b"", b"a", *[b""] * 8])
    assert scanned(scanner, fits + many, World())[:2] == (len(fits), stops.BROKEN)


@both
def test_a_large_message_is_passed_on_as_it_is(scanner: ModuleType) -> None:
    large = pack([b"", b"a", bytes(range(256)) * 64])
    world = World()
    done, _, _ = scanner.scan(large * 3, world.flows, world.miss, world.emit, (1 << 20, 9))
    assert done == 3 * len(large)
    assert world.transcript() == [("b'a'", [large] * 3, done)]


@both
def test_a_run_ends_only_where_the_target_changes(scanner: ModuleType) -> None:
    types = [b"b", b"b.c", b"b", b"a", b"a", b"b"]
    world = World()
    scanned(scanner, b"".join(pack([b"Q1", b"", name]) for name in types), world)
    runs = [(name, len(parts)) for name, parts, _ in world.transcript()]
    assert runs == [("b'b'", 3), ("b'a'", 2), ("b'b'", 1)]


@both
def test_a_type_is_looked_up_once_in_a_run(scanner: ModuleType) -> None:
    asked: list[bytes] = []
    world = World()

    def miss(name: bytes) -> Flow:
        asked.append(name)
        return world.miss(name)

    data = pack([b"Q1", b"", b"a", b"1"]) * 5 + pack([b"", b"a"]) + pack([b"x"])
    scanner.scan(data, world.flows, miss, world.emit, LIMITS)
    assert asked == [b"a", b""]


# scan_replies


class Peers:
    """Outboxes by identity; the same for plain, compiled and reference."""

    def __init__(self, rooms: Sequence[int] = (10**9, 10**9)) -> None:
        one, two = (SimpleNamespace(blocked=room <= 0, room=room) for room in rooms)
        self.boxes: dict[bytes, Any] = {b"a": one, b"\0abcd": two}
        self.emitted: list[tuple[bytes, list[bytes], int]] = []

    def emit(self, identity: bytes, parts: Sequence[hot.Buffer], size: int) -> None:
        self.emitted.append((identity, [bytes(part) for part in parts], size))
        fill([self.boxes[identity]] if identity in self.boxes else [], len(parts))

    def messages(self) -> list[tuple[bytes, bytes]]:
        return [(identity, part) for identity, parts, _ in self.emitted for part in parts]


def scanned_replies(
    scanner: ModuleType, data: bytes, peers: Peers
) -> tuple[int, int, Sequence[Any]]:
    return scanner.scan_replies(data, peers.boxes, peers.emit, LIMITS)  # type: ignore[no-any-return]


def reply_feeder(scanner: ModuleType, peers: Peers) -> Feed:
    return lambda data: scanned_replies(scanner, data, peers)


def reference_replies(data: bytes, peers: Peers) -> tuple[int, int]:
    """The expected behaviour of `scan_replies`, message by message."""
    runs = Runs(lambda head, parts, size: peers.emit(unpack_one(head), parts, size))
    at, stop = 0, stops.MORE
    heads: dict[bytes, bytes] = {}
    try:
        while at < len(data):
            more, identity, behind = read_frame(data, at, True)
            head = heads.setdefault(data[at:behind], data[at:behind])
            box = peers.boxes.get(identity)
            if head is not runs.key or not more:
                runs.close()
                runs.key = head
                if box is not None and box.blocked:
                    raise Stopped(stops.BLOCKED)
            end = read_message(data, at)
            runs.add(data[behind:end], end - at)
            at = end
    except Stopped as reason:
        (stop,) = reason.args
    runs.close()
    return at, stop


def unpack_one(head: bytes) -> bytes:
    """The body of a frame."""
    found = span(head, 0)
    assert found is not None
    return head[found[1] : found[2]]


@both
@settings(max_examples=300, deadline=None)
@given(cut(), st.lists(st.integers(0, 6), min_size=2, max_size=2))
def test_scan_replies_does_as_the_reference(
    scanner: ModuleType, data: bytes, rooms: list[int]
) -> None:
    peers, expected = Peers(rooms), Peers(rooms)
    done, stop, wait = scanned_replies(scanner, data, peers)
    assert (done, stop) == reference_replies(data, expected)
    assert peers.emitted == expected.emitted
    assert all(box.blocked for box in wait)
    assert bool(wait) == (stop == stops.BLOCKED)
    assert sum(size for _, _, size in peers.emitted) == done


@both
@settings(max_examples=100, deadline=None)
@given(in_pieces())
def test_pieces_give_the_replies_of_the_whole(scanner: ModuleType, pieces: list[bytes]) -> None:
    ends = []
    for stream in (pieces, [b"".join(pieces)]):
        peers = Peers()
        end = whole(reply_feeder(scanner, peers), stream)
        ends.append((end, peers.messages()))
    assert ends[0] == ends[1]


@both
@settings(max_examples=100, deadline=None)
@given(GOOD, st.lists(st.integers(0, 3), min_size=2, max_size=2))
def test_no_reply_is_lost_or_twice_around_a_full_outbox(
    scanner: ModuleType, data: bytes, rooms: list[int]
) -> None:
    peers, free, rest = Peers(rooms), Peers(), data
    for _ in range(4 * len(data) + 4):
        done, stop, wait = scanned_replies(scanner, rest, peers)
        rest = rest[done:]
        if stop != stops.BLOCKED:
            break
        for box in wait:
            box.room, box.blocked = 2, False
    assert scanned_replies(scanner, data, free)[:2] == (len(data) - len(rest), stop)
    assert peers.messages() == free.messages()


@both
@settings(max_examples=150, deadline=None)
@given(st.one_of(st.binary(max_size=200), ANNOUNCED.map(lambda head: head + bytes(20))))
def test_garbage_never_raises_in_replies(scanner: ModuleType, data: bytes) -> None:
    peers, expected = Peers(), Peers()
    assert scanned_replies(scanner, data, peers)[:2] == reference_replies(data, expected)
    assert peers.emitted == expected.emitted


@both
def test_a_bare_identity_is_a_run_of_its_own(scanner: ModuleType) -> None:
    peers = Peers()
    scanned_replies(scanner, pack([b"a", b"1"]) + pack([b"a"]) * 2 + pack([b"a", b"2"]), peers)
    assert [parts for _, parts, _ in peers.emitted] == [[b"\0\x011"], [b""], [b""], [b"\0\x012"]]


@both
@given(FRAMES)
@settings(max_examples=60, deadline=None)
def test_frames_in_counts_frames(scanner: ModuleType, parts: list[tuple[bytes, int]]) -> None:
    data = message(parts)
    assert scanner.frames_in(data, 0, len(data)) == len(parts)


@both
def test_a_cut_identity_is_no_peer(scanner: ModuleType) -> None:
    peers = Peers((0, 0))
    assert peers.boxes[b"a"].blocked
    assert scanned_replies(scanner, pack([b"ab", b"1"])[:3], peers)[1] == stops.MORE
