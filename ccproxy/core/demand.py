"""What a listener asks its publishers for: the union of what all its destinations want.

A destination that is a `Publisher` wants what its subscribers want; any other one, such as a link
to another server or a filter, wants everything. Fixed prefixes replace all that. It must never send
anything: changes go to a call.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence

from ccproxy.core.flows import Target
from ccproxy.core.publisher import Publisher
from ccproxy.core.subscriptions import SORTED

EVERYTHING = b""
"""The prefix of all topics."""


class Demand:
    """The prefixes that are wanted, each once; a Supplier of the publishers that it follows."""

    def __init__(
        self, tell: Callable[[Sequence[bytes]], None], send: Callable[[bytes], bool]
    ) -> None:
        """`tell` is called with prefixes that are wanted now, or not any more; `send` with each
        message of a subscriber for the publishers, True if there was one to take it."""
        self._tell = tell
        self._send = send
        self._wanted: Counter[bytes] = Counter()
        self._fixed: tuple[bytes, ...] = ()
        self._followed: tuple[Publisher, ...] = ()

    @property
    def prefixes(self) -> Iterable[bytes]:
        """All wanted prefixes, in the order of their bytes as in libzmq unless they are many."""
        wanted = self._wanted
        return sorted(wanted) if len(wanted) <= SORTED else wanted.keys()

    def wants(self, prefix: bytes) -> bool:
        """True if a prefix is wanted now."""
        return prefix in self._wanted

    def follow(self, targets: Sequence[Target], fixed: Sequence[bytes] | None = None) -> None:
        """Want what the sinks of these targets want, or just `fixed`; told are the differences."""
        publishers, own = destinations(targets)
        if fixed is not None:
            own = tuple(fixed)
        elif own:
            own = (EVERYTHING,)
        if publishers == self._followed and own == self._fixed:
            return
        for one in self._followed:
            one.upstream.remove(self)
        for one in publishers:
            one.upstream.append(self)
        self._followed, self._fixed = publishers, own
        before, self._wanted = self._wanted, Counter(own)
        if fixed is None and not own:
            for one in publishers:
                self._wanted.update(one.subscriptions.prefixes)
        more = [one for one in self._wanted if one not in before]
        less = [one for one in before if one not in self._wanted]
        if more or less:
            self._tell([*more, *less])

    def change(self, more: bool, prefix: bytes) -> None:
        """One of the publishers wants a prefix now, or not any more."""
        if self._fixed:
            return
        if more:
            self._wanted[prefix] += 1
            if self._wanted[prefix] == 1:
                self._tell((prefix,))
            return
        self._wanted[prefix] -= 1
        if self._wanted[prefix] <= 0:
            del self._wanted[prefix]
            self._tell((prefix,))

    def message(self, payload: bytes) -> bool:
        """A subscriber has sent a message for the publishers."""
        return self._send(payload)


def destinations(targets: Sequence[Target]) -> tuple[tuple[Publisher, ...], tuple[bytes, ...]]:
    """The publishers among all sinks, and `(EVERYTHING,)` if there is another destination."""
    publishers: dict[Publisher, None] = {}
    others = False
    for target in targets:
        others = others or bool(target.handlers)
        for sink in target.sinks:
            if isinstance(sink, Publisher) and sink.tells:
                publishers[sink] = None
            else:
                others = True
    return tuple(publishers), (EVERYTHING,) if others else ()
