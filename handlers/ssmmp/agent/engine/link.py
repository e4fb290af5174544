"""The link to the Manager: registration, what the welcome says, reconnection with back-off."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ccproxy.protocols import ssmmp

from .actions import Connect, Disconnect
from .state import House
from .tables import LINK, UP, LinkState

IN_LINE = 100
"""Instances or sessions told in one line: 16 KiB is the limit, a session takes up to 100 bytes."""
_EVENTS = {200: "welcomed", 205: "disowned", 208: "welcomed", 307: "redirected", 422: "unfit"}


class Link:
    """`deadline` is that of the welcome; 0 = none. The wait grows until a registration succeeds."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.state = LinkState.DISCONNECTED
        self.deadline = 0.0
        self.wait = house.settings.reconnect_first
        self.message = ssmmp.Message("", 0)
        self.effects: dict[str, Callable[[], None]] = {
            "register": self._register,
            "kill_all": house.processes.kill_all,
            "hang_up": self._hang_up,
            "retry": self._retry,
            "retry_slowly": self._retry_slowly,
            "redirect": self._redirect,
            "drop_pending": house.relay.drop_pending,
        }

    def fire(self, event: str) -> bool:
        """One event; False if the table has no rule for it in this state."""
        rule = LINK.rule(self.state, event)
        if rule is None:
            self.house.count(f"ignored.link.{self.state}.{event}")
            return False
        if rule.next != self.state:
            timer = LINK.timers.get(rule.next)
            settings: Any = self.house.settings
            self.deadline = self.house.now + getattr(settings, timer) if timer else 0.0
        self.state = LinkState(rule.next)
        for effect in rule.does:
            self.effects[effect]()
        return True

    def welcomed(self, message: ssmmp.Message) -> None:
        """initiation_response."""
        self.message = message
        status = message.status
        event = _EVENTS.get(status, "welcomed" if message.ok else "refused")
        if status >= 500:
            event = "busy"
        self.fire(event)
        if event == "unfit":
            self.deadline = 0.0
        if self.state is LinkState.REGISTERED:
            self.wait = self.house.settings.reconnect_first
        else:
            self.house.notice("not registered", "Manager", f"status {status}")

    def _register(self) -> None:
        house = self.house
        running = [
            (row.program, row.key, *(port for _, port in row.sockets))
            for row in house.rows.values()
            if row.state in UP
        ]
        sessions = [
            (one.source, one.plug, one.port, one.to_address, one.to_port, one.new_port)
            for one in house.connections.values()
        ]
        sessions += house.relay.offered()
        extras = [("x_ssmmp", "1")]
        if house.identity.node:
            extras.append(("x_node", house.identity.node))
        extras += _lines("x_running", running)
        extras += _lines("x_sessions", sessions)
        house.to_manager(
            ssmmp.AGENT_TO_MANAGER.make(
                "initiation_request", house.number(), tuple(extras),
                agent_network_address=house.identity.address,
                service_repository=house.repository.names,
            )
        )  # fmt: skip

    def _hang_up(self) -> None:
        self.house.log.append(Disconnect("", f"status {self.message.status}"))
        self.house.relay.drop_pending()

    def _retry(self) -> None:
        self.house.log.append(Connect(self.wait))
        self.wait = min(2 * self.wait, self.house.settings.reconnect_most)

    def _retry_slowly(self) -> None:
        self.house.log.append(Connect(self.house.settings.reconnect_most))

    def _redirect(self) -> None:
        self.house.log.append(Connect(0.0, self.message.extra("x_manager") or ""))


def _lines(name: str, items: list[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    """A list on as many extension lines as it takes: NAME, NAME_2, NAME_3 ..."""
    for number in range(max(1, -(-len(items) // IN_LINE))):
        part = items[number * IN_LINE : (number + 1) * IN_LINE]
        yield (f"{name}_{number + 1}" if number else name), ssmmp.write_tuples(part)
