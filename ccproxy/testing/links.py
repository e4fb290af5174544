"""Links and dialled connections without a far side: a test takes what a handler sent, and answers.

Nothing here may open a socket.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ccproxy.config.links import LinkOptions
from ccproxy.core.message import Message
from ccproxy.core.outbox import Outbox
from ccproxy.core.sinks import MovedRun
from ccproxy.handler import WireOwner
from ccproxy.net.zmtp.role import LinkRole
from ccproxy.wire import cc
from ccproxy.wire.zmtp.frames import boundaries, unpack

TIME = 1_700_000_000.0
"""The time at the start, in seconds since 1970."""
CODEC = cc.CcCodec("testhost", lambda: TIME)
"""The codec of the messages that `message` makes."""


class FakeLink:
    """A link without a connection: the test takes what was sent and gives what comes back."""

    def __init__(
        self,
        address: str,
        options: LinkOptions,
        on_message: Callable[[Message], None] | None,
        role: LinkRole | None = None,
    ) -> None:
        """`role` is kept for the test to look at, and not used."""
        self.address = address
        self.role = role
        self.options = options
        self.outbox = self.sink = Outbox(address, options.limits)
        self.state = "up"
        self.reason = ""
        self._on_message = on_message
        self._on_state: Callable[[str], None] = lambda state: None
        self.dead: Callable[[bytes, int, str], None] = lambda messages, count, reason: None

    def on_state(self, call: Callable[[str], None]) -> None:
        """See `Link`; the test calls `become`."""
        self._on_state = call

    def give_back(self, most: int) -> list[MovedRun]:
        """See `Link`."""
        return [MovedRun(*one) for one in self.outbox.take_unsent(most)]

    def on_dead(self, call: Callable[[bytes, int, str], None]) -> None:
        """See `Link`; the test makes the call in `dead`."""
        self.dead = call

    def become(self, state: str) -> None:
        """Change the state, and tell the handler."""
        self.state = state
        self._on_state(state)

    def take(self) -> list[Message]:
        """Take all messages that wait to be sent, in order; they count as sent then."""
        return take(self.outbox, self.address)

    def receive(self, message: Message) -> None:
        """Act as if a message without a route came from the far side."""
        if self._on_message is None:
            raise AssertionError(f"the handler does not listen to {self.address}")
        self._on_message(message)


class FakeWire:
    """A dialled connection; the test tells `owner` what happens to it."""

    def __init__(self, address: str, owner: WireOwner) -> None:
        self.address = address
        self.owner = owner
        self.written: list[bytes] = []
        self.when: list[Callable[[], None]] = []
        self.closed = self.paused = False

    waiting = 0
    """Bytes that wait; a test sets it."""

    def when_sent(self, call: Callable[[], None]) -> None:
        """Record the call."""
        self.when.append(call)

    def pause(self) -> None:
        """Record that it is not read."""
        self.paused = True

    def resume(self) -> None:
        """Record that it is read."""
        self.paused = False

    def write(self, data: bytes) -> bool:
        """Record the bytes, unless it is closed."""
        if not self.closed:
            self.written.append(data)
        return not self.closed

    def divert(self, pass_on: Callable[[bytes], Any], remains: Callable[[Any], None]) -> None:
        """Do nothing: a test calls `received` of the owner."""

    def send(self, pieces: Sequence[bytes | memoryview]) -> int:
        """Record the joined pieces, as `write` does."""
        return self.write(b"".join(pieces))

    def close(self) -> None:
        """Record that it is closed."""
        self.closed = True


def take(outbox: Outbox, listener: str = "") -> list[Message]:
    """Take all messages that wait in an outbox, in order; they count as sent then."""
    taken = []
    while waiting := outbox.peek(1):
        taken += [Message.cut(unpack(raw), CODEC, listener) for raw in _cut(waiting[0])]
        outbox.advance(len(waiting[0]))
    return taken


def _cut(data: bytes | memoryview) -> Iterator[bytes]:
    start = 0
    for end in boundaries(bytes(data)):
        yield bytes(data[start:end])
        start = end
