"""The tracker of a far side: up to which message of a link may it say ACK?

Messages are handed to the switch in order, in runs. A run is complete when each destination that
confirms has told the outcome of all its messages; everything in front of the first run that is not
complete may be acknowledged. Destinations that do not confirm have taken their messages at once.
It must never know what the destinations are.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container

from ccproxy.core.delivery.confirmations import Confirmations
from ccproxy.core.delivery.store import SAFE, MessageNumber
from ccproxy.core.sinks import TAKEN, Receipt
from ccproxy.wire.zmtp.delivery import MOST_EPOCHS, UNKNOWN, Nack

MOST_RUNS = 65_536
"""Runs that may be incomplete; the peer of a link that has more is not read."""
MOST_REPEATED = 256
"""Refusals that are said again to a source that has lost its connection. If it had more of them,
nobody knows any more which of the older messages were not taken: it is told so."""
STOP = "stop"
"""The outcome of messages that a destination gives up because this server stops: the source keeps
them, and sends them again."""
HELD = "held"
"""Told of no messages, when a destination has taken some and cannot know yet whether they came
before. Their source is not read until their outcome is told."""
GOOD = {SAFE, TAKEN}


class _Run:
    """The numbers of a run, and at each destination how many messages have an outcome, and how
    many it has taken."""

    __slots__ = ("done", "epoch", "first", "last", "taken")

    def __init__(self, epoch: int, first: int, messages: int, destinations: int) -> None:
        self.epoch, self.first, self.last = epoch, first, first + messages - 1
        self.done = [0] * destinations
        self.taken = [messages] * destinations

    @property
    def complete(self) -> int:
        """The number up to which everything is complete."""
        pairs = zip(self.done, self.taken, strict=True)
        ends = [self.first - 1 + done for done, taken in pairs if done < taken]
        return min(ends, default=self.last)


class RunReceipt:
    """The Receipt that one destination gets for one run."""

    __slots__ = ("_held", "_place", "_run", "_stopped", "_tracker")

    def __init__(self, tracker: ReceiptTracker, run: _Run, place: int) -> None:
        self._tracker, self._run, self._place = tracker, run, place
        self._held = self._stopped = False

    def __call__(self, messages: int, outcome: str) -> None:
        """See `Receipt`."""
        run, place = self._run, self._place
        held = outcome == HELD
        self._tracker.held += held - self._held
        self._held = held
        if held:
            return
        first = run.first + run.done[place]
        # Behind a message that its source has to send again, nothing can be acknowledged: what is
        # told of later ones, as members of a group may, must not be taken for its outcome.
        self._stopped |= outcome == STOP
        if self._stopped:
            return
        run.done[place] += messages
        if outcome not in GOOD:
            self._tracker.refuse(run.epoch, first, messages, outcome)
        self._tracker.settle()

    def taken(self, messages: int, reason: str) -> None:
        """The destination has taken so many messages, and not the others."""
        run = self._run
        rest = run.last - run.first + 1 - messages
        if rest:
            run.taken[self._place] = messages
            self._tracker.refuse(run.epoch, run.first + messages, rest, reason)
            self._tracker.settle()


class ReceiptTracker:
    """The messages of one link that were handed to the switch and have no end yet."""

    def __init__(self) -> None:
        self.acknowledged: MessageNumber | None = None
        """What may be said by an ACK."""
        self.on_news: Callable[[], None] = _unheard
        """Called when `acknowledged` or `take_refusals` have something new."""
        self.confirmations: Confirmations | None = None
        """Notes of which kind the acknowledgements are, for clients."""
        self.refused = 0
        """Messages that were not taken."""
        self.held = 0
        """Runs that a destination holds, see `HELD`."""
        self._runs: deque[_Run] = deque()
        self._refusals: list[Nack] = []
        self._said: deque[Nack] = deque()
        self._forgotten: dict[int, Nack] = {}
        """Of each epoch, from where to where there are refusals that are not remembered."""
        self._waiters: list[Callable[[], None]] = []

    # A sink for as far as a reader has to wait for it.
    name = "receipts"
    may_block = True

    @property
    def blocked(self) -> bool:
        """True while too many runs are incomplete, or one is held."""
        return self.held > 0 or len(self._runs) >= MOST_RUNS

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when half of them are complete and none is held."""
        self._waiters.append(call)

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Never called: readers wait for it, and nothing is sent here."""
        raise TypeError("a tracker takes no messages")

    @property
    def idle(self) -> bool:
        """True if everything is acknowledged."""
        return not self._runs

    @property
    def incomplete(self) -> int:
        """Messages that are not acknowledged."""
        return sum(run.last - run.complete for run in self._runs)

    def complete(self, epoch: int, last: int) -> int:
        """The number of an epoch up to which everything is complete; `last` was handed over."""
        found = (run for run in self._runs if run.epoch == epoch)
        return next((run.complete for run in found if run.complete < run.last), last)

    def add(self, epoch: int, first: int, messages: int, destinations: int) -> list[RunReceipt]:
        """A run is about to be handed over: a receipt for each destination that confirms.

        Without any, it is complete.
        """
        runs = self._runs
        if not destinations:
            if not runs:
                self._say(epoch, first + messages - 1, safe=False)
            elif not runs[-1].done and (runs[-1].epoch, runs[-1].last + 1) == (epoch, first):
                runs[-1].last += messages
            else:
                runs.append(_Run(epoch, first, messages, 0))
            return []
        run = _Run(epoch, first, messages, destinations)
        runs.append(run)
        return [RunReceipt(self, run, place) for place in range(destinations)]

    def pass_over(self, epoch: int, last: int) -> None:
        """The first messages of an epoch, up to this one, had their end before this server was
        there; for clients. It is said to those that connect later, in its order."""
        if self._runs:
            self.add(epoch, 1, last, 0)
        elif self.confirmations is not None:
            self.confirmations.end(epoch, last)

    def refuse(self, epoch: int, first: int, messages: int, reason: str) -> None:
        """Some messages were not taken; it is said before they are acknowledged."""
        last = self._refusals[-1] if self._refusals else None
        if last and (last.epoch, last.first + last.messages, last.reason) == (epoch, first, reason):
            self._refusals[-1] = Nack(epoch, last.first, last.messages + messages, reason)
        else:
            self._refusals.append(Nack(epoch, first, messages, reason))
        self.refused += messages
        self.on_news()

    @property
    def unsaid_refusals(self) -> bool:
        """True if `take_refusals` has something."""
        return bool(self._refusals)

    def take_refusals(self, most: int | None = None) -> list[Nack]:
        """What was not taken and is not said yet, the oldest ones first."""
        refusals, self._refusals = (
            self._refusals[:most],
            [] if most is None else self._refusals[most:],
        )
        said = self._said
        said.extend(refusals)
        while len(said) > MOST_REPEATED:
            one = said.popleft()
            before = self._forgotten.pop(one.epoch, one)
            first = min(one.first, before.first)
            end = max(one.first + one.messages, before.first + before.messages)
            self._forgotten[one.epoch] = Nack(one.epoch, first, end - first, UNKNOWN)
        if len(self._forgotten) > MOST_EPOCHS:
            del self._forgotten[next(iter(self._forgotten))]
        return refusals

    def all_refusals(self, epochs: Container[int]) -> list[Nack]:
        """The latest refusals of these epochs, said or not: a cut may have lost them. What is among
        earlier ones is unknown, for a source that was not told in time."""
        self.take_refusals()
        found = *self._forgotten.values(), *self._said
        return [one for one in found if one.epoch in epochs]

    def forget(self, epoch: int) -> None:
        """What was said of this epoch is not said again: its messages come as new ones."""
        self._forgotten.pop(epoch, None)
        self._said = deque(one for one in self._said if one.epoch != epoch)
        if self.confirmations is not None:
            self.confirmations.forget(epoch)

    def settle(self) -> None:
        """Acknowledge what is complete."""
        runs = self._runs
        while runs and (complete := runs[0].complete) >= runs[0].first:
            self._say(runs[0].epoch, complete, safe=bool(runs[0].done))
            if complete < runs[0].last:
                break
            runs.popleft()
        if self._waiters and not self.held and len(runs) * 2 <= MOST_RUNS:
            waiters, self._waiters = self._waiters, []
            for call in waiters:
                call()

    def _say(self, epoch: int, number: int, safe: bool) -> None:
        if (epoch, number) != self.acknowledged:
            if self.confirmations is not None:
                self.confirmations.note(epoch, number, safe)
            self.acknowledged = MessageNumber(epoch, number)
            self.on_news()


def _unheard() -> None:
    """Does nothing: no connection is up."""
