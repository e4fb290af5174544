"""Messages whose type is found in another way than in CC: by a function of the listener.

`KeyedIngress` is what a ZMTP listener of another socket type needs on the data path: it finds whole
messages in a read, asks where each belongs and passes runs on like `Ingress`. It must never keep
bytes between two reads.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy.core.flows import Flow, Target
from ccproxy.core.hot import Buffer
from ccproxy.core.ingress import Ingress
from ccproxy.core.runs import PeerInput
from ccproxy.core.sinks import Sink
from ccproxy.core.stops import BLOCKED, BROKEN, COMMAND, MORE, TIRED, TOO_BIG
from ccproxy.core.switch import Switch
from ccproxy.wire.zmtp.frames import SHORT_MAX, pack

HEADS = 1024
"""Types of one peer whose envelope is remembered."""

TypeOf = Callable[[bytes, int, int], bytes]
"""The message type of the whole message `data[start:end]`, as bytes: (data, start, end)."""


class KeyedIngress(Ingress):
    """An Ingress for messages that carry no CC envelope.

    Each message gets one, an empty frame and the type, in front of its own frames, which stay as
    they are; bytes are counted with it. A type that is none makes the message malformed.
    """

    __slots__ = ("_heads", "_type_of")

    def __init__(self, switch: Switch, input: PeerInput, type_of: TypeOf) -> None:
        super().__init__(switch, input)
        self._type_of = type_of
        self._heads: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read: (bytes done, why it stopped), see `hot.scan`."""
        start = 0
        target: Target | None = None
        parts: list[Buffer] = [b""]
        while True:
            end, stop = end_of(data, start, self._limits)
            if stop or end > len(data):
                break
            flow, head = self._flow(self._type_of(data, start, end))
            if flow.target is not target:
                self._pass_on(target, parts)
                target, parts = flow.target, [b""]
                if waiting := [sink for sink in target.blocking if sink.blocked]:
                    return start, BLOCKED, waiting
            flow.count += 1
            flow.bytes += end - start
            parts.append(head + data[start:end])
            start = end
            if target.handlers and self._pass_on(target, parts):
                return start, TIRED, ()
            if target.handlers:
                parts = [b""]
        self._pass_on(target, parts)
        return start, stop, ()

    def _pass_on(self, target: Target | None, parts: list[Buffer]) -> bool:
        """Pass on a run, if there is one; True if handlers have had enough time."""
        if target is None or len(parts) == 1:
            return False
        return self._emit(target, parts, sum(map(len, parts)))

    def _flow(self, type: bytes) -> tuple[Flow, bytes]:
        """The flow of a type, and the frames in front of its messages."""
        access = self._access
        flow = access.flows.get(type) or access.miss(type)
        head = self._heads.get(type)
        if head is None:
            if len(self._heads) >= HEADS:
                self._heads.clear()
            head = pack([b"", type, b""])[:-2]
            if len(type) <= SHORT_MAX:
                self._heads[type] = head
        return flow, head


def end_of(data: bytes, start: int, limits: tuple[int, int]) -> tuple[int, int]:
    """Where the message at `start` ends, and why the scan has to stop, MORE if it need not.

    An end beyond the data means that the message is not whole yet.
    """
    limit, most = limits
    at, size, flags, frames = start, len(data), 1, 0
    while flags & 1:
        if at + 2 > size:
            return size + 1, MORE
        flags = data[at]
        if flags > 3:
            return at, COMMAND if at == start and flags in (4, 6) else BROKEN
        if flags & 2 and at + 9 > size:
            return size + 1, MORE
        length = int.from_bytes(data[at + 1 : at + 9], "big") if flags & 2 else data[at + 1]
        at += length + (9 if flags & 2 else 2)
        frames += 1
        if at - start > limit:
            return at, TOO_BIG
        if frames > most:
            return at, BROKEN
    return at, MORE
