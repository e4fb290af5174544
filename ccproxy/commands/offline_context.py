"""The Context of handlers in a config test: a clock that is moved by hand, and nothing is opened.

Links look connected and take everything at once, as dialled connections do. It must never write a
file or open a connection.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, Protocol

from ccproxy.commands.dry import DryContext
from ccproxy.config.links import LinkOptions
from ccproxy.config.plan import Plan
from ccproxy.core.flows import Target
from ccproxy.core.message import Actions, Message
from ccproxy.core.plugin_code import PluginCode
from ccproxy.core.switch import Switch
from ccproxy.handler import Handler, Link, Wire, WireOwner
from ccproxy.net.flush import Flushable
from ccproxy.net.work import Steps, result
from ccproxy.plugins import Plugins
from ccproxy.protocol import MessageProtocol
from ccproxy.testing.clock import ManualClock
from ccproxy.testing.links import TIME, FakeWire


class OfflineServices(Protocol):
    """What a context needs of the server that it belongs to."""

    plan: Plan
    plugins: Plugins
    clock: ManualClock
    switch: Switch

    @property
    def handlers(self) -> Mapping[str, Handler]:
        """All handlers, by their sections."""

    def reach(self, section: str) -> None:
        """The message has come to a section."""

    def add_task(self, section: str, work: Awaitable[None]) -> None:
        """Run a coroutine of a handler."""

    def failed(self, handler: str, type: str, error: BaseException) -> None:
        """A handler raised an exception."""

    def log_line(self, text: str) -> None:
        """A handler has logged something."""


class OfflineContext(DryContext):
    """The Context of a handler in an OfflineServer."""

    def __init__(self, name: str, server: OfflineServices) -> None:
        super().__init__(name, server.handlers)
        self.counters: Counter[str] = Counter()
        self.wires: list[RecordedWire] = []
        self._server = server
        logger = logging.Logger(name)
        logger.addHandler(LineRecorder(server.log_line))
        self.log = logging.LoggerAdapter(logger, {})

    @property
    def routes(self) -> tuple[str, ...]:
        """The prefixes that lead to this handler."""
        return tuple(one.prefix for one in self._server.plan.routes if self.name in one.sections)

    def protocol(self, word: str) -> MessageProtocol:
        """Those that are installed, or in the plugin folders."""
        return self._server.plugins.protocol_by(word, self._server.plan.plugin_folders)

    def release(self, link: Link) -> None:
        """The link is used no more."""
        self.links = [one for one in self.links if one is not link]

    def dial(self, address: str, owner: WireOwner, options: LinkOptions) -> Wire:
        """A connection that takes everything and from which nothing comes."""
        wire = RecordedWire(address, owner, lambda: self._server.reach(self.name))
        self.wires.append(wire)
        self._soon(lambda: owner.opened(wire))
        return wire

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """When the clock is moved."""
        self._server.clock.every(seconds, lambda: self._guarded(call))

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """When the clock is moved."""
        self._server.clock.call_later(seconds, lambda: self._guarded(call))

    def flush_later(self, one: Flushable) -> None:
        """Soon."""
        self._soon(one.flush)

    def now(self) -> float:
        """Seconds since the start."""
        return self._server.clock.now

    def time(self) -> float:
        """Seconds since 1970."""
        return TIME + self._server.clock.now

    def targets(self, type: str, below: bool) -> Sequence[Target]:
        """Where the routes lead messages of a type to."""
        return self._server.switch.targets(type, below)

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever `targets` may answer otherwise."""
        self._server.switch.watch(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""
        self._server.switch.unwatch(call)

    def flows_changed(self) -> None:
        """Every handler is asked again."""
        self._server.switch.table.clear()

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] += amount

    def unanswered(self, reason: str) -> None:
        """A line of the log."""
        self.log.warning("%s", reason)

    def dispatch(self, handler: Handler, message: Message) -> str:
        """Give a message that was held back to another handler."""
        return self._server.switch.inject(handler, message)

    def act(self, actions: Actions, message: Message | None = None) -> None:
        """Carry out actions."""
        self._server.switch.act(actions, message)

    async def run_blocking(self, call: Callable[..., Any], *args: Any) -> Any:
        """At once: what would write raises PermissionError."""
        return call(*args)

    def work(self, steps: Steps[None], size: int, wanted: Callable[[], bool]) -> None:
        """At once."""
        result(steps)

    def task(self, work: Awaitable[None]) -> None:
        """Run it as far as it gets without waiting."""
        self._server.add_task(self.name, work)

    def _soon(self, call: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_soon(self._guarded, call)

    def _guarded(self, call: Callable[[], None]) -> None:
        try:
            with PluginCode():
                call()
        except Exception as error:
            self._server.failed(self.name, "", error)


class RecordedWire(FakeWire):
    """A dialled connection; `used` is called for everything that is written."""

    def __init__(self, address: str, owner: WireOwner, used: Callable[[], None]) -> None:
        super().__init__(address, owner)
        self._used = used

    def write(self, data: bytes) -> bool:
        """Take the bytes."""
        self._used()
        return super().write(data)


class LineRecorder(logging.Handler):
    """Gives each line of a log to a function."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        super().__init__()
        self._tell = tell

    def emit(self, record: logging.LogRecord) -> None:
        """One line, with its section."""
        self._tell(f"[{record.name}] {record.levelname}: {record.getMessage()}")
