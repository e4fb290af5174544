"""Whether calls of a connection are read: not while too much of it is under way.

It must never drop a call or an answer; a caller that goes too fast waits.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.net.stream import Stream
from ccproxy.protocols.jolie.values import CallerSide

MAX_UNREAD = 1024 * 1024
"""Bytes of answers that a caller may leave unread before no more of its calls are read."""
MAX_PIPELINE = 1000
"""Calls of one connection without answer before no more of them are read, until half are left."""
MAX_PIPELINE_BYTES = 16 << 20
"""Bytes of such calls, likewise; a single call may have any size."""


class Backpressure:
    """Whether calls of a connection are read: not while too much of it is unanswered or unread.

    `wake` is called when the caller has read enough of its answers for its calls to be taken.
    """

    __slots__ = ("_side", "_stream", "_wake", "_watching", "bytes", "held", "taking", "unread")

    def __init__(self, stream: Stream, side: CallerSide, wake: Callable[[], None]) -> None:
        self.held = False
        """True while the connection is not read."""
        self.unread = False
        """True if that is because of answers that the caller did not read."""
        self.taking = False
        """True while calls that were read are still to be taken."""
        self.bytes = 0
        """Bytes of the calls without answer."""
        self._stream = stream
        self._side = side
        self._wake = wake
        self._watching = False

    @property
    def needed(self) -> bool:
        """True if so much is unanswered that `apply` would stop reading."""
        side = self._side
        return side.calls > MAX_PIPELINE or side.crowded or self.bytes > MAX_PIPELINE_BYTES

    def apply(self) -> None:
        """Stop reading or read on, whatever the numbers say now."""
        stream, side, box = self._stream, self._side, self._stream.box
        self.unread = box.bytes > MAX_UNREAD or box.blocked
        share = 2 if self.held else 1
        many = side.calls > MAX_PIPELINE // share or self.bytes > MAX_PIPELINE_BYTES // share
        self.held = self.unread or many or side.crowded or self.taking
        if not self.held:
            stream.resume()
            return
        stream.pause()
        if self.unread and not self._watching:
            self._watching = True
            box.wait(self._on_drained)

    def _on_drained(self) -> None:
        """The kernel took some answers: see whether enough of them."""
        self._watching = False
        self.apply()
        if not self.unread:
            self._wake()
