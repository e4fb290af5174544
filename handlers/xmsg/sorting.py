"""The input of publishers whose messages do not all go the same way: their topics decide.

A topic is looked at once, as with every flow; what is decided for it holds for the messages that
follow. It must never look behind the first frame.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ccproxy.core.flows import Flow
from ccproxy.core.rights import Rights
from ccproxy.core.runs import PeerInput
from ccproxy.core.switch import Switch
from ccproxy.core.typed import Given, Topic, TopicIngress, typed

Sort = Callable[[bytes, Rights], Flow | None]
"""The flow of a topic that a peer with these rights publishes; None = as the routes say."""


@dataclass(frozen=True, slots=True)
class Sorted(Given):
    """What a listener gives to messages; with `topics` their types end in their topics."""

    sort: Sort = lambda topic, rights: None
    topics: bool = False


class SortingIngress(TopicIngress):
    """The input of one publisher."""

    __slots__ = ("_sort", "_typed")

    def __init__(self, switch: Switch, input: PeerInput, given: Sorted) -> None:
        super().__init__(switch, input, given)
        self._sort = given.sort
        self._typed = given.topics

    def _topic(self, key: bytes) -> Topic:
        type = typed(self._type, key) if self._typed else self._type
        flow = self._sort(key, self._access.rights)
        return Topic(type, flow or self._routed(type), self._access)
