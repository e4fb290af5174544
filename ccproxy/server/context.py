"""The Context of a running handler: all it may use, and what has to be closed when it stops.

It must never hand out the server.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from time import perf_counter, thread_time
from typing import Any, Protocol
from weakref import WeakSet

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.flows import Target
from ccproxy.core.message import Actions, Message
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.handler import Context, Handler, Link, Wire, WireOwner
from ccproxy.net.dial import Dial
from ccproxy.net.flush import Flushable, HotFlush
from ccproxy.net.shared import Kit, PluginFlush
from ccproxy.net.sockets import listening_on
from ccproxy.net.threads import Pool
from ccproxy.net.work import Steps
from ccproxy.net.zmtp.link import DEALER, OutgoingLink, drained, dropped, unheard
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import LinkRole, ListenerRole
from ccproxy.protocol import MessageProtocol
from ccproxy.server.coroutines import awaited
from ccproxy.server.handler_listener import HandlerListener
from ccproxy.server.runners import SLOW_HANDLER_AFTER

TIMER, DEPARTURE, FLOWS = "(timer)", "(departure)", "(flows)"
"""Logged in the place of a message type for such calls of a handler."""
PROCESS_GRACE = 2.0
"""Seconds a process has between SIGTERM and SIGKILL."""


class HandlerServices(Protocol):
    """What a context needs of the server: other handlers, links that survive a reload, threads."""

    pool: Pool

    def handler(self, section: str) -> Handler:
        """A started handler."""

    @property
    def sections(self) -> tuple[str, ...]:
        """Those of all handlers that run."""

    def link(
        self, section: str, address: Address, options: LinkOptions, role: LinkRole, apart: str
    ) -> OutgoingLink:
        """A link of a section, the open one if there is one to this address."""

    def release(self, link: Link) -> None:
        """Close a link that its handler does not use any more."""

    def routes(self, section: str) -> tuple[str, ...]:
        """The prefixes that name a section."""

    def protocol(self, word: str) -> MessageProtocol:
        """A protocol that is installed or lies in a plugin folder; ValueError if there is none."""

    def refresh(self) -> None:
        """Forget all flows, so that every handler is asked again."""


class HandlerContext(Context):
    """See `ccproxy.handler.Context`."""

    def __init__(self, name: str, kit: Kit, handler_set: HandlerServices) -> None:
        self.name = name
        self.log = logging.LoggerAdapter(logging.getLogger(name), {})
        self.counters: Counter[str] = Counter()
        self.links: list[OutgoingLink] = []
        self.listeners: list[ZmtpListener] = []
        self._kit = kit
        self._handler_set = handler_set
        self._loop = asyncio.get_running_loop()
        self._timers: set[asyncio.TimerHandle] = set()
        self._addresses: list[HandlerListener] = []
        self._queues: WeakSet[Outbox] = WeakSet()
        self._wires: list[Dial] = []
        self._departures: list[Callable[[bytes], None]] = []
        self._watches: dict[Callable[[], None], Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._processes: list[asyncio.subprocess.Process] = []
        self._stopped = False
        self.now = self._loop.time  # type: ignore[method-assign]

    def link(
        self,
        address: str,
        options: LinkOptions,
        on_message: Callable[[Message], None] | None = None,
        role: LinkRole | None = None,
        apart: str = "",
    ) -> OutgoingLink:
        """Open a link, or take over the one a reload left open."""
        where = Address.remote(str(address))
        link = self._handler_set.link(self.name, where, options, role or DEALER, apart)
        link.on_message = on_message
        link.on_state(unheard)
        link.on_dead(dropped)
        self.links.append(link)
        return link

    def release(self, link: Link) -> None:
        """Close a link, once what waits in it is sent."""
        self.links = [one for one in self.links if one is not link]
        self._handler_set.release(link)

    def outbox(self, name: str, limits: Limits) -> Outbox:
        """An outbox that counts for the memory of this server."""
        made = Outbox(name, limits, memory=self._kit.memory)
        self._queues.add(made)
        return made

    @property
    def waiting(self) -> int:
        """Messages in queues of `outbox`."""
        return sum(box.waiting for box in self._queues)

    @property
    def routes(self) -> tuple[str, ...]:
        """The prefixes that lead to this handler, of the plan that runs or is about to."""
        return self._handler_set.routes(self.name)

    def protocol(self, word: str) -> MessageProtocol:
        """A protocol by its word."""
        return self._handler_set.protocol(word)

    def dial(self, address: str, owner: WireOwner, options: LinkOptions) -> Wire:
        """Connect once; the connection is closed when the handler stops, if not before."""
        if options.proof:
            raise ValueError("keys and passwords prove something on ZMTP links only")
        self._wires = [one for one in self._wires if not one.over]
        self._wires.append(Dial(Address.remote(address), owner, self._kit, options))
        return self._wires[-1]

    async def listen(self, address: str, factory: Callable[[], asyncio.BaseProtocol]) -> str:
        """Accept connections of a protocol of the handler's own."""
        made = HandlerListener(self.name, Address.parse(str(address)), factory, self._kit)
        await made.open()
        self._addresses.append(made)
        return made.bound

    def bind(self, address: str, options: ZmtpListenerOptions, role: ListenerRole) -> str:
        """Accept ZMTP peers until the handler stops."""
        plan = ListenerPlan(self.name, "zmtp", ZmtpListener, address, options, 0)
        listener = ZmtpListener(plan, self._kit, role)
        with listening_on(address):
            listener.acceptor.open(options)
        listener.acceptor.accept()
        self.listeners.append(listener)
        self.log.info("listening name=%s address=%s", self.name, listener.acceptor.bound)
        return listener.acceptor.bound

    def handler(self, section: str) -> Handler:
        """Another handler."""
        return self._handler_set.handler(section)

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of all handlers that run."""
        return self._handler_set.sections

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again; the first time one period from now."""
        due = self._loop.time() + seconds

        def again() -> None:
            nonlocal due
            # After a suspension of the machine, do not make up for the missed calls.
            due = max(due + seconds, self._loop.time())
            self._at(due, again)
            call()

        self._at(due, again)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once."""
        self._at(self._loop.time() + seconds, call)

    def flusher(self, one: Flushable) -> Callable[[], None]:
        """A call that has `one` flushed at the end of the turn of the loop."""
        return HotFlush(self._kit.flush_queue, one, self._flush_failed).wake

    def _flush_failed(self, error: BaseException) -> None:
        def again() -> None:
            raise error

        self._kit.call_plugin(self.name, "(flush)", again)

    def flush_later(self, one: Flushable) -> None:
        """Flush at the end of this turn of the loop."""
        self._kit.flush_queue.flush_later(PluginFlush(self._kit, self.name, one))

    def now(self) -> float:
        """Seconds of the loop's clock."""
        return self._loop.time()

    def time(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def on_departure(self, call: Callable[[bytes], None]) -> None:
        """Call with the identity of each peer that is gone."""

        def guarded(identity: bytes) -> None:
            self._timed(DEPARTURE, partial(call, identity))

        self._departures.append(guarded)
        self._kit.departures.append(guarded)

    def targets(self, type: str, below: bool) -> list[Target]:
        """Where the routes lead messages of a type to."""
        return self._kit.switch.targets(type, below)

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever `targets` may answer otherwise."""
        guarded = self._watches[call] = partial(self._timed, FLOWS, call)
        self._kit.switch.watch(guarded)

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""
        if guarded := self._watches.pop(call, None):
            self._kit.switch.unwatch(guarded)

    def flows_changed(self) -> None:
        """Forget all flows, so that every handler is asked again."""
        self._handler_set.refresh()

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.counters[name] += amount

    def unanswered(self, reason: str) -> None:
        """Count a call that went wrong behind the handler."""
        self._kit.log.unanswered(self.name, reason)

    def dispatch(self, handler: Handler, message: Message) -> str:
        """Give a message that was held back to another handler, unless it has to wait."""
        switch = self._kit.switch
        return "waits" if switch.waits(handler, message.type) else switch.inject(handler, message)

    def act(self, actions: Actions, message: Message | None = None) -> None:
        """Carry out actions."""
        self._kit.switch.act(actions, message)

    async def run_blocking(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run a call that waits in the server's bounded pool of threads."""
        return await self._handler_set.pool.run(partial(call, *args))

    def work(self, steps: Steps[None], size: int, wanted: Callable[[], bool]) -> None:
        """Compute in steps, in turn with everything else that is computed so."""
        self._kit.compute(self.name, steps, size, wanted)

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a process that is ended when the handler stops."""
        process = await asyncio.create_subprocess_exec(*command)
        self._processes.append(process)
        return process

    def task(self, work: Awaitable[None]) -> None:
        """Run a coroutine until the handler stops."""
        task = asyncio.ensure_future(self._guarded(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers that connected to addresses of `bind`."""
        return [box for one in self.listeners for box in one.outboxes()]

    def stop_accepting(self) -> None:
        """No more connections come in; those that are there stay."""
        for listener in self.listeners:
            listener.acceptor.close()
        for one in self._addresses:
            one.close()

    async def accept_again(self) -> None:
        """Open the same addresses after `stop_accepting`; OSError names one that cannot be had."""
        for listener in self.listeners:
            if not listener.acceptor.listening:
                with listening_on(listener.acceptor.bound):
                    listener.acceptor.reopen()
        for one in self._addresses:
            if not one.listening:
                await one.open()

    async def close(self) -> None:
        """End everything that the handler started, except links: its successor may use them."""
        self._stopped = True
        for listener in self.listeners:
            listener.acceptor.close()
            listener.stop_reading()
        await asyncio.gather(*map(_close_peers, self.listeners))
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self.stop_accepting()
        for wire in self._wires:
            wire.close()
        for watch in list(self._watches):
            self.unwatch(watch)
        for departure in self._departures:
            self._kit.departures.remove(departure)
        self._departures.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*map(_end, self._processes))

    def _at(self, when: float, call: Callable[[], None]) -> None:
        if self._stopped:
            return

        def run() -> None:
            self._timers.discard(timer)
            self._timed(TIMER, call)

        timer = self._loop.call_at(when, run)
        self._timers.add(timer)

    def _timed(self, what: str, call: Callable[[], None]) -> None:
        """Make a call of the handler; log that it failed, or took long."""
        begun, used = perf_counter(), thread_time()
        self._kit.call_plugin(self.name, what, call)
        took = perf_counter() - begun
        if took > SLOW_HANDLER_AFTER:
            self._kit.log.slow(self.name, what, took, thread_time() - used)

    async def _guarded(self, work: Awaitable[None]) -> None:
        try:
            await awaited(lambda: work)
        except Exception:
            self.log.exception("task failed")


async def _close_peers(listener: ZmtpListener) -> None:
    """Send for at most `linger` seconds what waits, then close every peer."""
    linger = listener.options.linger
    await asyncio.gather(*(drained(box, linger) for box in listener.outboxes() if box.waiting))
    await listener.close_peers("its handler stops", linger)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Send SIGTERM, and SIGKILL if the process does not end in time."""
    if process.returncode is not None:
        return
    process.terminate()
    try:
        await asyncio.wait_for(process.wait(), PROCESS_GRACE)
    except TimeoutError:
        process.kill()
        await process.wait()
