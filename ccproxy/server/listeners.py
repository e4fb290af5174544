"""All listeners of a server: which protocol is spoken where, opened, kept over a reload, closed.

It must never hold a listener that is half open: all of a plan can be had, or none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from ccproxy.config.address import Address
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.link import drained
from ccproxy.protocol import Listener

ANSWER_TIMEOUT = 2.0
"""Seconds calls under way have to be answered once no more are read: after a reload, at the end."""
POLL_INTERVAL = 0.005
"""Seconds between two looks whether they are."""


Open = dict[str, Listener]


class Listeners:
    """The open listeners, by protocol and address."""

    def __init__(self, kit: Kit) -> None:
        self.open: Open = {}
        self._kit = kit
        self._shut: list[Listener] = []
        self._past = Outbox("listeners gone", Limits())
        self._retired: dict[Listener, asyncio.Task[None]] = {}
        self._most: float | None = None
        """Seconds anybody may linger once the server stops."""

    def prepare(self, plan: Plan) -> Open:
        """A bound listener for every address of a plan, open ones kept; OSError says which failed.

        Open ones that are in the way of it accept no more. Follow it by `commit` or `abandon`.
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
        """Close what `prepare` opened, and open what it closed."""
        for key, listener in prepared.items():
            if self.open.get(key) is not listener:
                listener.acceptor.close()
        shut, self._shut = self._shut, []
        for listener in shut:
            try:
                listener.acceptor.reopen()
            except OSError as error:
                name, why = listener.acceptor.name, error.strerror or error
                self._kit.log.error("lost after a failed reload: [%s]: %s", name, why)

    async def commit(self, prepared: Open, plan: Plan) -> None:
        """Accept on what was prepared; what the plan no longer has goes on for its calls only."""
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
            self._retired[listener] = asyncio.create_task(self._retire(listener))

    def stop_reading(self) -> None:
        """Stop accepting and reading."""
        for listener in self.open.values():
            listener.acceptor.close()
            listener.stop_reading()

    async def settle(self) -> None:
        """Give calls under way a moment to be answered, while handlers and links still work."""
        await self._settled([*self.open.values(), *self._retired])

    async def close_peers(self, linger: float) -> None:
        """Send what waits for at most `linger` seconds, then close every connection."""
        self._most = linger
        reason = "the server stops"
        partings = [self._close_peers(one, reason) for one in self.open.values()]
        await asyncio.gather(*partings, *self._retired.values())

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers; of listeners that a reload closed, summed up in one."""
        boxes = [box for one in (*self.open.values(), *self._retired) for box in one.outboxes()]
        return [self._past, *boxes] if self._past.queued else boxes

    async def _retire(self, listener: Listener) -> None:
        await self._settled([listener])
        await self._close_peers(listener, "its listener is no longer configured")
        for box in listener.outboxes():
            self._past.absorb(box)
        del self._retired[listener]

    async def _settled(self, listeners: Collection[Listener]) -> None:
        """Calls under way are answered, or have had their time."""
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
        """Stop accepting at addresses that a plan wants with another host or protocol."""
        wanted = {_key(one): Address.parse(str(one.address)) for one in plan.listeners}
        fresh = [address for key, address in wanted.items() if key not in self.open]
        for key, listener in self.open.items():
            acceptor = listener.acceptor
            if key not in wanted and any(acceptor.address.clashes(one) for one in fresh):
                acceptor.close()
                self._shut.append(listener)

    def _bind(self, plan: ListenerPlan) -> Listener:
        listener: Listener = plan.factory(plan.protocol).listener(plan, self._kit)
        try:
            listener.acceptor.open(plan.options)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"[{plan.section}] cannot listen on {plan.address}: {why}") from error
        return listener


def _key(plan: ListenerPlan) -> str:
    """What makes two listeners the same; of ports chosen by the system, each is its own."""
    address = Address.parse(str(plan.address))
    chosen = address.scheme == "tcp" and not address.port
    return f"{plan.protocol} {address} {plan.section if chosen else ''}"
