"""What the running server says: one logger, and a limit for lines that would repeat.

It implements `ccproxy.core.switch.Notices`. It must never write a message's body.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.hot import Buffer
from ccproxy.core.message import UnreadableMessage
from ccproxy.core.verdict import Refuse
from ccproxy.net.losses import Losses
from ccproxy.process.log_levels import SERVER, LogLevels
from ccproxy.process.rate_limit import RateLimit
from ccproxy.wire.cc import UnreadableField, UntrustedMessage, split
from ccproxy.wire.text import OperatorText, shortened
from ccproxy.wire.zmtp import unpack

LOG_INTERVAL = 10.0
"""A line with the same key is written at most once in this time, with the sum."""
PEER_LINES = 50
"""Different lines about peers and their messages in that time: a peer can make up names."""
STATUS = "(status)"
"""In the place of a type, for the call by which the status is made."""
KEY_LIMIT = 1000
"""Characters of a key; the texts of peers in it are shorter."""
SENDERS_FAULTS = (Refuse, UnreadableMessage, UnreadableField, UntrustedMessage)
"""What a handler raises because of a message, and not because of a mistake in its code."""


class ServerLog:
    """The server's log, with the switch's notices."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.logger = logging.getLogger(SERVER)
        self.levels = LogLevels()
        self._clock = clock
        self._limit = RateLimit(LOG_INTERVAL)
        self._peers_limit = RateLimit(LOG_INTERVAL, PEER_LINES)
        self.losses = Losses(clock)
        self.faults: dict[str, Counter[str]] = {}
        """By section, the calls that `failed` (failed, refused), `slow` and `unanswered` were told
        of."""
        self.on_failure: Callable[[str, str], object] | None = None
        """Told the section and the type of the message, or the call, when a handler raises."""

    def debug(self, text: str, *facts: object) -> None:
        """One fact that is written only if all details are wanted."""
        self.logger.debug(text, *facts, stacklevel=2)

    def info(self, text: str, *facts: object) -> None:
        """One fact that happens seldom."""
        self.logger.info(text, *facts, stacklevel=2)

    def warning(self, text: str, *facts: object) -> None:
        """One fact an operator may have to act on."""
        self.logger.warning(text, *facts, stacklevel=2)

    def error(self, text: str, *facts: object) -> None:
        """Something is wrong with the server or a handler of it."""
        self.logger.error(text, *facts, stacklevel=2)

    def often(self, key: str, text: str, *facts: object, amount: int = 1) -> None:
        """A warning that may repeat: at most once in `LOG_INTERVAL` per key, with the sum."""
        self._say(self._ask(self._limit, key, amount), amount, text, facts)

    def peer_closed(self, listener: str, peer: str, reason: str) -> None:
        """A peer was closed for a reason of ours, or failed its handshake."""
        host = peer.rpartition(":")[0]
        key = f"peer closed listener={listener} peer={shortened(host)}: {shortened(reason)}"
        facts = (listener, peer, reason)
        self._say_of_stranger(key, 1, "peer closed listener=%s peer=%s: %s", facts)

    def not_served(self, listener: str, peer: str, identity: bytes) -> None:
        """A peer stays connected and is not served, because another one has its identity."""
        shown = shortened(identity.decode("utf-8", "backslashreplace"))
        text = "not served listener=%s peer=%s: another peer has its identity %s"
        key = f"not served listener={listener} identity={shown}"
        self._say_of_stranger(key, 1, text, (listener, peer, shown))

    def unrouted(self, type: str, messages: int) -> None:
        """Messages no route matches."""
        text, found = "dropping msg, no route: %s", shortened(type)
        self.losses.add(found, "unrouted", messages)
        self._say_of_stranger(f"dropping msg, no route: {found}", messages, text, (found,))

    def malformed(self, sender: str, raw: Buffer, messages: int) -> None:
        """Messages that are none; what is wrong with the first of them is said."""
        key = f"Invalid CC message peer={shortened(sender)}"
        total = self._ask(self._peers_limit, key, messages)
        if total is None:
            return
        try:
            split(unpack(raw))
            reason = "nothing behind the identity"
        except ValueError as error:
            reason = str(error)
        self._say(total, messages, "Invalid CC message peer=%s: %s", (sender, reason))

    def refused(self, sender: str, name: str, raw: Buffer, messages: int) -> None:
        """Messages that a section does not allow; the type of the first is said."""
        key = f"not allowed name={name}"
        type = next((one for one in unpack(raw)[1:] if one), b"").decode("ascii", "replace")
        found = shortened(type)
        self.losses.add(name, "refused", messages)
        self.losses.add(found, f"refused by {name}", messages)
        total = self._ask(self._peers_limit, key, messages)
        if total is not None:
            text = "not allowed peer=%s type=%s: see [%s]"
            self._say(total, messages, text, (sender, found, name))

    def failed(self, handler: str, type: str, error: BaseException) -> None:
        """A handler raised; a stack trace is written unless the message is at fault."""
        expected = isinstance(error, SENDERS_FAULTS)
        self._count(handler, "refused" if expected else "failed")
        if self.on_failure is not None and not expected:
            self.on_failure(handler, type)
        # A peer can make up types, but not the names of other calls, such as (timer).
        what = f" type={type}" if type.startswith("(") else ""
        key = f"handler failed handler={handler}{what}: {error.__class__.__name__}"
        total = self._ask(self._limit, key, 1)
        if total is None:
            return
        self.logger.error(
            "handler failed handler=%s type=%s messages=%d: %s: %s", handler, type, total,
            error.__class__.__name__, error, exc_info=None if expected else error, stacklevel=2,
        )  # fmt: skip

    def ended(self, task: asyncio.Task[None]) -> None:
        """A task that was to run until it is cancelled is over: a fault of its code is said."""
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self.logger.error(
                "ended by a fault, needs a restart: %s", task.get_name(), exc_info=error
            )

    def slow(self, handler: str, type: str, seconds: float, processor: float) -> None:
        """A handler took too long on the loop. Its author and its operator can do something else
        about it, and the author of a built-in one is not at hand. With few seconds of `processor`
        time it has waited for something, or the machine had no processor for it."""
        if type != STATUS:  # a look at the status must not change what it says
            self._count(handler, "slow")
        self.often(
            f"slow handler handler={handler}",
            "slow handler handler=%s type=%s took=%.0f ms, of these %.0f ms of processor time; "
            "everybody waited; if this is often, give it a server of its own "
            '(its author: declare runs = "thread")',
            handler, type, seconds * 1000, processor * 1000,
        )  # fmt: skip

    def unanswered(self, handler: str, reason: str) -> None:
        """The service behind a handler has not answered a call."""
        self._count(handler, "unanswered")
        self.often(
            f"unanswered handler={handler}", "unanswered handler=%s: %s", handler,
            shortened(reason),
        )  # fmt: skip

    def outbox(self, box: CountedQueue) -> None:
        """Say its counts: `outbox name=x queued=9 sent=7 waiting=0 dropped-full=2`."""
        counts = {"queued": box.queued, "sent": box.sent, "waiting": box.waiting}
        counts |= {f"dropped-{why}": count for why, count in box.dropped.items() if count}
        text = " ".join([f"name={box.name}", *(f"{key}={count}" for key, count in counts.items())])
        self.info("outbox %s", OperatorText(text))

    def dropped(self, box: CountedQueue, reason: str, fresh: int) -> None:
        """An outbox has dropped so many messages more than was said before."""
        self.losses.add(box.destination, reason, fresh)
        self.often(
            f"dropped outbox={box.name} reason={reason}",
            "dropped outbox=%s reason=%s messages=%d",
            box.name, reason, box.dropped[reason], amount=fresh,
        )  # fmt: skip

    def summarise(self) -> None:
        """Say what a rate limit left unsaid, once its time is over."""
        for limit in (self._limit, self._peers_limit):
            for key, unsaid in limit.expire(self._clock()):
                self.logger.warning(
                    "repeated in the last %g s: %s (%d more)",
                    LOG_INTERVAL, OperatorText(key), unsaid,
                )  # fmt: skip
            overflow, limit.overflow = limit.overflow, 0
            if overflow:
                self.logger.warning("further warnings of many kinds, not written: %d", overflow)

    def _count(self, section: str, fault: str) -> None:
        if fault != "slow":
            self.losses.add(section, fault, 1)
        self.faults.setdefault(section, Counter())[fault] += 1

    def _say_of_stranger(self, key: str, amount: int, text: str, facts: tuple[object, ...]) -> None:
        self._say(self._ask(self._peers_limit, key, amount), amount, text, facts)

    def _ask(self, limit: RateLimit, key: str, amount: int) -> int | None:
        """What to say now of a key, which is remembered and therefore of bounded length."""
        return limit.ask(shortened(key, KEY_LIMIT), self._clock(), amount)

    def _say(self, total: int | None, amount: int, text: str, facts: tuple[object, ...]) -> None:
        if total is None:
            return
        if total > amount:
            text, facts = text + " (%d in %g s)", (*facts, total, LOG_INTERVAL)
        self.logger.warning(text, *facts, stacklevel=4)
