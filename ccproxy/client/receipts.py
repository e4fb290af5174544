"""What a client is told of a message that it wants a receipt for.

Receipt          the server is responsible for it
Refused          the server has not taken it, for a reason
InDoubt          the server may have taken it, and has not said so
ConnectionError  it was never sent; CannotConfirm if that is because the server cannot confirm
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from ccproxy.core.delivery.producer import MessageEnd, ProducedMessage
from ccproxy.wire.zmtp.delivery import UNKNOWN

MESSAGE_COST = 256
"""Bytes that a message counts for besides its frames."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """A server's word that it is responsible for a message."""

    kind: str
    """`safe`: all its destinations that can confirm have it; `handed`: there are none of those, and
    it was handed over."""
    epoch: int
    number: int
    """Messages of one start of a client have one epoch, and numbers that only grow."""


class NotConfirmed(Exception):
    """A message was sent, or may have been, and there is no receipt for it."""


class Refused(NotConfirmed):
    """The server has not taken the message."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the server has refused the message: {reason}")
        self.reason = reason
        """A word, such as `full`, `failed` or `too-big`."""


class InDoubt(NotConfirmed):
    """The message may have arrived; it is not known."""


class CannotConfirm(ConnectionError):
    """The server gives no receipts, or wrong ones; the message was not sent."""


class WaitingMessage:
    """A message whose caller waits for its receipt."""

    __slots__ = ("frames", "future", "message", "size")

    def __init__(self, frames: Sequence[bytes], message: ProducedMessage | None = None) -> None:
        self.frames, self.size = frames, size_of(frames)
        self.future: Future[Receipt] = Future()
        self.future.set_running_or_notify_cancel()  # it is under way: nobody can cancel it
        self.message = message
        """None until it has a number."""

    def answer(self, end: MessageEnd) -> None:
        """Tell the caller."""
        if end.refusal == UNKNOWN:
            self.future.set_exception(InDoubt("the server has forgotten whether it was taken"))
        elif end.refusal:
            self.future.set_exception(Refused(end.refusal))
        else:
            self.future.set_result(Receipt(end.kind, *end.message.place))


def size_of(frames: Sequence[bytes]) -> int:
    """The bytes that a message counts for."""
    return sum(map(len, frames)) + MESSAGE_COST
