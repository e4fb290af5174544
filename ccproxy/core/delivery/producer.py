"""The engine of a client that wants receipts: what it sends next, and what a server's words mean.

    closed --have--> sending --disconnected--> closed
      |                 |
      +------cannot-----+--> cannot: this server gives no receipts, until another connection says
                                     what it has

Messages have numbers in the order in which they came, and go out in this order; a number that does
not follow from the last one is announced before. After `have` it goes on behind what the server
has (go-back-N). A server may acknowledge what it has said that it has and what was sent to it on
this connection; anything else raises ValueError and changes nothing, so no message is taken for
confirmed that was not. It must never touch a socket, a file or a clock.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import dropwhile
from typing import NamedTuple

from ccproxy.core.delivery.store import MessageNumber

CLOSED, SENDING, CANNOT = "closed", "sending", "cannot"


@dataclass(slots=True, eq=False)
class ProducedMessage:
    """A message whose end is not known."""

    place: MessageNumber
    frames: Sequence[bytes]
    size: int
    """In bytes."""
    sent: bool = False
    """True if the server may have it, or another server that was there before."""
    refusal: str = ""
    """Why the server has not taken it; the acknowledgement that covers it comes later."""


class MessageEnd(NamedTuple):
    """The end of a message: the kind of its acknowledgement, or the reason of its refusal."""

    message: ProducedMessage
    kind: str
    refusal: str


class ProducerEngine:
    """One client; see the module."""

    def __init__(self, epoch: int, restored: Iterable[ProducedMessage] = ()) -> None:
        """`epoch` is that of this start; restored messages are those of earlier ones, in order."""
        self.epoch = epoch
        self.last = 0
        """The number of the last message of this epoch."""
        self.state = CLOSED
        self.problem = ""
        """Why there are no receipts from the server, in the state `cannot`."""
        self.bytes = 0
        """Bytes of the messages whose end is not known."""
        self._messages: dict[MessageNumber, ProducedMessage] = {}
        self._unsent: deque[ProducedMessage] = deque()
        """What is to be sent on this connection; what has its end meanwhile is among it."""
        self._next: MessageNumber | None = None
        self._sent = 0
        """The last number of this epoch that was sent on any connection."""
        self._reached: dict[int, int] = {}
        """The last number of each epoch that the server may acknowledge."""
        self._trusted = False
        for one in restored:
            one.sent = True
            self._hold(one)

    def __len__(self) -> int:
        """Messages whose end is not known."""
        return len(self._messages)

    def __iter__(self) -> Iterator[ProducedMessage]:
        return iter(self._messages.values())

    def add(self, frames: Sequence[bytes], size: int) -> ProducedMessage:
        """Take a message, which gets the next number."""
        self.last += 1
        one = ProducedMessage(MessageNumber(self.epoch, self.last), frames, size)
        self._hold(one)
        return one

    def have(self, places: Mapping[int, int]) -> None:
        """A new connection: the server has the messages of these epochs up to these numbers."""
        claimed = places.get(self.epoch, 0)
        if claimed > self._sent:
            raise ValueError(f"it says that it has message {claimed}, and {self._sent} were sent")
        self._reached = dict(places)
        behind = dropwhile(lambda one: one.place.number <= places.get(one.place.epoch, 0), self)
        self._unsent = deque(behind)
        self._next, self._trusted = None, True
        self.state, self.problem = SENDING, ""

    @property
    def ready(self) -> bool:
        """True if `take` gives something."""
        unsent = self._unsent
        while unsent and unsent[0].place not in self._messages:
            unsent.popleft()
        return self.state == SENDING and bool(unsent)

    def take(self) -> ProducedMessage | MessageNumber | None:
        """What to send next: a message, or the number of the next one, to be announced."""
        if not self.ready:
            return None
        one = self._unsent[0]
        if one.place != self._next:
            self._next = one.place
            # What is in front of it has its end, and a server may say so without having seen it.
            before = max(one.place.number - 1, self._reached.get(one.place.epoch, 0))
            self._reached[one.place.epoch] = before
            return one.place
        self._unsent.popleft()
        one.sent = True
        self._next = MessageNumber(one.place.epoch, one.place.number + 1)
        return one

    def written(self, place: MessageNumber) -> None:
        """The socket has a message that was taken: the server may answer for it from now on."""
        self._reached[place.epoch] = max(place.number, self._reached.get(place.epoch, 0))
        if place.epoch == self.epoch:
            self._sent = max(place.number, self._sent)

    def acknowledged(self, to: MessageNumber, kind: str) -> list[MessageEnd]:
        """Everything up to this message has its end: the messages that had none before."""
        if not self._trusted or self._foreign(to.epoch):
            return []
        self._check(to)
        covered = self._up_to(to)
        for one in covered:
            self._check(one.place)
        for one in covered:
            del self._messages[one.place]
            self.bytes -= one.size
        return [MessageEnd(one, "" if one.refusal else kind, one.refusal) for one in covered]

    def refused(self, epoch: int, first: int, count: int, reason: str) -> None:
        """The server has not taken these messages."""
        last = first + count - 1
        if not self._trusted or count <= 0 or self._foreign(epoch):
            return
        self._check(MessageNumber(epoch, last))
        if count <= len(self._messages):
            numbers = (MessageNumber(epoch, number) for number in range(first, last + 1))
            named = [self._messages[one] for one in numbers if one in self._messages]
        else:
            named = [one for one in self if one.place.epoch == epoch
                     and first <= one.place.number <= last]  # fmt: skip
        for one in named:
            one.refusal = reason

    def disconnected(self) -> None:
        """The connection is over. What was received on it may still be read."""
        self.state, self.problem = CLOSED, ""

    def cannot(self, problem: str) -> None:
        """The server of this connection gives no receipts, or wrong ones."""
        self.state, self.problem, self._trusted = CANNOT, problem, False

    def withdraw(self, one: ProducedMessage) -> bool:
        """Give up a message; False if a server may have it, or if it has its end."""
        if one.sent or one.place not in self._messages:
            return False
        self._let_go(one)
        self._unsent.remove(one)
        return True

    def clear(self) -> list[ProducedMessage]:
        """Give up all messages, those among them that a server may have; which they are."""
        given_up = list(self)
        self._messages.clear()
        self._unsent.clear()
        self.bytes = 0
        return given_up

    def _hold(self, one: ProducedMessage) -> None:
        self._messages[one.place] = one
        self._unsent.append(one)
        self.bytes += one.size

    def _let_go(self, one: ProducedMessage) -> None:
        del self._messages[one.place]
        self.bytes -= one.size

    def _foreign(self, epoch: int) -> bool:
        """True for an epoch of an earlier start that this connection knows nothing of: a server
        names the last ones only. What is said of it proves nothing, and is passed over."""
        return epoch != self.epoch and epoch not in self._reached

    def _check(self, place: MessageNumber) -> None:
        """ValueError if the server cannot know this message."""
        reached = self._reached.get(place.epoch, 0)
        if place.number > reached:
            raise ValueError(
                f"it answers for message {place.number} of epoch {place.epoch:016x}, of which it "
                f"was sent none above {reached}"
            )

    def _up_to(self, to: MessageNumber) -> list[ProducedMessage]:
        """The messages up to this one; none if there is none of its epoch."""
        covered: list[ProducedMessage] = []
        found = 0
        for one in self:
            epoch, number = one.place
            if (epoch == to.epoch and number > to.number) or (found and epoch != to.epoch):
                break
            covered.append(one)
            found = len(covered) if epoch == to.epoch else found
        return covered[:found]
