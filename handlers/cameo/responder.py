"""The responder proxy: a message goes to the peer whose id is its address, with its sender's id.

    comes in    delimiter, address, delimiter, payload ...
    goes out    empty,     sender,  empty,     payload ...

The delimiters are not looked at. Of peers that are not connected nothing is kept, and no answer is
ever made here: CAMEO programs rely on their time-outs. The wire facts are those of the responder
proxy of CAMEO 3.0.0. It must never look into a payload.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy.core.hot import Buffer
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import by_address, cut, skip, whole
from ccproxy.core.stops import BLOCKED, TIRED
from ccproxy.core.switch import Switch
from ccproxy.wire.zmtp.frames import frame

from .notices import Undelivered
from .peers import AddressedPeer, PeerTable

DELIMITER = frame(b"", more=True)
STEP = 512
"""Messages that are sorted at a time: each may have an address of its own."""
FORWARDED, FULL, GONE, MALFORMED = "forwarded", "full", "gone", "malformed"
Take = Callable[[bytes, int], Sequence[Sink]]
"""Passes on so many whole messages; what to wait for, instead, if something is full."""


class ResponderIngress:
    """The MessageSink of one peer of a responder proxy."""

    __slots__ = (
        "_blocks", "_front", "_ledger", "_limits", "_losses", "_peers", "_sender", "_tired",
    )  # fmt: skip

    def __init__(
        self, switch: Switch, input: PeerInput, table: tuple[PeerTable, AddressedPeer, Undelivered]
    ) -> None:
        """`table` are the peers, the one whose input this is, and who is told of losses."""
        peers, self._sender, self._losses = table
        self._peers = peers.peers
        self._ledger = switch.ledger
        self._limits = input.limits
        self._tired = input.tired
        self._blocks = self._sender.box.may_block
        self._front = front(input.source.routing_id)

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read, see `hot.scan`."""
        end, messages, stop = whole(data, self._limits)
        if not messages:
            return 0, stop, ()
        if messages > STEP:
            return in_steps(data, (end, stop), self._pass, self._tired)
        wait = self._pass(data if end == len(data) else data[:end], messages)
        return (0, BLOCKED, wait) if wait else (end, stop, ())

    def _pass(self, chunk: bytes, messages: int) -> Sequence[Sink]:
        """Pass on whole messages; what to wait for, instead, if a peer has no room for them."""
        found, short, lost, plain = by_address(chunk)
        peers, size = self._peers, len(chunk)
        if self._blocks and (wait := _blocked(peers, found)):
            return wait
        self._ledger.receive(messages, size)
        self._sender.counts.sent += messages
        if short:
            self._short(short, lost)
            messages, size = messages - short, size - lost
        missed: list[tuple[bytes, int]] = []
        for address, parts in found.items():
            peer, count = peers.get(address), len(parts) - 1
            if peer is None:
                missed.append((address, 0))
                continue
            taken = peer.box.offer(self._front.join(parts), count)
            peer.counts.received += taken
            if taken < count:
                missed.append((address, taken))
        if missed:
            sizes = _sizes(found, None if plain else chunk)
            for address, taken in missed:
                some, many = self._missed(address, (taken, len(found[address]) - 1), sizes[address])
                messages, size = messages - some, size - many
        self._ledger.end(FORWARDED, messages, size)
        return ()

    def _missed(self, address: bytes, taken: tuple[int, int], size: int) -> tuple[int, int]:
        """Count messages of which a queue has taken the first ones only, or there is no such peer;
        how many are lost, and their bytes."""
        some, count = taken
        lost, peer = count - some, self._peers.get(address)
        size = size * lost // count
        self._ledger.end(GONE if peer is None else FULL, lost, size)
        if peer is None:
            self._losses.undelivered(self._sender.address, address, lost)
        else:
            peer.counts.dropped += lost
        return lost, size

    def _short(self, messages: int, size: int) -> None:
        self._ledger.end(MALFORMED, messages, size)
        self._losses.too_short(self._sender.address, messages)


def in_steps(
    data: bytes, until: tuple[int, int], take: Take, tired: Callable[[], bool]
) -> tuple[int, int, Sequence[Sink]]:
    """Pass on some messages at a time, so that others get their turn, see `hot.scan`.

    `until` is where the whole messages of `data` end, and why they end there.
    """
    (end, stop), done = until, 0
    complete = data[:end]
    while done < end:
        upto, messages = skip(complete, done, STEP)
        if wait := take(complete[done:upto], messages):
            return done, BLOCKED, wait
        done = upto
        if done < end and tired():
            return done, TIRED, ()
    return done, stop, ()


def front(name: bytes) -> bytes:
    """What stands in front of the payload of each message of a peer with this id."""
    return DELIMITER + frame(name, more=True) + DELIMITER


def _blocked(peers: dict[bytes, AddressedPeer], found: dict[bytes, list[Buffer]]) -> list[Sink]:
    """The full queues, with `peer-on-full = block`."""
    boxes = [peers[address].box for address in found if address in peers]
    return [box for box in boxes if box.blocked]


def _sizes(found: dict[bytes, list[Buffer]], odd: bytes | None) -> dict[bytes, int]:
    """The bytes of the messages by address; `odd` are the messages if their heads are unusual."""
    if odd is None:
        return {
            one: sum(map(len, parts)) + (len(parts) - 1) * len(front(one))
            for one, parts in found.items()
        }
    sizes = dict.fromkeys(found, 0)
    for message in cut(odd):
        for one in by_address(message)[0]:
            sizes[one] += len(message)
    return sizes
