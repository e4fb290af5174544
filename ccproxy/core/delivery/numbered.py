"""The input of a link of CC messages with acknowledged delivery: runs of numbered messages.

It must never keep bytes, nor say anything to the source itself: the tracker of the link knows what
is to be said.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.numbered_runs import NumberedRuns
from ccproxy.core.flows import Target
from ccproxy.core.hot import Buffer
from ccproxy.core.ingress import Ingress
from ccproxy.core.message import Message
from ccproxy.core.runs import PeerInput, Run
from ccproxy.core.sinks import Sink
from ccproxy.core.switch import Switch
from ccproxy.wire.zmtp.frames import unpack


class NumberedIngress(Ingress):
    """The input of one connection of a link; see the module."""

    __slots__ = ("_link", "_runs")

    def __init__(self, switch: Switch, input: PeerInput, link: RememberedLink) -> None:
        super().__init__(switch, input)
        self._link = link
        self._runs = NumberedRuns(switch, link)

    def feed(self, data: bytes) -> tuple[int, int, Sequence[Sink]]:
        """Pass on the whole messages of a read, see `NumberedRuns.feed`."""
        link = self._link
        if link.again or link.next is None or link.tracker.blocked:
            return self._runs.feed(data, self._limits, super().feed)
        return super().feed(data)

    def _emit(self, target: Target, parts: list[Buffer], size: int) -> bool:
        if target.untapped is not None:
            return self._emit_indirect(target, parts, size)
        if len(parts) == 1:  # the scan has given the last message alone, because handlers see it
            return False
        self._runs.pass_on(target, CcRun(self, parts, size))
        return bool(target.handlers) and self._tired()

    def drop(self, target: Target, parts: list[Buffer], size: int) -> None:
        """Count messages that go nowhere."""
        self._drop(target, parts, size)

    def run(self, envelopes: bytes, messages: int) -> Run:
        """Messages as sinks want them that choose among peers."""
        return Run(self._source, messages, envelopes=envelopes)

    def message(self, raw: Buffer) -> Message:
        """A message as handlers want it."""
        source = self._source
        return Message.cut([source.identity, *unpack(raw)], self._switch.codec, source.listener)


class CcRun:
    """See `NumberedRun`; `parts` are the messages behind an empty one."""

    __slots__ = ("_ingress", "_parts", "messages", "size")

    def __init__(self, ingress: NumberedIngress, parts: list[Buffer], size: int) -> None:
        self._ingress = ingress
        self._parts = parts
        self.messages = len(parts) - 1
        self.size = size

    def envelopes(self) -> bytes:
        """With the name of the source in front of each."""
        return self._ingress.prefix.join(self._parts)

    def run(self) -> Run:
        """The same as a run."""
        return self._ingress.run(self.envelopes(), self.messages)

    def raws(self) -> Iterable[Buffer]:
        """As they came."""
        return self._parts[1:]

    def message(self, raw: Buffer) -> Message:
        """With the type that it has."""
        return self._ingress.message(raw)

    def drop(self, target: Target) -> None:
        """See `Ingress`."""
        self._ingress.drop(target, self._parts, self.size)
