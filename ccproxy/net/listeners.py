"""All listeners of a server: which protocol is spoken where, opened, kept over a reload, closed.

It must never hold a listener that is half open: all of a plan can be had, or none of it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Protocol

from ccproxy.config.address import Address
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.core.outbox import Outbox
from ccproxy.net.door import Door
from ccproxy.net.link import drained
from ccproxy.net.listener import Listener
from ccproxy.net.services import Services


class Listening(Protocol):
    """What a listener of any protocol can do; a reload may change its section's name."""

    name: str
    door: Door

    def mute(self) -> None:
        """Read no more; what waits is still written."""

    async def dismiss(self, reason: str, seconds: float) -> None:
        """Close every connection, in peace if it takes at most `seconds`."""

    def reconfigure(self, options: ListenerOptions) -> None:
        """New options: limits hold at once, the rest for connections to come."""

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers, those that are gone summed up in one."""


def _text(plan: ListenerPlan, services: Services) -> Listening:
    from ccproxy.net.texts import TextListener

    return TextListener(plan, services)


def _calls(plan: ListenerPlan, services: Services) -> Listening:
    from ccproxy.net.listener_calls import CallListener

    return CallListener(plan, services)


MAKERS: Mapping[str, Callable[[ListenerPlan, Services], Listening]] = {
    "cc": Listener,
    "ssmmp": _text,
    "sodep": _calls,
    "http": _calls,
    "jsonrpc": _calls,
}
"""The listener of each protocol of `ccproxy.config.server.PROTOCOLS`; what speaks a protocol is
imported when a listener asks for it, because a switch of CC alone would carry 2 MiB for nothing."""

Open = dict[str, Listening]


class Listeners:
    """The open listeners, by protocol and address."""

    def __init__(self, services: Services) -> None:
        self.open: Open = {}
        self._services = services
        self._shut: list[Listening] = []

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
                listener.door.close()
        shut, self._shut = self._shut, []
        for listener in shut:
            try:
                listener.door.reopen()
            except OSError as error:
                name, why = listener.door.name, error.strerror or error
                self._services.journal.error("lost after a failed reload: [%s]: %s", name, why)

    async def commit(self, prepared: Open, plan: Plan) -> None:
        """Accept on what was prepared, and close what the plan no longer has."""
        before, self.open, self._shut = self.open, prepared, []
        for one in plan.listeners:
            listener = prepared[_key(one)]
            listener.name = listener.door.name = one.section
            listener.reconfigure(one.options)
            listener.door.accept()
        gone = [one for key, one in before.items() if prepared.get(key) is not one]
        for listener in gone:
            listener.door.close()
        reason = "its listener is no longer configured"
        await asyncio.gather(*(one.dismiss(reason, 0.0) for one in gone))

    def mute(self) -> None:
        """Stop accepting and reading."""
        for listener in self.open.values():
            listener.door.close()
            listener.mute()

    async def dismiss(self, linger: float) -> None:
        """Send what waits for at most `linger` seconds, then close every connection."""
        await asyncio.gather(*(drained(box, linger) for box in self.outboxes() if box.waiting))
        await asyncio.gather(
            *(one.dismiss("the server stops", linger) for one in self.open.values())
        )

    def outboxes(self) -> list[Outbox]:
        """The outboxes of all peers of all listeners."""
        return [box for one in self.open.values() for box in one.outboxes()]

    def _make_room(self, plan: Plan) -> None:
        """Close doors at addresses that a plan wants in another way: another host or protocol."""
        wanted = {_key(one): Address.parse(str(one.address)) for one in plan.listeners}
        fresh = [address for key, address in wanted.items() if key not in self.open]
        for key, listener in self.open.items():
            door = listener.door
            if key not in wanted and any(door.address.clashes(one) for one in fresh):
                door.close()
                self._shut.append(listener)

    def _bind(self, plan: ListenerPlan) -> Listening:
        listener = MAKERS[plan.protocol](plan, self._services)
        try:
            listener.door.open(plan.options)
        except OSError as error:
            why = error.strerror or error
            raise OSError(f"[{plan.section}] cannot listen on {plan.address}: {why}") from error
        return listener


def _key(plan: ListenerPlan) -> str:
    """What makes two listeners the same; of ports chosen by the system, each is its own."""
    address = Address.parse(str(plan.address))
    chosen = address.scheme == "tcp" and not address.port
    return f"{plan.protocol} {address} {plan.section if chosen else ''}"
