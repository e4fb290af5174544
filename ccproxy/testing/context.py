"""The fake context that handlers are tested with; import it from `ccproxy.testing`.

The clock does not move unless the test moves it. Nothing here may open a socket, sleep, or catch an
exception of a handler: the call that caused it raises it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, TypeVar

from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.core.flows import Target
from ccproxy.core.message import Action, Actions, Codec, Message, NativeAnswer, Send
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.verdict import Accepted, Deliver, Forward, LateOutcome, Queued
from ccproxy.handler import Context, Handler, Link, WireOwner
from ccproxy.net.flush import Flushable
from ccproxy.net.work import Steps, result
from ccproxy.net.zmtp.role import LinkRole, ListenerRole
from ccproxy.plugins import Plugins
from ccproxy.protocol import MessageProtocol
from ccproxy.testing.clock import ManualClock
from ccproxy.testing.links import CODEC, TIME, FakeLink, FakeWire
from ccproxy.wire import cc
from ccproxy.wire.zmtp.frames import pack

_Result = TypeVar("_Result")


def message(
    type: str,
    value: Mapping[str, Any] | None = None,
    blob: bytes | None = None,
    *,
    route: tuple[bytes, ...] = (b"client",),
    codec: Codec = CODEC,
) -> Message:
    """A message as a handler sees it; `route` starts with the sender's identity."""
    return Message(type, route, codec.encode(type, value or {}, blob), codec, "test")


