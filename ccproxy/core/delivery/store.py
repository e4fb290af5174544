"""The contract of a store: what a link with acknowledged delivery holds until the far side has it.

Messages of a store have numbers: within one opening of the store, which is an *epoch*, they count
from 1. What a store keeps over its end keeps the epoch in which it came.

    offer, accept --> ready --fetch--> unacknowledged --release--> gone (acknowledged or refused)
                        ^                    |
                        +-------rewind-------+

This module must never hold anything but the contract and its values.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import NamedTuple, Protocol, TypeAlias

from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.sinks import Receipt
from ccproxy.wire.zmtp.frames import boundaries

Chunk: TypeAlias = bytes
"""Whole messages as they go on the wire. Within a store the name `bytes` is a number."""
RandomId: TypeAlias = bytes
"""16 random bytes."""

SAFE = "safe"
"""The outcome of messages that are where they must not get lost: the far side has acknowledged
them, or they are in a file. Any other outcome of a store is the reason for which it has lost them.
"""


class MessageNumber(NamedTuple):
    """A message of a store; 0 stands for the place in front of the first one of the epoch."""

    epoch: int
    number: int


class Stored(NamedTuple):
    """A run of whole messages, as they go on the wire; the first one has the number `first`.

    The numbers of one run have no gap. The next run may begin behind a gap: what would have had
    the numbers between was dropped.
    """

    epoch: int
    first: int
    messages: int
    data: bytes
    replay: bool = False
    """True if it was acknowledged before, and is sent once more on purpose."""

    @property
    def last(self) -> int:
        """The number of its last message."""
        return self.first + self.messages - 1

    def split(self, last: int) -> tuple[Stored | None, Stored | None]:
        """The part up to a number, and the part behind it; None if there is none."""
        if last < self.first:
            return None, self
        if last >= self.last:
            return self, None
        messages = last - self.first + 1
        end = end_of(self.data, messages)
        return (
            self._replace(messages=messages, data=self.data[:end]),
            self._replace(first=last + 1, messages=self.messages - messages, data=self.data[end:]),
        )


class RunOrigin(NamedTuple):
    """Where a run came from: the id of the link that sent it, the number of its first message
    there, and whether it is a replay."""

    link: bytes
    epoch: int
    first: int
    replay: bool = False


UNNUMBERED = RunOrigin(b"", 0, 1)
"""The origin of a run whose numbers mean nothing to the store that gets it."""
REPLAYED = RunOrigin(b"", 0, 1, True)
"""The same of a replay: an operator lets it wait again, or it has come as one."""


class LinkStore(CountedQueue, Protocol):
    """A Sink whose messages go to the far side of one link. Every call is made on the loop, and
    none of them waits. Its way out is `fetch`, because a sink with `take` is a Distributor.

    Of its counts `sent` are messages that the far side has acknowledged, `waiting` those whose end
    is not known, and `dropped` has the reasons full, old and memory, or what the far side says.
    """

    refused: Counter[str]
    """Those of `dropped` that the far side has not taken, by what it says."""

    link: RandomId
    """The id of the link, which lasts as long as what the store holds."""
    opening: int
    """The epoch of the messages that come in now: 8 random bytes, new at each opening."""
    server: RandomId
    """The id of the far side that the unacknowledged messages were fetched for; b"" if there are
    none. The engine sets it before it fetches any; a store that outlives its process keeps it."""
    on_more: Callable[[], None]
    """Called when `fetch` may give more after it gave nothing; set by the owner of the link."""
    on_dead: Callable[[Chunk, int, str], None] | None
    """Called with messages, their number and the reason, if the far side has refused them."""

    @property
    def duplicates(self) -> int:
        """Messages that were accepted before, and were not taken again."""

    @property
    def unacknowledged(self) -> int:
        """Messages that were taken and are not released: the far side may have them. After a
        restart these are all that wait, because the store cannot know."""

    @property
    def may_block(self) -> bool:
        """As that of a Sink."""

    @property
    def blocked(self) -> bool:
        """As that of a Sink."""

    def wait(self, call: Callable[[], None]) -> None:
        """As that of a Sink."""

    def offer(self, chunk: Chunk, messages: int, receipt: Receipt | None = None) -> int:
        """Take whole messages; return the number accepted, count the others as dropped.

        `receipt` is told SAFE of the accepted messages, or the reason why they were lost after all.
        """

    def accept(self, chunk: Chunk, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """As `offer`, for messages that another link has numbered.

        Those up to the last number of this link and epoch that is here already are counted as
        duplicates, and the receipt is told SAFE of them when that number is safe. They are among
        the number returned. Those of a link b"" have no numbers. A store that cannot know yet what
        is here takes all, tells the receipt that they are held, and the outcome when it knows.
        """

    def fetch(self, limit: int) -> Sequence[Stored]:
        """The next runs that may be sent, of about `limit` bytes at most, at least one if there is
        any; they are unacknowledged from now on. Empty: nothing is ready, `on_more` will be called.

        A store on a disk gives only what is committed.
        """

    def rewind(self, have: Mapping[int, int]) -> None:
        """The connection was lost: what is unacknowledged is ready again, and `fetch` begins with
        it.

        `have` says for each epoch the last number that the far side has. Messages up to it are not
        taken again; they stay unacknowledged until `release`. An empty mapping stands for a far
        side that knows nothing.
        """

    def release(self, to: MessageNumber) -> None:
        """The messages of this epoch up to this number, and everything in front of them, are
        acknowledged, or refused if `refuse` has said so.

        The number may be higher than any here: a store from a backup knows less than the far side.
        An epoch that is not here changes nothing.
        """

    def refuse(self, epoch: int, first: int, count: int, reason: str) -> None:
        """The far side will not take these messages. They are dropped for this reason as soon as
        `release` reaches them, which may be never; those that are released already are ignored."""

    def rename(self, name: str) -> None:
        """The section of the link has another name now."""

    def close(self, reason: str) -> None:
        """The link is over: what is only in memory is dropped for this reason, which is `stop` if
        the whole server stops."""


def end_of(chunk: bytes, messages: int) -> int:
    """Where the first messages of a chunk end; ValueError if it has fewer."""
    end = next(islice(boundaries(chunk), messages - 1, None), None)
    if end is None:
        raise ValueError(f"{messages} messages expected, the chunk has fewer")
    return end
