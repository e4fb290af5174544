"""What all handshakes share: the time that their keys and passwords take, and pauses for failures.

A handshake of CURVE costs about 0.3 ms, one of TLS up to 1 ms, a password tens of them: strangers
must not take the loop with any of them. It must never know what is computed.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable
from functools import partial
from time import perf_counter
from typing import Any, NoReturn, Protocol, TypeVar

from ccproxy.net.threads import Pool
from ccproxy.wire.zmtp import ZmtpError

TIME_PER_TURN = 0.002
"""Seconds of one turn of the loop for keys."""
PASSWORDS = 64
"""Passwords and other slow steps that may wait; a peer that comes with one more is refused."""
PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds before a failed peer is closed: the first, doubled each time for the same host, and the
longest. The host is forgiven after a success, or when it has not failed for `FORGIVEN_AFTER`."""
FORGIVEN_AFTER = 60.0
HOSTS = 1024
"""Hosts whose failures are remembered; the oldest is forgotten first."""
PAUSED = 256
"""Connections that may wait for their end; further ones are closed at once."""

Step = TypeVar("Step")
Result = TypeVar("Result", covariant=True)


class HandshakeWork(Protocol[Result]):
    """One step of a handshake; it may run in a thread if it is `slow`."""

    @property
    def run(self) -> Callable[[], Result]:
        """Computes the step; what it raises ends the connection."""

    @property
    def slow(self) -> bool:
        """True if it takes tens of milliseconds."""


Done = Callable[[Callable[[], Step]], None]


class Handshakes:
    """Does the work of the handshakes of one loop, a little in each turn."""

    def __init__(self) -> None:
        self.pauses = FailurePauses()
        self._due: deque[Callable[[], None]] = deque()
        self._pool: Pool | None = None
        self._checks: set[asyncio.Task[Any]] = set()

    def do(self, work: HandshakeWork[Step], done: Done[Step]) -> None:
        """Do it soon; `done` gets a call that returns or raises what the work does.

        Each connection has one work at most, so their number limits what waits here.
        """
        if work.slow:
            self._in_a_thread(work, done)
            return
        if not self._due:
            asyncio.get_running_loop().call_soon(self._some)
        self._due.append(partial(done, work.run))

    async def close(self) -> None:
        """End the thread, and drop the checks of passwords that are under way."""
        checks = list(self._checks)
        for check in checks:
            check.cancel()
        await asyncio.gather(*checks, return_exceptions=True)
        if self._pool is not None:
            self._pool.close()

    def pause(self, peer: str) -> float:
        """Seconds for which a failed peer is to wait for its end."""
        loop = asyncio.get_running_loop()
        seconds = self.pauses.next(_host(peer), loop.time())
        if seconds:
            loop.call_later(seconds, self.pauses.ended)
        return seconds

    def succeeded(self, peer: str) -> None:
        """Forgive what the host of a peer has failed."""
        self.pauses.forgive(_host(peer))

    def _some(self) -> None:
        end = perf_counter() + TIME_PER_TURN
        while self._due and perf_counter() < end:
            self._due.popleft()()
        if self._due:
            asyncio.get_running_loop().call_soon(self._some)

    def _in_a_thread(self, work: HandshakeWork[Step], done: Done[Step]) -> None:
        if len(self._checks) >= PASSWORDS:
            asyncio.get_running_loop().call_soon(done, _too_many)
            return
        if self._pool is None:
            self._pool = Pool(1, "passwords")
        check = asyncio.get_running_loop().create_task(self._pool.run(work.run))
        self._checks.add(check)

        def checked(check: asyncio.Task[Step]) -> None:
            self._checks.discard(check)
            if not check.cancelled():
                done(check.result)

        check.add_done_callback(checked)


class FailurePauses:
    """How long the next failed peer of a host waits for its end."""

    def __init__(self) -> None:
        self._hosts: OrderedDict[str, tuple[float, float]] = OrderedDict()
        """Host -> its last pause, and when that was."""
        self._waiting = 0

    def next(self, host: str, now: float) -> float:
        """The seconds to wait, 0 if enough peers wait; `ended` is to be called behind them."""
        last, when = self._hosts.pop(host, (0.0, now))
        pause = PAUSE if now - when > FORGIVEN_AFTER or not last else min(2 * last, LONGEST_PAUSE)
        self._hosts[host] = pause, now
        if len(self._hosts) > HOSTS:
            self._hosts.popitem(last=False)
        if self._waiting >= PAUSED:
            return 0.0
        self._waiting += 1
        return pause

    def ended(self) -> None:
        """One pause is over."""
        self._waiting -= 1

    def forgive(self, host: str) -> None:
        """Begin anew with this host."""
        self._hosts.pop(host, None)


def _too_many() -> NoReturn:
    raise ZmtpError(f"{PASSWORDS} peers wait for such a check already")


def _host(peer: str) -> str:
    return peer.rpartition(":")[0]
