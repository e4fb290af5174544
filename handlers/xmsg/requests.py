"""One client of a registrar: its requests, one after the other, and the answers, in their order.

As at a REP socket, what stands in front of a request up to the first empty frame comes back in
front of the answer. A request that is not answered at once holds up the next one of the same
client. It must never know what a request means, nor wait until its own client reads: one that is
gone never does, and its end would not be seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from ccproxy import Outbox, Receipt, Sink
from ccproxy.core.runs import PeerInput
from ccproxy.core.spans import cut, whole
from ccproxy.core.stops import BLOCKED, TIRED
from ccproxy.core.switch import Switch
from ccproxy.protocols.zmq.calls import delimited
from ccproxy.wire.zmtp.frames import frame, unpack

ACTION_SIZE = 200
"""Bytes of an action that come back in an answer."""
HEAD = 1024
"""Bytes that the first three frames of an answer have at most."""
UNDEFINED = b"undefined"


class Request(NamedTuple):
    """The three frames of a request, or only the first ones of what is none."""

    frames: Sequence[bytes]

    @property
    def proper(self) -> bool:
        """True if there are three frames."""
        return len(self.frames) == 3

    @property
    def action(self) -> str:
        """What is to be done."""
        return self.frames[0][:ACTION_SIZE].decode("utf-8", "replace")

    @property
    def data(self) -> bytes:
        """What it is to be done with."""
        return self.frames[2]

    @property
    def subject(self) -> bytes:
        """The first frame of the answer."""
        return self.frames[0][:ACTION_SIZE] if self.proper else UNDEFINED


class RequestSink:
    """The MessageSink of one client, and what its connection waits for while it is `busy`."""

    __slots__ = (
        "_box", "_limits", "_request", "_size", "_source", "_stack", "_switch", "_take", "_tired",
        "_waiter", "busy", "gone", "name",
    )  # fmt: skip

    may_block = True

    def __init__(
        self,
        switch: Switch,
        input: PeerInput,
        box: Outbox,
        take: Callable[[RequestSink, Request], None],
    ) -> None:
        """`box` is the outbox of the client, and `take` takes its requests."""
        self._switch = switch
        self._source, self._limits, self._tired = input
        self._box = box
        self._take = take
        self._waiter: Callable[[], None] | None = None
        self._stack = b""
        self._request = Request(())
        self._size = 0
        self.name = input.source.peer
        self.busy = False
        """True while a request is not answered."""
        self.gone = False
        """True once the client is not connected any more."""

    @property
    def client(self) -> bytes:
        """The identity of the client here."""
        return self._source.identity

    @property
    def address(self) -> str:
        """Where the client is, without the port that it has by chance."""
        return self._source.peer.rpartition(":")[0]

    @property
    def room(self) -> int:
        """Bytes of records that the next answer may have, beside what is not read yet."""
        return max(0, self._box.limits.bytes - self._box.bytes - len(self._stack) - HEAD)

    @property
    def unread(self) -> int:
        """Bytes of answers that the client has not read."""
        return self._box.bytes

    @property
    def blocked(self) -> bool:
        """True while the next request has to wait."""
        return self.busy

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Nothing is sent here: answers go through `answer`."""
        return 0

    def wait(self, call: Callable[[], None]) -> None:
        """Call once the request is answered."""
        if self.busy:
            self._waiter = call
        else:
            call()

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Take the whole requests of a read, see `hot.scan`."""
        if self.busy:
            return 0, BLOCKED, (self,)
        end, _, stop = whole(data, self._limits)
        done = 0
        for message in cut(data[:end]):
            done += len(message)
            self._begin(message)
            if self.busy:
                return done, BLOCKED, (self,)
            if done < end and self._tired():
                return done, TIRED, ()
        return end, stop, ()

    def _begin(self, message: bytes) -> None:
        ledger, size = self._switch.ledger, len(message)
        ledger.receive(1, size)
        body = delimited(message)
        if not body:
            ledger.end("malformed", 1, size)
            self._switch.notices.malformed(self._source.peer, message, 1)
            return
        ledger.end("consumed", 1, size)
        self._stack, self._size, self.busy = message[:body], size, True
        self._request = Request(unpack(message[body:]))
        self._take(self, self._request)

    def answer(self, sender: bytes, status: str, records: bytes = b"") -> None:
        """Answer the request; `records` are frames, of which the last one ends the message."""
        head = frame(self._request.subject, more=True) + frame(sender, more=True)
        chunk = self._stack + head + frame(status.encode(), more=bool(records)) + records
        fate = "gone"
        if not self.gone:
            fate = "replied" if self._box.offer(chunk, 1) else "full"
        self._switch.ledger.change("consumed", fate, self._size)
        self.busy, self._request, self._stack = False, Request(()), b""
        call, self._waiter = self._waiter, None
        if call is not None:
            call()
