"""Messages to a PULL and a ROUTER socket over a link with acknowledged delivery, of another server.

They are numbered, and their type is that of the listener. It must never keep bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.numbered_runs import NumberedRuns
from ccproxy.core.flows import Target
from ccproxy.core.hot import Buffer
from ccproxy.core.message import Message
from ccproxy.core.runs import PeerInput, Run
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given, TypedIngress
from ccproxy.protocols.zmq.calls import RouterIngress


class NumberedPull(TypedIngress):
    """The input of one connection of a link to a PULL socket."""

    __slots__ = ("_runs",)

    def __init__(
        self, switch: Switch, input: PeerInput, link: RememberedLink, given: Given
    ) -> None:
        super().__init__(switch, input, given)
        self._runs = NumberedRuns(switch, link)

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read, see `NumberedRuns.feed`."""
        return self._runs.feed(data, self._limits, super().feed)

    def _pass(self, target: Target, chunk: bytes, messages: int, type: bytes) -> None:
        if target.taps:
            self._show(target, chunk, messages, type)
        self._runs.pass_on(target, TypedRun(self, chunk, messages))

    def run(self, chunk: bytes, messages: int) -> Run:
        """Messages as sinks want them."""
        return self._run(chunk, messages, self._type)

    def message(self, raw: Buffer) -> Message:
        """A message as handlers want it."""
        return self._message(bytes(raw), self._type)

    def drop(self, target: Target, chunk: bytes, messages: int) -> None:
        """Count messages that go nowhere."""
        self._drop(target, chunk, messages, self._type)


class NumberedRouter(NumberedPull, RouterIngress):
    """The same for a ROUTER socket; answers go back without acknowledgements."""

    __slots__ = ()


class TypedRun:
    """See `NumberedRun`."""

    __slots__ = ("_chunk", "_ingress", "_run", "messages", "size")

    def __init__(self, ingress: NumberedPull, chunk: bytes, messages: int) -> None:
        self._ingress = ingress
        self._chunk = chunk
        self._run = ingress.run(chunk, messages)
        self.messages = messages
        self.size = len(chunk)

    def envelopes(self) -> bytes:
        """With the name of the source and the type of the listener in front of each."""
        return self._run.envelopes

    def run(self) -> Run:
        """Payloads, and what stands in front of them in envelopes."""
        return self._run

    def raws(self) -> Iterable[Buffer]:
        """As they came."""
        return cut(self._chunk)

    def message(self, raw: Buffer) -> Message:
        """With the type of the listener."""
        return self._ingress.message(raw)

    def drop(self, target: Target) -> None:
        """See `TypedIngress`."""
        self._ingress.drop(target, self._chunk, self.messages)
