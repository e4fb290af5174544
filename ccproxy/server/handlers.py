"""The running handlers of one plan: made, started, replaced at a reload, stopped.

Links belong to the set, not to one handler, so that a reload can hand an open link to the handler
that takes its place. It must never touch a listener.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import partial

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.config.plan import HandlerPlan, Plan
from ccproxy.core.counted_queue import CountedQueue
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.plugin_code import PluginCode
from ccproxy.core.routes import Routes
from ccproxy.core.switch import Decider, Switch
from ccproxy.handler import Handler, Link
from ccproxy.net.shared import Kit
from ccproxy.net.threads import Pool
from ccproxy.net.zmtp.link import DEALER, OutgoingLink
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import LinkRole
from ccproxy.plugins import Plugins
from ccproxy.protocol import MessageProtocol
from ccproxy.server.absent import Absent
from ccproxy.server.accepted import AcceptedMessages
from ccproxy.server.context import HandlerContext
from ccproxy.server.coroutines import awaited, within
from ccproxy.server.draining import Draining
from ccproxy.server.links import Links
from ccproxy.server.runners import LoopRunner, RunnerKit, ThreadRunner, receiver
from ccproxy.wire.text import OperatorText

THREADS = 8
"""Threads of `Context.run_blocking`, for all handlers together."""
STOP_TIMEOUT = 2.0
"""Seconds for `Handler.stop`, and for a handler's thread to finish its messages."""


NONE_ABSENT: Mapping[str, Decider] = {}


class StartFailed(Exception):
    """A handler could not be started; the text names it and the reason."""


class StartTooSlow(Exception):
    """The start of a handler took longer than `start-timeout`."""


@dataclass(frozen=True, slots=True)
class RunningHandler:
    """One running handler: its plan, the instance, its context, and its receiver."""

    plan: HandlerPlan
    handler: Handler
    context: HandlerContext
    receiver: LoopRunner | ThreadRunner


