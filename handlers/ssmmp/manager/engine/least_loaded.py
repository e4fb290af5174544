"""Which instance of a service has the fewest sessions, without looking at all of them.

A heap for each service, to which every change of a load is added. What it says is compared with the
indexes when it is read, so that old entries do no harm. It is derived from the rows, and must never
be the only place of anything.
"""

from __future__ import annotations

from heapq import heapify, heappop, heappush

from .index import Index
from .rows import InstanceRow, SessionRow

_SPARE = 1024
"""Old entries that a heap may hold besides twice its instances, before it is made anew."""


class LeastLoaded:
    """`note` is told of every change; `least` gives the instance."""

    def __init__(
        self, instances: Index[InstanceRow, int], sessions: Index[SessionRow, int]
    ) -> None:
        self._instances = instances
        self._sessions = sessions
        self._heaps: dict[str, list[tuple[int, int]]] = {}

    def note(self, service: str, key: int) -> None:
        """The load of an instance may have changed, or it has become ready."""
        heap = self._heaps.get(service)
        if heap is not None:
            heappush(heap, (self._load(key), key))

    def least(self, service: str) -> int:
        """The ready instance with the fewest sessions, 0 if none is ready; of equals the oldest."""
        keys = self._instances.of(("ready", service))
        heap = self._heaps.get(service)
        if heap is None or len(heap) > 2 * len(keys) + _SPARE:
            heap = self._heaps[service] = [(self._load(one), one) for one in keys]
            heapify(heap)
        while heap:
            load, key = heap[0]
            if key in keys and load == self._load(key):
                return key
            heappop(heap)
        return 0

    def _load(self, key: int) -> int:
        return self._sessions.size(("to", key))
