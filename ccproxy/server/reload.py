"""Reloads: asked for by signals and by the control socket, done one after the other.

Each request is answered by a reload that begins after it came, because an earlier one may have read
the configuration before it was changed. It must never know how a plan is adopted.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from ccproxy.config.diff import Change
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.config.security import SECURED_BY


@dataclass(frozen=True, slots=True)
class ReloadOutcome:
    """What became of one reload: if the new plan was adopted, `change` says what differs.

    Otherwise `text` says why it was not. `problems` are those of the configuration; a plan that
    was adopted may have warnings among them.
    """

    adopted: bool
    text: str
    change: Change | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def bad_configuration(self) -> bool:
        """True if the files are wrong, and not what the new plan met when it was started."""
        return not self.adopted and any(not one.warning for one in self.problems)


MAX_SAID = 20
"""Lines of handlers that an outcome holds; more are only counted."""


def keys_read(plan: Plan) -> list[str]:
    """What a reload did if listeners have files with keys: what is in them may be different."""
    having = any(getattr(one.options, name, "") for one in plan.listeners for name in SECURED_BY)
    return ["the keys and certificates of listeners were read again"] if having else []


def text_of(change: Change, said: Sequence[str]) -> str:
    """What an adopted plan changed, and what handlers that go on say of files of their own."""
    texts = [str(change)] if change or not said else []
    more = len(said) - MAX_SAID
    return "; ".join([*texts, *said[:MAX_SAID], *([f"and {more} more"] if more > 0 else ())])


STOPPING = ReloadOutcome(adopted=False, text="the server stops")


class Reloads:
    """A queue of requests, and the loop that obeys them."""

    def __init__(self, reload: Callable[[], Awaitable[ReloadOutcome]]) -> None:
        self._reload = reload
        self._over = self._busy = False
        self._wanted = asyncio.Event()
        self._waiting: list[asyncio.Future[ReloadOutcome]] = []

    @property
    def under_way(self) -> bool:
        """True while a reload runs, or is about to."""
        return self._busy or self._wanted.is_set()

    def ask(self) -> None:
        """Reload once more; requests that come before it begins are one."""
        self._wanted.set()

    async def outcome(self) -> ReloadOutcome:
        """Reload once more, and wait for what becomes of it."""
        if self._over:
            return STOPPING
        answer: asyncio.Future[ReloadOutcome] = asyncio.get_running_loop().create_future()
        self._waiting.append(answer)
        self._wanted.set()
        return await answer

    async def run(self) -> None:
        """Obey, until cancelled."""
        asked: list[asyncio.Future[ReloadOutcome]] = []
        try:
            while True:
                await self._wanted.wait()
                self._wanted.clear()
                asked, self._waiting = self._waiting, []
                self._busy = True
                outcome = await self._reload()
                self._busy = False
                _answer(asked, outcome)
                asked = []
        finally:
            self._over = True
            _answer([*asked, *self._waiting], STOPPING)


def _answer(asked: list[asyncio.Future[ReloadOutcome]], outcome: ReloadOutcome) -> None:
    """Tell those that still wait."""
    for answer in asked:
        if not answer.done():
            answer.set_result(outcome)
