"""The link to the Manager: registration, what the welcome says, reconnection with back-off.

It is the highest of the parts: it orders processes killed and pending requests dropped. It must
never open a connection itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from ccproxy.protocols import ssmmp

from .actions import Connect, Disconnect
from .processes import Processes
from .relay import Relay
from .state import State
from .tables import LINK, UP, LinkState

ITEMS_PER_LINE = 100
"""Instances or sessions told in one line: 16 KiB is the limit, a session takes up to 100 bytes."""
_EVENTS = {200: "welcomed", 205: "disowned", 208: "welcomed", 307: "redirected", 422: "unfit"}


class Registration:
    """`deadline` is that of the welcome, 0 = none; `wait` is the time before the next attempt to
    connect, which grows until a registration succeeds."""

    def __init__(self, state: State, processes: Processes, relay: Relay) -> None:
        self.state = state
        self.relay = relay
        self.deadline = 0.0
        self.wait = state.settings.reconnect_first
        self.message = ssmmp.Message("", 0)
        self.effects: dict[str, Callable[[], None]] = {
            "register": self._register,
            "kill_all": processes.kill_all,
            "hang_up": self._hang_up,
            "retry": self.retry,
            "retry_slowly": self._retry_slowly,
            "redirect": self._redirect,
            "drop_pending": relay.drop_pending,
        }

    def fire(self, event: str) -> bool:
        """One event; False if the table has no rule for it in this state."""
        rule = LINK.rule(self.state.link, event)
        if rule is None:
            self.state.count(f"ignored.link.{self.state.link}.{event}")
            return False
        if rule.next != self.state.link:
            timer = LINK.timers.get(rule.next)
            settings: Any = self.state.settings
            self.deadline = self.state.now + getattr(settings, timer) if timer else 0.0
        self.state.link = LinkState(rule.next)
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
        if self.state.registered:
            self.wait = self.state.settings.reconnect_first
        else:
            self.state.notice("not registered", "Manager", f"status {status}")

    def tick(self) -> None:
        """The time for the welcome may be over."""
        if self.deadline and self.deadline <= self.state.now:
            self.deadline = 0.0
            self.fire("timeout")

    def _register(self) -> None:
        state = self.state
        running = [
            (row.program, row.key, *(port for _, port in row.sockets))
            for row in state.rows.values()
            if row.state in UP
        ]
        sessions = [
            (one.source, one.plug, one.port, one.to_address, one.to_port, one.new_port)
            for one in state.sessions.values()
        ]
        sessions += self.relay.offered()
        extras = [("x_ssmmp", "1")]
        if state.identity.node:
            extras.append(("x_node", state.identity.node))
        extras += _lines("x_running", running)
        extras += _lines("x_sessions", sessions)
        state.to_manager(
            ssmmp.AGENT_TO_MANAGER.make(
                "initiation_request", state.number(), tuple(extras),
                agent_network_address=state.identity.address,
                service_repository=state.repository.names,
            )
        )  # fmt: skip

    def _hang_up(self) -> None:
        self.state.log.append(Disconnect("", f"status {self.message.status}"))
        self.relay.drop_pending()

    def retry(self) -> None:
        """Connect again after the wait, which grows."""
        self.state.log.append(Connect(self.wait))
        self.wait = min(2 * self.wait, self.state.settings.reconnect_most)

    def _retry_slowly(self) -> None:
        self.state.log.append(Connect(self.state.settings.reconnect_most))

    def _redirect(self) -> None:
        self.state.log.append(Connect(0.0, self.message.extra("x_manager") or ""))


def _lines(name: str, items: list[tuple[Any, ...]]) -> Iterator[tuple[str, str]]:
    """A list on as many extension lines as it takes: NAME, NAME_2, NAME_3 ..."""
    for number in range(max(1, -(-len(items) // ITEMS_PER_LINE))):
        part = items[number * ITEMS_PER_LINE : (number + 1) * ITEMS_PER_LINE]
        yield (f"{name}_{number + 1}" if number else name), ssmmp.write_tuples(part)