class HandlerSet:
    """All running handlers and links."""

    def __init__(self, kit: Kit, plugins: Plugins) -> None:
        self.members: dict[str, RunningHandler] = {}
        self.links = Links(kit)
        self.pool = Pool(THREADS, "blocking")
        self._kit = kit
        self._plugins = plugins
        self._starting: dict[str, RunningHandler] = {}
        self._plan: Plan | None = None
        self._draining = Draining(self._cannot_drain)
        self._suspended: list[RunningHandler] = []
        self._absent: dict[str, Absent] = {}
        self._stopping = False
        self._accepting = True
        self._gone: dict[str, Outbox] = {}
        """The sums of handlers' own peers that are gone, by section."""

    # What contexts may ask for

    def handler(self, section: str) -> Handler:
        """A started handler; KeyError if the section is not running."""
        return (self._starting.get(section) or self.members[section]).handler

    @property
    def sections(self) -> tuple[str, ...]:
        """Those of all handlers that run."""
        return tuple(self.members)

    def link(
        self,
        section: str,
        address: Address,
        options: LinkOptions,
        role: LinkRole = DEALER,
        apart: str = "",
    ) -> OutgoingLink:
        """A link of a section, the open one if there is one to this address."""
        sections = {one.section for one in self._plan.handlers} if self._plan is not None else ()
        key = (section, f"{address} {apart}".rstrip())
        link = self.links.get(key, address, options, sections)
        link.assume(role)
        return link

    def release(self, link: Link) -> None:
        """Close a link that its handler does not use any more."""
        self.links.release(link)

    def routes(self, section: str) -> tuple[str, ...]:
        """The prefixes that name a section, in the plan that is being started or runs."""
        plan = self._plan
        routes = plan.routes if plan is not None else ()
        return tuple(one.prefix for one in routes if section in one.sections)

    def protocol(self, word: str) -> MessageProtocol:
        """A protocol that is installed or lies in a plugin folder; ValueError if there is none."""
        return self._plugins.protocol_by(word, self._plan.plugin_folders if self._plan else ())

    def refresh(self) -> None:
        """Forget all flows, so that every handler is asked again."""
        self._kit.switch.table.clear()

    # The life of handlers

    async def apply(self, plan: Plan, keep: Collection[str] = ()) -> list[str]:
        """Run the handlers of a plan: those to `keep` go on, and their lines about what is
        different are returned; the others are started and stopped.

        If it raises StartFailed or anything else, everything is as it was before.
        """
        earlier, self._plan = self._plan, plan
        links = self.links.state()
        fresh = [one for one in plan.handlers if one.section not in keep]
        leaving = [one for name, one in self.members.items() if name not in keep]
        # A handler with listeners of its own must close them before its successor can bind them.
        early = [one for one in leaving if one.handler.standalone]
        await self._stop(early)
        try:
            await self._start(fresh, plan.server.start_timeout)
            members = {**{name: self.members[name] for name in keep}, **self._starting}
            members = {one.section: members[one.section] for one in plan.handlers}
            configure(self._kit.switch, plan, members)
        except BaseException as error:  # also when it is cancelled
            await self._stop(list(self._starting.values()))
            self._starting = {}
            self.links.restore(links)
            self._plan = earlier
            await self._bring_back(early, isinstance(error, Exception))
            raise
        self.members, self._starting = members, {}
        if not self._accepting:
            self.stop_accepting()
        self._retire_unused()
        await self._drain([one for one in leaving if one not in early])
        return [line for name in keep for line in self._reloaded(name)]

    def _reloaded(self, name: str) -> list[str]:
        """Let a handler that stays look at files of its own; what it says is different."""
        found: list[str] = []
        told = self.members[name].handler.reloaded
        self._kit.call_plugin(name, "(reload)", lambda: found.extend(map(str, told() or ())))
        return [f"[{name}] {line}" for line in found]

    async def stop(self, linger: float) -> None:
        """Stop all handlers, then close all links."""
        self._stopping = True
        await asyncio.gather(self._stop(self.members.values()), self._draining.stop())
        await self.links.stop(linger)
        self.pool.close()

    async def suspend(self, files: Collection[str]) -> list[str]:
        """Stop the handlers that have one of these state files open; their sections. What comes
        for them waits with its senders until `resume`."""
        leaving = [one for one in self.members.values() if {*files} & {*one.plan.state_files}]
        self._suspended += leaving
        for one in leaving:
            del self.members[one.plan.section]
            self._absent[one.plan.section] = Absent(one.plan.section)
        if leaving and self._plan is not None:
            configure(self._kit.switch, self._plan, self.members, self._absent)
            await self._stop(leaving)
        return [one.plan.section for one in leaving]

    async def resume(self) -> None:
        """Start those again; what cannot be started is lost, which the log says."""
        suspended, self._suspended = self._suspended, []
        if not suspended or self._plan is None:
            return
        await self._bring_back(suspended, again=True)
        lost = {name: one for name, one in self._absent.items() if name not in self.members}
        if lost:
            configure(self._kit.switch, self._plan, self.members, lost)
        self.give_up_suspended()

    def give_up_suspended(self) -> None:
        """Let the senders go on that wait for them: they are back, or with another server."""
        absent, self._absent = self._absent, {}
        for one in absent.values():
            one.end()

    def stop_accepting(self) -> None:
        """No more peers come to addresses of handlers, nor to those that a reload starts. Where
        messages wait for peers, these may come: nothing else takes them."""
        self._accepting = False
        for member in self.members.values():
            if not member.context.waiting:
                member.context.stop_accepting()

    def waiting(self) -> int:
        """Messages that wait in handlers for peers, whichever they are."""
        return sum(member.context.waiting for member in self.members.values())

    async def accept_again(self) -> None:
        """Open the same addresses after `stop_accepting`; OSError names one that cannot be had,
        and then all are closed."""
        for name, member in self.members.items():
            try:
                await member.context.accept_again()
            except OSError as error:
                self.stop_accepting()
                raise OSError(f"[{name}] {error}") from error
        self._accepting = True

    def listeners(self) -> list[ZmtpListener]:
        """Every listener that a handler has opened."""
        return [one for member in self.members.values() for one in member.context.listeners]

    def outboxes(self) -> list[CountedQueue]:
        """The queues of all links and of handlers' own peers; the first ones sum up gone ones."""
        boxes = [*self._gone.values(), *self.links.queues()]
        for member in (*self.members.values(), *self._starting.values()):
            boxes += member.context.outboxes()
        return [self.links.past, *boxes] if self.links.past.queued else boxes

    async def _start(self, plans: Iterable[HandlerPlan], seconds: float) -> None:
        self._starting = {}
        made = [self._make(one) for one in plans]
        # Make all before the first one starts: `forward-to` may name a later section.
        self._starting = {one.plan.section: one for one in made}
        for number, member in enumerate(made):
            try:
                await _within(seconds, awaited(member.handler.start, member.context))
            except BaseException as error:  # also when it is cancelled: it has begun
                await self._stop(made[: number + 1])
                self._starting = {}
                if not isinstance(error, Exception):
                    raise
                raise self._failed(member.plan, error) from error

    def _failed(self, plan: HandlerPlan, error: Exception) -> StartFailed:
        """The text for an operator; the log has the traceback of what may be a mistake in code."""
        if not isinstance(error, OSError | StartTooSlow):
            self._kit.log.failed(plan.section, "(start)", error)
        return StartFailed(f"[{plan.section}]: {str(error) or type(error).__name__}")

    async def _bring_back(self, stopped: list[RunningHandler], again: bool) -> None:
        """Run the earlier plan; if `again`, start the handlers stopped for the new one."""
        plan = self._plan
        if again and plan is not None:
            try:
                await self._start([one.plan for one in stopped], plan.server.start_timeout)
            except StartFailed as error:
                self._kit.log.error("lost after a failed reload: %s", OperatorText(error))
        else:
            self.members = {name: one for name, one in self.members.items() if one not in stopped}
        self.members.update(self._starting)
        self._starting = {}
        if again and plan is not None:
            configure(self._kit.switch, plan, self.members)
        if not self._accepting:
            self.stop_accepting()
        self._retire_unused()

    def _make(self, plan: HandlerPlan) -> RunningHandler:
        context = HandlerContext(plan.section, self._kit, self)
        times = self._kit.flush_queue.latencies.of_handler(plan.section)
        kit = RunnerKit(
            self._kit.log, times, self._kit.switch, context.count, self._accept_timeout,
            self.refresh,
        )  # fmt: skip
        try:
            with PluginCode():
                handler = plan.factory(plan.section, plan.options)
                handler.ctx = context
                receives = receiver(handler, kit)
        except Exception as error:
            raise self._failed(plan, error) from error
        return RunningHandler(plan, handler, context, receives)

    def _accept_timeout(self) -> float:
        """Seconds that a handler has to say the outcome of a message it has accepted."""
        assert self._plan is not None
        seconds: float = self._plan.server.accept_timeout
        return seconds

    async def _stop(self, members: Iterable[RunningHandler]) -> None:
        """Stop all at the same time, so that one that hangs delays no other."""
        await asyncio.gather(*map(self._end, members))

    async def _drain(self, members: Iterable[RunningHandler]) -> None:
        """Stop handlers at once, or when they are done if they have something under way."""
        idle = []
        for member in members:
            name, done = member.handler.name, None
            try:
                with PluginCode():
                    done = member.handler.drain()
            except Exception as error:
                self._cannot_drain(name, error)
            runner = member.receiver
            if isinstance(runner, LoopRunner) and len(runner.accepted):
                done = _both(done, runner.accepted.drained())
            if done is None:
                idle.append(member)
            else:
                self._kit.log.info("handler=%s ends what is under way", name)
                self._draining.add(name, done, partial(self._end, member))
        await self._stop(idle)

    def _cannot_drain(self, name: str, error: BaseException) -> None:
        self._kit.log.failed(name, "(drain)", error)

    async def _end(self, member: RunningHandler) -> None:
        log, name = self._kit.log, member.handler.name
        if isinstance(member.receiver, ThreadRunner):
            left = await member.receiver.stop(STOP_TIMEOUT)
            if left:
                log.warning("stopped handler=%s messages lost=%d", name, left)
                self._give_up(member.receiver)
        try:
            await within(STOP_TIMEOUT, awaited(member.handler.stop))
        except Exception as error:
            log.failed(name, "(stop)", error)
        if isinstance(member.receiver, LoopRunner) and (left := len(member.receiver.accepted)):
            log.warning("stopped handler=%s messages without an outcome=%d", name, left)
            self._give_up(member.receiver.accepted)
        await member.context.close()
        for box in member.context.outboxes():
            self._gone.setdefault(name, Outbox(f"{name} peers gone", Limits())).absorb(box)
        member.context.listeners.clear()

    def _give_up(self, messages: ThreadRunner | AcceptedMessages) -> None:
        """End what a stopped handler has not dealt with."""
        if self._stopping:
            messages.abandon()
        else:
            messages.fail()

    def _retire_unused(self) -> None:
        """Close the links that no handler uses any more; peers of sections that are no longer there
        are summed up with those."""
        for name in [one for one in self._gone if one not in self.members]:
            self.links.past.absorb(self._gone.pop(name))
        members = self.members.values()
        self.links.retire({link for member in members for link in member.context.links})


async def _both(one: Awaitable[None] | None, other: Awaitable[None]) -> None:
    """Wait for both, the first of which a plugin has made."""
    if one is not None:
        await one
    await other


async def _within(seconds: float, start: Awaitable[None]) -> None:
    """Await the start of a handler; StartTooSlow if it takes longer than this."""
    try:
        async with asyncio.timeout(seconds) as limit:
            await start
    except TimeoutError:
        if limit.expired():
            raise StartTooSlow(f"not done within start-timeout = {seconds:g} s") from None
        raise


def configure(
    switch: Switch,
    plan: Plan,
    members: Mapping[str, RunningHandler],
    absent: Mapping[str, Decider] = NONE_ABSENT,
) -> None:
    """Give the switch the routes of a plan and the handlers that run; `absent` is in the place of
    those that do not."""
    switch.configure(
        Routes((one.prefix, one.sections) for one in plan.routes),
        {**{name: member.handler for name, member in members.items()}, **absent},
        {id(member.handler): member.receiver for member in members.values()},
    )
