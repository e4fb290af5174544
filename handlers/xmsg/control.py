"""The control channel of an xMsg proxy: the handshake of a client, and its check of a subscription.

Requests are published as data are, with topics that begin with `xmsg:control`, so they come from
the bus as to any subscriber, and are answered in steps. Answers to a handshake go to the client's
DEALER, which is connected to the ROUTER here and found by the identity that it has given itself. No
state is kept: each request is answered once. A request must never harm anything, whatever it holds.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any

from ccproxy import Context, Limits, Outbox
from ccproxy.core.runs import PeerInput
from ccproxy.core.spans import cut
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.role import ListenerRole, UnreadMessages
from ccproxy.wire.zmtp.frames import frame, unpack

CONTROL = b"xmsg:control"
"""The prefix of the topics of all requests: C++ clients send nothing behind it."""
PUB, SUB, REP = b"pub", b"sub", b"rep"
LIMITS = Limits(bytes=1024 * 1024, messages=10_000)
"""Requests that may wait; a client whose request is dropped sends it again after 100 ms."""
STEP = 0.002
"""Seconds of a turn of the loop after which no more requests are answered."""
PART = 16
"""Requests between two looks at the clock."""


class ControlChannel:
    """The requests and the clients of one proxy."""

    def __init__(self, name: str, ctx: Context, confirm: Callable[[bytes, bytes], None]) -> None:
        """`confirm` has to make a subscription sure: its arguments are the topic and the whole
        request, as one message on the wire."""
        self.box = ctx.outbox(f"{name} control", LIMITS)
        """Takes the requests."""
        self.box.wake = self._wake
        self.answered = 0
        self._ctx = ctx
        self._confirm = confirm
        self._due = False
        self._taken: deque[bytes] = deque()
        self._clients: dict[bytes, tuple[bytes, Outbox]] = {}
        self._names: dict[bytes, bytes] = {}

    def role(self) -> ListenerRole:
        """Of the listener for the DEALER sockets of clients."""
        return ListenerRole(b"ROUTER", self._ingress, left=self._left, own_identities=True)

    def status(self) -> dict[str, Any]:
        """Facts for the status page."""
        dropped = sum(self.box.dropped.values())
        return {"clients": len(self._clients), "answered": self.answered, "dropped": dropped}

    def _ingress(self, switch: Switch, input: PeerInput) -> UnreadMessages:
        """A client is connected. What it sends is discarded: it is not asked for anything."""
        source = input.source
        if source.box is not None:
            self._clients[source.routing_id] = source.identity, source.box
            self._names[source.identity] = source.routing_id
        return UnreadMessages(switch, input.limits, "discarded")

    def _left(self, identity: bytes, box: Outbox) -> None:
        """A client is gone; another one may have its name by now."""
        name = self._names.pop(identity, b"")
        if self._clients.get(name, (b"",))[0] == identity:
            del self._clients[name]

    def _wake(self, box: Outbox) -> None:
        if not self._due:
            self._due = True
            self._ctx.call_later(0, self._answer)

    def _answer(self) -> None:
        """Answer requests for a while."""
        self._due = False
        end = self._ctx.now() + STEP
        while requests := list(islice(self._requests(), PART)):
            for request in requests:
                self._obey(request)
            if self._ctx.now() >= end:
                self._wake(self.box)
                return

    def _requests(self) -> Iterator[bytes]:
        """Take requests out of the box, and of the chunk that was taken out before."""
        while self._taken or self.box.waiting:
            if not self._taken:
                [chunk] = self.box.peek(1)
                self._taken.extend(cut(bytes(chunk)))
                self.box.advance(len(chunk))
            yield self._taken.popleft()

    def _obey(self, request: bytes) -> None:
        frames = unpack(request)
        if len(frames) != 3:
            self._ctx.count("control.malformed")
            return
        _, word, about = frames
        if word == SUB:
            self.answered += 1
            self._confirm(about, request)
        elif word not in (PUB, REP):
            self._ctx.count("control.unknown")
        elif found := self._clients.get(about):
            self.answered += found[1].offer(frame(word), 1)
        else:
            self._ctx.count("control.no-client")