class FakeContext(Context):
    """A `ccproxy.handler.Context` whose clock the test moves, and which records everything.

    The test can read its links, listeners, counters, failures, replies, processes, log lines, and
    what is `accepted`, and later in `refusals`; `handlers` are what `handler(section)` finds.
    """

    def __init__(self, name: str = "h:test", handlers: Mapping[str, Handler] | None = None) -> None:
        self.name = name
        self.handlers = dict(handlers or {})
        self.links: list[FakeLink] = []
        self.listeners: dict[str, Callable[[], asyncio.BaseProtocol]] = {}
        self.bound: dict[str, ListenerRole] = {}
        self.counters: Counter[str] = Counter()
        self.failures: list[str] = []
        self.replies: list[Message] = []
        self.answers: list[tuple[Message, Any]] = []
        self.processes: list[asyncio.subprocess.Process] = []
        self._routes: tuple[str, ...] = ()
        self.wires: list[FakeWire] = []
        self.departures: list[Callable[[bytes], None]] = []
        self.destinations: dict[str, Target] = {}
        self.watches: list[Callable[[], None]] = []
        self.flow_changes = 0
        self.accepted: list[Accepted] = []
        self.refusals: list[tuple[Message, BaseException]] = []
        self.lines: list[str] = []
        self.log = _recorder(name, self.lines)
        self._loop = asyncio.new_event_loop()
        self._tasks: list[asyncio.Future[None]] = []
        self.clock = ManualClock()

    def advance(self, seconds: float) -> None:
        """Move the clock; make the calls that become due, each at its time and in order."""
        self.clock.advance(seconds)
        self.settle()

    def settle(self) -> None:
        """Let tasks of the handler run as far as they get without waiting."""
        for _ in range(10):
            self._loop.run_until_complete(asyncio.sleep(0))
        for task in [one for one in self._tasks if one.done()]:
            self._tasks.remove(task)
            task.result()

    def run(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Run a coroutine of the handler to its end."""
        return self._loop.run_until_complete(work)

    def close(self) -> None:
        """End the tasks and processes that are left; the last call of every test."""
        self.run(self._end())
        self._loop.close()

    def deliver(self, handler: Handler, message: Message) -> None:
        """Ask the handler for its verdict on a message, and carry it out."""
        verdict = handler.decide(message.type)
        if isinstance(verdict, Forward):
            chunk = pack(cc.frames(message.route, message.type, message.payload))
            for outbox in verdict.sinks:
                outbox.offer(chunk, 1)
        if isinstance(verdict, Deliver):
            for receiver in verdict.handlers or (handler,):
                actions = receiver.handle(message)
                if isinstance(actions, Accepted):
                    self.accepted.append(actions)
                    actions.bind(partial(self._told, actions))
                else:
                    assert not isinstance(actions, Queued)  # handlers of a test have no threads
                    self.act(actions, message)

    def _told(self, accepted: Accepted, outcome: LateOutcome) -> bool:
        """A handler says the outcome of a message that it has accepted."""
        self.accepted.remove(accepted)
        if isinstance(outcome, BaseException):
            self.refusals.append((accepted.message, outcome))
        else:
            self.act(outcome, accepted.message)
        return True

    def link(
        self,
        address: str,
        options: LinkOptions,
        on_message: Callable[[Message], None] | None = None,
        role: LinkRole | None = None,
        apart: str = "",
    ) -> FakeLink:
        """See `Context`; the link is up at once, and its role is not used."""
        self.links.append(FakeLink(address, options, on_message, role))
        return self.links[-1]

    def outbox(self, name: str, limits: Limits) -> Outbox:
        """See `Context`; there is no limit of memory."""
        return Outbox(name, limits)

    def release(self, link: Link) -> None:
        """See `Context`; the link is gone at once."""
        [found] = [one for one in self.links if one is link]
        self.links.remove(found)
        found.become("gone")

    @property
    def routes(self) -> tuple[str, ...]:
        """See `Context`; what the test has set."""
        return self._routes

    @routes.setter
    def routes(self, prefixes: tuple[str, ...]) -> None:
        self._routes = prefixes

    def protocol(self, word: str) -> MessageProtocol:
        """See `Context`; those that are installed."""
        return Plugins().protocol_by(word)

    def dial(self, address: str, owner: WireOwner, options: LinkOptions) -> FakeWire:
        """See `Context`; recorded in `wires`, and the test calls the methods of `owner`."""
        self.wires.append(FakeWire(address, owner))
        return self.wires[-1]

    async def listen(self, address: str, factory: Callable[[], asyncio.BaseProtocol]) -> str:
        """See `Context`; opens no socket, stores the factory in `listeners`."""
        self.listeners[address] = factory
        return address

    def bind(self, address: str, options: ZmtpListenerOptions, role: ListenerRole) -> str:
        """See `Context`; no socket is opened, the role is kept in `bound` for the test to use."""
        self.bound[address] = role
        return address

    def handler(self, section: str) -> Handler:
        """See `Context`."""
        return self.handlers[section]

    @property
    def sections(self) -> tuple[str, ...]:
        """See `Context`; those of `handlers`."""
        return tuple(self.handlers)

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """See `Context`."""
        self.clock.every(seconds, call)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """See `Context`."""
        self.clock.call_later(seconds, call)

    def flusher(self, one: Flushable) -> Callable[[], None]:
        """See `Context`; flushes at once."""
        return one.flush

    def flush_later(self, one: Flushable) -> None:
        """See `Context`; flushes at once."""
        one.flush()

    def work(self, steps: Steps[None], size: int, wanted: Callable[[], bool]) -> None:
        """See `Context`; computes at once."""
        result(steps)

    def now(self) -> float:
        """Seconds since the start."""
        return self.clock.now

    def time(self) -> float:
        """Seconds since 1970."""
        return TIME + self.clock.now

    def on_departure(self, call: Callable[[bytes], None]) -> None:
        """See `Context`; the test makes the calls in `departures`."""
        self.departures.append(call)

    def targets(self, type: str, below: bool) -> list[Target]:
        """See `Context`; the test puts them into `destinations`, by their types."""
        types = [one for one in self.destinations if f"{one}.".startswith(f"{type}.")]
        return [self.destinations[one] for one in types if below or one == type]

    def watch(self, call: Callable[[], None]) -> None:
        """See `Context`; the test makes the calls in `watches`."""
        self.watches.append(call)

    def unwatch(self, call: Callable[[], None]) -> None:
        """See `Context`."""
        if call in self.watches:
            self.watches.remove(call)

    def flows_changed(self) -> None:
        """See `Context`; counted in `flow_changes`."""
        self.flow_changes += 1

    def count(self, name: str, amount: int = 1) -> None:
        """See `Context`."""
        self.counters[name] += amount

    def unanswered(self, reason: str) -> None:
        """See `Context`; recorded in `failures`."""
        self.failures.append(reason)

    def dispatch(self, handler: Handler, message: Message) -> str:
        """See `Context`; raises what the other handler raises."""
        verdict = handler.decide(message.type)
        if isinstance(verdict, Forward) and any(box.blocked for box in verdict.sinks):
            return "waits"
        self.deliver(handler, message)
        return "forwarded" if isinstance(verdict, Forward) else "consumed"

    def act(self, actions: Actions, message: Message | None = None) -> None:
        """See `Context`; a reply is encoded and stored in `replies`."""
        if actions is None:
            return
        for action in actions if isinstance(actions, Iterable) else (actions,):
            self._act(action, message)

    async def run_blocking(self, call: Callable[..., Any], *args: Any) -> Any:
        """See `Context`; makes the call at once, in the same thread."""
        return call(*args)

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """See `Context`; starts a real process, and stores it in `processes`."""
        self.processes.append(await asyncio.create_subprocess_exec(*command))
        return self.processes[-1]

    def task(self, work: Awaitable[None]) -> None:
        """See `Context`; `advance` and `settle` raise an exception of the task."""
        self._tasks.append(asyncio.ensure_future(work, loop=self._loop))

    def _act(self, action: Action, message: Message | None) -> None:
        if isinstance(action, Send):
            payload = CODEC.encode(action.type, action.value, action.blob)
            action.link.sink.offer(pack(cc.frames(action.route, action.type, payload)), 1)
            return
        if message is None:
            raise ValueError("an answer needs the message it answers")
        if isinstance(action, NativeAnswer):
            self.answers.append((message, action.content))
            return
        payload = message.codec.encode(action.type, action.value, action.blob)
        self.replies.append(Message(action.type, message.route, payload, message.codec, "test"))

    async def _end(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for process in self.processes:
            if process.returncode is None:
                process.kill()
            await process.wait()


def _recorder(name: str, lines: list[str]) -> logging.LoggerAdapter[logging.Logger]:
    """A log that stores `LEVEL text` of every line in `lines`, whatever the level."""

    class Recorder(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            lines.append(f"{record.levelname} {record.getMessage()}")

    logger = logging.Logger(name)
    logger.addHandler(Recorder())
    return logging.LoggerAdapter(logger, {})
