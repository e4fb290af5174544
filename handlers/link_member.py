"""A link as a member of a group: what waits in its queue can go to another link.

It must never take what was written on its own: the link knows what the far side may have.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ccproxy import Link, MovedRun, Sink

ENVELOPES = "cc"
"""The form of messages as they travel between servers."""


class LinkMember:
    """See `ccproxy.Member`; it is the one that the link tells of its state."""

    def __init__(self, link: Link, form: str = ENVELOPES, sink: Sink | None = None) -> None:
        """`form` is that of what waits; `sink` makes it of messages as they travel between servers,
        if it is another one."""
        self.form = form
        self._link = link
        self._sink = sink
        self._watchers: list[Callable[[], None]] = []
        link.on_state(self._changed)

    @property
    def sink(self) -> Sink:
        """The queue of the link, or what is in front of it."""
        return self._sink or self._link.sink

    @property
    def state(self) -> str:
        """That of the link."""
        return self._link.state

    @property
    def reason(self) -> str:
        """Why the link is not up."""
        return self._link.reason

    @property
    def waiting(self) -> tuple[int, int]:
        """Messages and bytes in the queue."""
        box = self._link.sink
        return box.waiting, box.bytes

    def has_room(self, size: int, messages: int) -> bool:
        """True if they fit below the limits of the queue."""
        return self._link.sink.has_room(size, messages)

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever the state of the link has changed."""
        self._watchers.append(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""
        if call in self._watchers:
            self._watchers.remove(call)

    def give_back(self, most: int) -> list[MovedRun]:
        """Take back what was not begun, and perhaps what is not acknowledged."""
        return self._link.give_back(most)

    def put_all(self, runs: Sequence[MovedRun]) -> None:
        """Append what another link gave back."""
        for run in runs:
            self._link.sink.put(*run)

    def _changed(self, state: str) -> None:
        for call in list(self._watchers):
            call()
