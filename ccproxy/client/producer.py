"""The messages of a client that wait for receipts: between its callers, its spool and its socket.

    callers --submit--> [spool] --> engine --send--> socket
    callers <--future-- engine <--hear-- words of the server

`submit` and `give_up` are for any thread, everything else for the thread of the socket. Futures are
answered outside the lock, because what their owners have added to them is called then.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path

from ccproxy.client.limits import ClientLimits
from ccproxy.client.receipts import CannotConfirm, InDoubt, Receipt, WaitingMessage
from ccproxy.client.spool import ProducerSpool
from ccproxy.core.delivery import producer as engine
from ccproxy.core.delivery.producer import MessageEnd, ProducedMessage, ProducerEngine
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp.delivery import Nack

SEND_BATCH = 100
"""Messages that are sent in one turn, so that receiving is not delayed."""
MOST_FRUITLESS = 3
"""Connections in a row without an answer, behind which what libzmq still holds is given up."""
CLOSED = "the client is closed"

Send = Callable[[Sequence[bytes]], object]


class Producer:
    """All messages of one client that have no receipt yet."""

    def __init__(self, limits: ClientLimits, spool: Path | None = None) -> None:
        """OSError if the spool cannot be used."""
        self.wake: Callable[[], None] = _nothing
        """Called when there is something to do for the thread of the socket; set by its owner."""
        self.thread: threading.Thread | None = None
        """That of the socket."""
        self.fenced = ""
        """Why this client must end: another one is in its place."""
        self._left = 0, 0
        self._limits = limits
        self._spool = ProducerSpool(spool) if spool is not None else None
        self.damage = self._spool.damage if self._spool else ""
        """See `ProducerSpool`."""
        restored = self._spool.restored if self._spool else []
        epoch = self._spool.epoch if self._spool else int.from_bytes(os.urandom(8), "big")
        self._engine = ProducerEngine(epoch, restored)
        self.id = wire.ProducerId(self._spool.producer if self._spool else os.urandom(16), epoch)
        self._waiting = {one.place: WaitingMessage(one.frames, one) for one in restored}
        self.restored = [one.future for one in self._waiting.values()]
        self._incoming: deque[WaitingMessage] = deque()
        """What is not in the spool yet."""
        self._incoming_bytes = self._gathered = 0
        self._failure: Exception | None = None
        """Why the spool has not taken messages since `flush` was last called."""
        self._fruitless = 0
        """Connections in a row that the server has ended behind `have` without any answer."""
        self._token = b""
        self._outgoing: deque[ProducedMessage | MessageNumber] = deque()
        """What the engine has given for this connection, and the socket has not taken."""
        self._never = ""
        """Why no message can get a receipt any more."""
        self._changed = threading.Condition()

    def submit(self, frames: Sequence[bytes], seconds: float) -> WaitingMessage:
        """Take a message; ConnectionError if there is no room for it within so many seconds, if
        the client is closed, or as `CannotConfirm`."""
        one = WaitingMessage(frames)
        most = self._limits.unconfirmed_bytes
        if one.size > most:
            raise ValueError(f"a message of {one.size} bytes, and unconfirmed_bytes is {most}")
        if threading.current_thread() is self.thread:
            seconds = 0.0  # it is this thread that would make room
        with self._changed:
            room = self._changed.wait_for(lambda: self._problem or self._room(one), seconds)
            if self._problem:
                raise self._never_sent(self._problem)
            if not room:
                count = len(self._engine) + len(self._incoming)
                raise ConnectionError(f"no room: {count} messages wait for their receipts")
            if self._spool is None:
                self._accept(one)
            else:
                self._incoming.append(one)
                self._incoming_bytes += one.size
        self.wake()
        return one

    def flush(self, seconds: float) -> bool:
        """Wait until the spool has everything that was submitted before; False if it did not come
        to that in so many seconds. OSError if it has not taken something since the last call."""
        with self._changed:
            goal = self._gathered + len(self._incoming)
            done = self._changed.wait_for(lambda: self._gathered >= goal, seconds)
            failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return done

    def give_up(self, one: WaitingMessage, problem: str) -> Receipt:
        """The caller waits no longer. ConnectionError if the message is not sent and now never will
        be, InDoubt if it may have been; its receipt if that came after all."""
        with self._changed:
            message = one.message
            known = message is not None and message.place not in self._waiting
            if not known and not one.future.done():
                if message is None or self._spool or not self._engine.withdraw(message):
                    raise self._doubt(problem)
                del self._waiting[message.place]
                self._changed.notify_all()
                raise ConnectionError(f"{problem}; the message was not sent")
        return one.future.result()

    @property
    def busy(self) -> bool:
        """True if receipts are to be waited for."""
        with self._changed:
            return bool(len(self._engine) + len(self._incoming)) and not self._problem

    @property
    def decided(self) -> bool:
        """True if it is known whether the server of this connection gives receipts."""
        with self._changed:
            return self._engine.state != engine.CLOSED

    @property
    def ready(self) -> bool:
        """True if there is something to send."""
        with self._changed:
            return bool(self._outgoing) or self._engine.ready

    def gather(self) -> None:
        """Commit what came in, all of it together, so that it can be sent; note what is done."""
        if self._spool is None:
            return
        with self._changed:
            batch = list(self._incoming)
        problem: Exception | None = None
        if batch and self._problem:
            problem = self._never_sent(self._problem)
        elif batch:
            try:
                self._spool.append([one.frames for one in batch])
            except OSError as error:
                problem = error
        else:
            self._spool.write()
        with self._changed:
            for one in batch:
                self._incoming.popleft()
                self._incoming_bytes -= one.size
                if problem is None:
                    self._accept(one)
            self._gathered += len(batch)
            self._failure = problem or self._failure
            self._changed.notify_all()
        if problem is not None:
            for one in batch:
                one.future.set_exception(problem)

    def send(self, send: Send) -> None:
        """Send some of what is to be sent; an exception of `send` leaves the rest for later.

        Without the lock: callers that wait for it would change places with us at each message.
        """
        outgoing = self._outgoing
        with self._changed:
            most = SEND_BATCH - len(outgoing)
            outgoing.extend(islice(iter(self._engine.take, None), most))
        while outgoing:
            one = outgoing[0]
            if isinstance(one, MessageNumber):
                send(wire.encode(wire.Announcement(*one, self._token)))
            else:
                send([wire.number_frame(one.place.number), *one.frames])
                self._engine.written(one.place)
            outgoing.popleft()

    def hear(self, frames: Sequence[bytes]) -> None:
        """The server has said a word."""
        try:
            with self._changed:
                outcomes = self._obey(wire.decode(frames))
                found = [(self._waiting.pop(one.message.place, None), one) for one in outcomes]
                self._changed.notify_all()
        except ValueError as error:
            self.cannot(f"the server gives wrong receipts: {error}")
            return
        if self.fenced:
            self.never(self.fenced)
        if self._spool is not None:
            self._spool.settle(len(outcomes))
        for waiting, one in found:
            if waiting is not None:
                waiting.answer(one)

    def disconnected(self) -> None:
        """The connection is over."""
        with self._changed:
            if self._engine.state == engine.SENDING and len(self._engine):
                self._fruitless += 1
            self._engine.disconnected()
            self._outgoing.clear()

    def stuck(self) -> bool:
        """True, once, if connections end again and again because of what libzmq holds for them: a
        message that is too big ends each one before the server hears the number of the next."""
        stuck = self._fruitless >= MOST_FRUITLESS
        self._fruitless = 0 if stuck else self._fruitless
        return stuck

    def cannot(self, problem: str) -> None:
        """Nothing gets a receipt from the server of this connection."""
        with self._changed:
            self._engine.cannot(problem)
            self._outgoing.clear()
            self._changed.notify_all()
            given_up = list(self._waiting.values())
            self._waiting.clear()
            if self._spool is None:
                self._engine.clear()
        self._fail(given_up, problem)

    def never(self, problem: str) -> None:
        """Nothing gets a receipt any more."""
        with self._changed:
            self._never = problem
        self.cannot(problem)

    def finish(self) -> bool:
        """The client ends; True if its server may forget it."""
        self.gather()
        with self._changed:
            used = self._engine.last > 0 or bool(self.restored)
            may_forget = used and not self._never and self._engine.state == engine.SENDING
            left = list(self._engine)
            sent = sum(one.sent for one in left)
            self._left = sent, len(left) + len(self._incoming) - sent
            given_up = [*self._waiting.values(), *self._incoming]
            self._waiting.clear()
            self._gathered += len(self._incoming)
            self._incoming.clear()
            self._never = self._never or CLOSED
            self._changed.notify_all()
        if self._spool is not None:
            # Before the server forgets: what is sent again then would be taken as new.
            self._spool.close()
        self._fail(given_up, CLOSED)
        return may_forget and not any(self._left)

    def take_left(self) -> tuple[int, int]:
        """Messages that are lost or in doubt since `finish`, each told once: those that a server
        may have, and those that were never sent. With a spool there are none."""
        left, self._left = self._left, (0, 0)
        return (0, 0) if self._spool is not None else left

    @property
    def _problem(self) -> str:
        return self._never or (self._engine.problem if self._engine.state == engine.CANNOT else "")

    def _room(self, one: WaitingMessage) -> bool:
        limits = self._limits
        count = len(self._engine) + len(self._incoming)
        size = self._engine.bytes + self._incoming_bytes + one.size
        return count < limits.unconfirmed and size <= limits.unconfirmed_bytes

    def _accept(self, one: WaitingMessage) -> None:
        """Give a message its number."""
        one.message = self._engine.add(one.frames, one.size)
        self._waiting[one.message.place] = one

    def _obey(self, word: wire.ReceiptWord) -> list[MessageEnd]:
        match word:
            case wire.Greeting(_, places, token):
                self._engine.have(places)
                self._token = token
                self._outgoing.clear()
            case wire.Acknowledgement(epoch, number, kind):
                ends = self._engine.acknowledged(MessageNumber(epoch, number), kind)
                self._fruitless = 0 if ends else self._fruitless
                return ends
            case Nack(epoch, first, count, reason):
                self._engine.refused(epoch, first, count, reason)
            case wire.Fenced(text):
                self.fenced = text or "another client with the same spool is connected"
            case _:
                raise ValueError("a word that only clients say")
        return []

    def _fail(self, messages: Iterable[WaitingMessage], problem: str) -> None:
        for one in messages:
            message = one.message
            held = message is not None and (message.sent or self._spool is not None)
            one.future.set_exception(self._doubt(problem) if held else self._never_sent(problem))

    def _doubt(self, problem: str) -> InDoubt:
        rest = "the message stays in the spool" if self._spool else "the message may have arrived"
        return InDoubt(f"{problem}; {rest}")

    @staticmethod
    def _never_sent(problem: str) -> ConnectionError:
        if problem == CLOSED:
            return ConnectionError(problem)
        return CannotConfirm(f"{problem}; the message was not sent")


def _nothing() -> None:
    """Does nothing: the producer has no socket yet."""
