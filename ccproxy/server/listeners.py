"""All listeners of a server: opened for a plan, kept over a reload, closed at the end.

It must never open only some of the listeners of a plan: it opens all of them or none.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from ccproxy.config.address import Address
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import listening_on
from ccproxy.net.zmtp.dialled import DialledListener
from ccproxy.net.zmtp.link import OutgoingLink, drained
from ccproxy.protocol import Listener
from ccproxy.wire.text import OperatorText

ANSWER_TIMEOUT = 2.0
"""Seconds in which calls under way must be answered once no more are read."""
POLL_INTERVAL = 0.005
"""Seconds between two checks whether they are answered."""

UNCONFIGURED = "its listener is no longer configured"
DRAINED = "its listener was drained"
"""Why peers are closed."""
Open = dict[str, Listener]


class Listeners:
    """The open listeners, by protocol and address."""

    def __init__(self, kit: Kit) -> None:
        self.open: Open = {}
        self._kit = kit
        self._shut: list[Listener] = []
        self._bound: dict[str, str] = {}
        """The addresses that `reopen` has to bind as they were, a port chosen by the system too."""
        self._past = Outbox("listeners gone", Limits())
        self._retired: dict[Listener, asyncio.Task[None]] = {}
        self._most: float | None = None
        """The most seconds of any `linger` once the server stops; None while it runs."""

    def prepare(self, plan: Plan) -> Open:
        """A bound listener for every address of a plan, or an open one; OSError names a failed one.

        Open ones whose address the plan needs accept no more. Call `commit` or `abandon` next.
        """
        found: Open = {}
        try:
            self._make_room(plan)
            for one in plan.listeners:
                known = self.open.get(_key(one))
                found[_key(one)] = known or self._bind(one)
        except OSError:
            self.abandon(found)
            raise
        return found

    def abandon(self, prepared: Open) -> None:
        """Close the listeners that `prepare` opened, and reopen those that it closed."""
        for key, listener in prepared.items():
            if self.open.get(key) is not listener:
                listener.acceptor.close()
                listener.stop_reading()
        shut, self._shut = self._shut, []
        for listener in shut:
            try:
                listener.acceptor.reopen()
            except OSError as error:
                name, why = listener.acceptor.name, error.strerror or error
                self._kit.log.error("lost after a failed reload: [%s]: %s", name, OperatorText(why))

    async def commit(self, prepared: Open, plan: Plan) -> None:
        """Accept on the prepared listeners; those not in the plan only finish their calls."""
        before, self.open, self._shut = self.open, prepared, []
        for one in plan.listeners:
            listener = prepared[_key(one)]
            listener.name = listener.acceptor.name = one.section
            listener.reconfigure(one.options)
            listener.acceptor.accept()
        gone = [one for key, one in before.items() if prepared.get(key) is not one]
        for listener in gone:
            listener.acceptor.close()
            listener.stop_reading()
            self._retired[listener] = asyncio.create_task(self._retire(listener, UNCONFIGURED))

    async def reopen(self, plan: Plan) -> None:
        """Accept again after `stop_reading`, on new listeners: the connections of the old ones end
        as those of listeners that a reload closes. Those that a reload has opened meanwhile stay.
        OSError names an address that cannot be had, and then nothing changes."""
        before = self.open
        self.open = {key: one for key, one in before.items() if _accepts(one)}
        closed = {key: one for key, one in before.items() if key not in self.open}
        self._bound = {key: one.acceptor.bound for key, one in closed.items()}
        try:
            prepared = self.prepare(plan)
        except OSError:
            self.open = before
            raise
        finally:
            self._bound = {}
        await self.commit(prepared, plan)
        for listener in closed.values():
            self._retired[listener] = asyncio.create_task(self._retire(listener, DRAINED))

    def stop_accepting(self) -> None:
        """No more connections come in; those that are there stay. Where this server has connected
        to its peers, nothing more is asked for: another server has connected to them as well."""
        for listener in self.open.values():
            listener.acceptor.close()
            if listener.acceptor.address is None:
                listener.stop_reading()

    def stop_reading(self) -> None:
        """Stop accepting and reading."""
        for listener in self.open.values():
            listener.acceptor.close()
            listener.stop_reading()

    async def settle(self) -> None:
        """Wait for the answers of calls under way, while handlers and links still work."""
        await self._settled([*self.open.values(), *self._retired])

    async def close_peers(self, linger: float) -> None:
        """Send for at most `linger` seconds what waits, then close every connection."""
        self._most = linger
        reason = "the server stops"
        partings = [self._close_peers(one, reason) for one in self.open.values()]
        await asyncio.gather(*partings, *self._retired.values())

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers; the first sums up those of listeners that a reload closed."""
        boxes = [box for one in (*self.open.values(), *self._retired) for box in one.outboxes()]
        return [self._past, *boxes] if self._past.queued else boxes

    def links(self) -> list[OutgoingLink]:
        """The links of listeners that connect to their peers."""
        dialled = [one for one in self.open.values() if isinstance(one, DialledListener)]
        return [link for one in dialled for link in one.links.values()]

    async def _retire(self, listener: Listener, reason: str) -> None:
        await self._settled([listener])
        await self._close_peers(listener, reason)
        for box in listener.outboxes():
            self._past.absorb(box)
        del self._retired[listener]

    async def _settled(self, listeners: Collection[Listener]) -> None:
        """Wait until all calls under way are answered, for at most `ANSWER_TIMEOUT`."""
        loop = asyncio.get_running_loop()
        end = loop.time() + ANSWER_TIMEOUT
        while any(one.calls for one in listeners) and loop.time() < end:
            if self._most is not None:
                return
            await asyncio.sleep(POLL_INTERVAL)

    async def _close_peers(self, listener: Listener, reason: str) -> None:
        """Send what waits, then close every connection."""
        linger = listener.options.linger
        if self._most is not None:
            linger = min(linger, self._most)
        await asyncio.gather(*(drained(box, linger) for box in listener.outboxes() if box.waiting))
        await listener.close_peers(reason, linger)

    def _make_room(self, plan: Plan) -> None:
        """Stop accepting at addresses that the plan uses with another host or protocol."""
        listening = [one for one in plan.listeners if one.address]
        wanted = {_key(one): Address.parse(str(one.address)) for one in listening}
        fresh = [address for key, address in wanted.items() if key not in self.open]
        for key, listener in self.open.items():
            acceptor = listener.acceptor
            mine = acceptor.address
            if mine is None or key in wanted:
                continue
            if any(mine.clashes(one) for one in fresh):
                acceptor.close()
                self._shut.append(listener)

    def _bind(self, plan: ListenerPlan) -> Listener:
        listener: Listener = plan.factory(plan.protocol).listener(plan, self._kit)
        if bound := self._bound.get(_key(plan)):
            listener.acceptor.bound = bound
        try:
            with listening_on(plan.address):
                listener.acceptor.open(plan.options)
        except OSError as error:
            listener.stop_reading()
            raise OSError(f"[{plan.section}] {error}") from error
        return listener


def _accepts(listener: Listener) -> bool:
    """True if it has an address that is bound."""
    return listener.acceptor.address is not None and listener.acceptor.listening


def _key(plan: ListenerPlan) -> str:
    """Equal for listeners that a reload may keep; a port chosen by the system is its section's."""
    if not plan.address:
        return f"{plan.protocol} connect {plan.section}"
    address = Address.parse(str(plan.address))
    chosen = address.scheme == "tcp" and not address.port
    return f"{plan.protocol} {address} {plan.section if chosen else ''}"
