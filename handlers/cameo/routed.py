"""Requests that take routes: filters, taps and other sites, on the way to the peer they are for.

The type of a request is TYPE.request.NAME, NAME being its address as dotted parts. Answers take no
routes, as those of any call: the address of an answer is the id that stood in front of the request.
For a peer of another site that id is an envelope, see `ccproxy.core.askers`. In front of what
leaves for another server stand route and type, and behind them the frames of the message:

    empty, address, empty, payload ...

It must never keep a message.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy.core.answers import give
from ccproxy.core.askers import ENVELOPE, Askers, answers
from ccproxy.core.flows import Flow
from ccproxy.core.message import Message
from ccproxy.core.runs import Fates, PeerInput, Run, offer_to, offered
from ccproxy.core.sinks import Receipt, Sink
from ccproxy.core.spans import by_address, cut, parted, whole
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given, TypedIngress, typed
from ccproxy.protocols.zmq.codec import FrameCodec
from ccproxy.wire.zmtp.frames import unpack

from .notices import Undelivered
from .peers import ANONYMOUS, AddressedPeer, PeerTable
from .responder import GONE, MALFORMED, front, in_steps

TYPES = 1024
"""Addresses of one peer whose types are remembered."""
HEAD_FRAMES = 3
"""In front of the payload: delimiter, address, delimiter."""


class RoutedIngress(TypedIngress):
    """The MessageSink of one peer whose requests take routes."""

    __slots__ = ("_askers", "_losses", "_own_front", "_peers", "_sender", "_types")

    def __init__(
        self,
        switch: Switch,
        input: PeerInput,
        table: tuple[PeerTable, AddressedPeer, Undelivered],
        prefix: bytes,
    ) -> None:
        """`table` is that of a ResponderIngress; `prefix` stands in front of each type."""
        peers, self._sender, self._losses = table
        super().__init__(switch, input, Given(prefix))
        self._peers = peers.peers
        self._askers = Askers()
        self._own_front = front(input.source.routing_id)
        self._types: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read, see `hot.scan`."""
        end, _, stop = whole(data, self._limits)
        return in_steps(data, (end, stop), self._sort, self._tired)

    def _sort(self, chunk: bytes, messages: int) -> Sequence[Sink]:
        """Pass on whole messages; what to wait for, instead, if something is full."""
        found, short, lost, _ = by_address(chunk)
        ways = {one: self._way(one) for one in found if not one.startswith(ANONYMOUS)}
        targets = {flow.target for _, flow in ways.values()}
        if wait := [sink for one in targets for sink in one.blocking if sink.blocked]:
            return wait
        self._sender.counts.sent += messages
        for address, parts in found.items():
            if way := ways.get(address):
                self._request(way, front(address).join(parts), len(parts) - 1)
            else:
                self._answer(address, self._own_front.join(parts), len(parts) - 1)
        if short:
            self._switch.ledger.pass_by(MALFORMED, short, lost)
            self._losses.too_short(self._sender.address, short)
        return ()

    def _request(self, way: tuple[bytes, Flow], chunk: bytes, messages: int) -> None:
        """Pass on the requests for one address; handlers see them one by one."""
        type, flow = way
        flow.count += messages
        flow.bytes += len(chunk)
        if flow.target.handlers:
            for one in cut(chunk):
                self._pass(flow.target, one, 1, type)
        else:
            self._pass(flow.target, chunk, messages, type)

    def _answer(self, address: bytes, frames: bytes, messages: int) -> None:
        """Pass on answers, to a client here or to one of another site. Their bytes are counted as
        they go out."""
        size = len(frames)
        peer = self._peers.get(address)
        if peer is not None:
            peer.counts.received += messages
            give(self._switch, peer.box, frames, messages, size)
            return
        back = self._askers.way_back(address, self._switch.peers)
        if back is not None:
            give(self._switch, back.sink, answers(back.head, frames), messages, size)
            return
        self._switch.ledger.pass_by(GONE, messages, size)
        self._losses.undelivered(self._sender.address, address, messages)

    def _way(self, address: bytes) -> tuple[bytes, Flow]:
        """The type of the requests for an address, and the flow of that type."""
        type = self._types.get(address)
        if type is None:
            if len(self._types) >= TYPES:
                self._types.clear()
            type = self._types[address] = typed(self._type, address)
        return type, self._routed(type)

    def _message(self, raw: bytes, type: bytes) -> Message:
        """A handler sees the payload, and its answer is one of the peer that was asked."""
        payload = tuple(unpack(raw))
        codec, source = FrameCodec(payload[:HEAD_FRAMES]), self._source
        return Message(type.decode(), (source.identity,), payload, codec, source.listener)


class AddressedSink:
    """The Distributor of one section: requests that come by routes go to the peers they are for."""

    may_block = False
    blocked = False

    def __init__(self, name: str, peers: PeerTable, losses: Undelivered) -> None:
        self.name = name
        self._peers = peers
        self._losses = losses

    def take(self, run: Run) -> Fates:
        """Hand out the messages of a run."""
        source = run.source
        if source is not None and not run.has_envelopes:
            peer = self._peers.peers.get(source.routing_id)
            if peer is not None and peer.identity == source.identity:
                return self._deliver(peer.address, front(peer.name), run.payloads)
        fates: list[tuple[str, int]] = []
        for route, type, frames in parted(run.envelopes):
            name = bytes((ENVELOPE,)) + route + type
            where = run.source.peer if run.source else "another server"
            fates += self._deliver(where, front(name), frames)
        return fates

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take requests with route and type in front; how many have found their peers."""
        return offer_to(self, chunk, messages, receipt)

    def wait(self, call: Callable[[], None]) -> None:
        """There is nothing to wait for."""
        call()

    def _deliver(self, sender: str, head: bytes, chunk: bytes) -> Fates:
        """Give messages to their peers; the fates in their order."""
        found, short, _, _ = by_address(chunk)
        if len(found) > 1 or (found and short):
            return [fate for one in cut(chunk) for fate in self._deliver(sender, head, one)]
        if short or not found:
            self._losses.too_short(sender, max(short, 1))
            return ((MALFORMED, max(short, 1)),)
        [(address, parts)] = found.items()
        peer, count = self._peers.peers.get(address), len(parts) - 1
        if peer is None:
            self._losses.undelivered(sender, address, count)
            return ((GONE, count),)
        taken = peer.box.offer(head.join(parts), count)
        peer.counts.received += taken
        peer.counts.dropped += count - taken
        return offered(count, taken)
