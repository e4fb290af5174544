"""What goes back to peers whose messages carry no type: the payload of an answer, nothing else.

Answers of handlers and of other servers come with an empty frame and a type in front, as in CC. It
must never keep a message.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.core.outbox import Outbox
from ccproxy.core.sinks import Receipt
from ccproxy.core.spans import parted, payloads


class PayloadReplies:
    """The Sink of one peer that takes envelopes off."""

    __slots__ = ("box", "name")

    def __init__(self, box: Outbox) -> None:
        self.box = box
        self.name = box.name

    @property
    def may_block(self) -> bool:
        """As its outbox."""
        return self.box.may_block

    @property
    def blocked(self) -> bool:
        """As its outbox."""
        return self.box.blocked

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take answers with an empty frame and a type in front."""
        return self.box.offer(self.plain(chunk), messages, receipt)

    def plain(self, chunk: bytes) -> bytes:
        """The answers as the peer gets them."""
        return payloads(chunk)

    def wait(self, call: Callable[[], None]) -> None:
        """As its outbox."""
        self.box.wait(call)


class RepReplies(PayloadReplies):
    """The same for a peer of a REP socket: what it put in front of its request comes back."""

    __slots__ = ()

    def plain(self, chunk: bytes) -> bytes:
        """The answers without their types."""
        return b"".join([stack + (frames or b"\0\0") for stack, _, frames in parted(chunk)])
