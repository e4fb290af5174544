"""A queue with a connection of its own for each client, on which that client's routing id stands.

The service sees each client as if it had connected itself, and no envelopes. It must never keep
the connection of a client that is gone longer than what it has sent needs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ccproxy import Context, Link, Outbox
from ccproxy.core.answers import GONE, give
from ccproxy.core.flows import Flow, Target
from ccproxy.core.runs import Fates, MessageSource, PeerInput, Run, offered
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import whole
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given
from ccproxy.net.zmtp.role import LinkRole, ListenerRole
from ccproxy.protocols.zmq.calls import RouterIngress
from ccproxy.protocols.zmq.codec import FRAMES
from ccproxy.protocols.zmq.replies import PayloadReplies

from .options import QueueOptions

RESERVED = b"\0"
"""Names that begin so are made by servers and sockets; no peer may give itself one."""


class Relays:
    """The connections of all clients of one section."""

    def __init__(self, options: QueueOptions, ctx: Context) -> None:
        self._options = options
        self._ctx = ctx
        self._links: dict[bytes, Link] = {}

    def role(self) -> ListenerRole:
        """For clients."""
        return ListenerRole(
            b"ROUTER", self.ingress, left=self.left, replies=PayloadReplies, own_identities=True
        )

    def ingress(self, switch: Switch, input: PeerInput) -> RouterIngress:
        """Connect to the service for a client; its messages go there, the answers to it."""
        source, name = input.source, input.source.routing_id
        role = LinkRole(
            ingress=partial(RelayedAnswers, box_of=partial(self._box_of, source)),
            identity=b"" if name.startswith(RESERVED) else name,
        )
        [address] = self._options.services
        link = self._ctx.link(address, self._options, role=role, apart=source.identity.hex())
        self._links[source.identity] = link
        flow = Flow(Target((PayloadSink(link.outbox),)))
        given = Given(b"queue", FRAMES, lambda type: flow)
        return RouterIngress(switch, input, given)

    def _box_of(self, client: MessageSource) -> Outbox | None:
        """What waits for a client; None if it is gone."""
        return client.box if client.identity in self._links else None

    def left(self, identity: bytes, box: Outbox) -> None:
        """A client is gone: so is its connection, when what it has sent is out."""
        if link := self._links.pop(identity, None):
            self._ctx.release(link)

    def status(self) -> dict[str, Any]:
        """Facts for the status page."""
        return {"connections": len(self._links)}


class PayloadSink(PayloadReplies):
    """A Distributor with one peer, which gets the frames of all messages."""

    __slots__ = ()

    def take(self, run: Run) -> Fates:
        """Take the messages of a run."""
        return offered(run.messages, self.box.offer(run.payloads, run.messages))


class RelayedAnswers:
    """The input of the connection of one client: all of it is for that client."""

    __slots__ = ("_box_of", "_limits", "_switch")

    def __init__(
        self, switch: Switch, input: PeerInput, box_of: Callable[[], Outbox | None]
    ) -> None:
        """`box_of` gives the outbox of the client, None if it is gone."""
        self._box_of = box_of
        self._limits = input.limits
        self._switch = switch

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read, see `hot.scan`."""
        end, messages, stop = whole(data, self._limits)
        if messages:
            box = self._box_of()
            if box is None:
                self._switch.ledger.pass_by(GONE, messages, end)
            else:
                give(self._switch, box, data[:end], messages, end)
        return end, stop, ()
