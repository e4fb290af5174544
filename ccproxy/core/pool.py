"""The sink of a socket that gives each message to one of its peers: the next in turn with room.

The messages wait in one backlog, which has the limits and the policy of the section. Each worker
has a small window of its own, so that one that reads slowly does not hold what others could do;
what no byte was sent of comes back when a worker goes. It must never touch a socket.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ccproxy.core.outbox import Outbox
from ccproxy.core.runs import FORWARDED, Fates, Run, offer_to, offered
from ccproxy.core.sinks import Receipt
from ccproxy.core.spans import deal

Shape = Callable[[Run], bytes]
"""Makes what workers get of a run: as many messages, each for one of them."""


class Worker(Protocol):
    """A peer of a pool, and what it may be given now."""

    name: bytes
    """The identity of the peer."""

    @property
    def slots(self) -> int:
        """Messages that it may be given now; 0 or less: none."""

    @property
    def room(self) -> int:
        """Bytes that it may be given now; one message may be larger. 0 or less: none."""

    def give(self, chunk: bytes, messages: int) -> None:
        """Take whole messages, no more than it has slots for."""

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when there is room again."""

    def leave(self) -> list[tuple[bytes, int]]:
        """The peer is gone: the chunks, as they were given, which another worker may have."""


class WindowWorker:
    """A worker that has room while its outbox, whose policy is `block`, is below its limits."""

    __slots__ = ("box", "name")

    def __init__(self, name: bytes, box: Outbox) -> None:
        self.name = name
        self.box = box

    @property
    def slots(self) -> int:
        """The rest of its window in messages."""
        return self.box.limits.messages - self.box.waiting

    @property
    def room(self) -> int:
        """The rest of its window in bytes."""
        return self.box.limits.bytes - self.box.bytes

    def give(self, chunk: bytes, messages: int) -> None:
        """Put messages into the outbox."""
        self.box.put(chunk, messages)

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` when half of the window is free."""
        self.box.wait(call)

    def leave(self) -> list[tuple[bytes, int]]:
        """Empty the outbox."""
        return self.box.withdraw()


def payloads_of(run: Run) -> bytes:
    """The Shape of PUSH: the frames of the messages, and nothing else."""
    return run.payloads


class WorkerPool:
    """A Distributor; see the module."""

    def __init__(self, backlog: Outbox, shape: Shape = payloads_of) -> None:
        self.name = backlog.name
        self.backlog = backlog
        """Messages that no worker has; it counts those as sent that a worker was given."""
        self.returned = 0
        """Messages that workers gave back."""
        self.workers: dict[bytes, Worker] = {}
        self.watchers: list[Callable[[], None]] = []
        """Called when a worker has come or is gone."""
        self._free: deque[Worker] = deque()
        self._shape = shape

    @property
    def may_block(self) -> bool:
        """True with the policy `block`."""
        return self.backlog.may_block

    @property
    def blocked(self) -> bool:
        """True while the backlog is full and senders have to wait."""
        return self.backlog.blocked

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the backlog has room again."""
        self.backlog.wait(call)

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take messages with envelopes; the number that a worker or the backlog has taken."""
        return offer_to(self, chunk, messages, receipt)

    def take(self, run: Run) -> Fates:
        """Give the messages of a run to workers; those that none has room for wait."""
        chunk, messages, backlog = self._shape(run), run.messages, self.backlog
        if backlog.waiting or not self._free:
            return offered(messages, backlog.offer(chunk, messages))
        end, dealt = self._deal(chunk, 0, messages)
        backlog.straight(dealt)
        if dealt == messages:
            return ((FORWARDED, messages),)
        rest = messages - dealt
        return offered(messages, dealt + backlog.offer(chunk[end:], rest))

    def join(self, worker: Worker) -> None:
        """A worker has come."""
        self.workers[worker.name] = worker
        self._has_room(worker)
        self._tell()

    def leave(self, name: bytes) -> None:
        """A worker is gone; what it gives back is in front of what waits."""
        worker = self.workers.pop(name)
        if worker in self._free:
            self._free.remove(worker)
        self.take_back(worker.leave())
        self._tell()

    def put_all(self, chunks: Sequence[tuple[bytes, int]]) -> None:
        """Take messages in the form that workers get, whatever the limits are."""
        for chunk, count in chunks:
            self.backlog.put(chunk, count)
        self._refill()

    def take_back(self, chunks: list[tuple[bytes, int]]) -> None:
        """Workers give messages back, as they got them: others get them before what waits."""
        self.returned += sum(messages for _, messages in chunks)
        self.backlog.restore(chunks)
        self._refill()

    def _tell(self) -> None:
        for call in list(self.watchers):
            call()

    def _has_room(self, worker: Worker) -> None:
        if self.workers.get(worker.name) is worker:
            self._free.append(worker)
            self._refill()

    def _refill(self) -> None:
        """Hand out what waits, as far as workers have room."""
        backlog = self.backlog
        while backlog.waiting and self._free:
            chunk, start = backlog.first()
            end, _ = self._deal(chunk, start, backlog.waiting)
            backlog.advance(end - start)

    def _deal(self, chunk: bytes, at: int, most: int) -> tuple[int, int]:
        """Give out the messages of a chunk, at most `most`, from `at` on; the end of those that
        found a worker, and their number."""
        free = self._free
        turns = [free.popleft() for _ in range(min(len(free), most))]
        slots, rooms = [one.slots for one in turns], [one.room for one in turns]
        end, turn, shares = deal(chunk, at, slots, rooms)
        dealt = 0
        for number in (*range(turn, len(turns)), *range(turn)):
            worker, share = turns[number], shares[number]
            if share:
                dealt += len(share)
                worker.give(b"".join(share), len(share))
            if slots[number] > 0 and rooms[number] > 0:
                free.append(worker)
            else:
                worker.wait(partial(self._has_room, worker))
        return end, dealt
