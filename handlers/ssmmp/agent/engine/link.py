"""The link to the Manager: registration, what the welcome says, reconnection with back-off.

It is the highest of the parts: it orders processes killed and pending requests dropped. It must
never open a connection itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.state_table import Rule, StateMachine

from .actions import Connect, Disconnect
from .processes import Processes
from .relay import Relay
from .rows import LinkRow
from .state import State
from .tables import LINK, UP, LinkState

ITEMS_PER_LINE = 100
"""Instances or sessions told in one line: 16 KiB is the limit, a session takes up to 100 bytes."""
_EVENTS = {200: "welcomed", 205: "disowned", 208: "welcomed", 307: "redirected", 422: "unfit"}


class Registration:
    """`wait` is the time before the next attempt to connect, which grows until a registration
    succeeds. It holds the one row of its machine, `state.link`."""

    def __init__(self, state: State, processes: Processes, relay: Relay) -> None:
        self.state = state
        self.relay = relay
        self.wait = state.settings.reconnect_first
        self.message = ssmmp.SsmmpMessage("", 0)
        self.machine = StateMachine[LinkRow](
            LINK,
            {
                "register": lambda row: self._register(),
                "kill_all": lambda row: processes.kill_all(),
                "hang_up": lambda row: self._hang_up(),
                "retry": lambda row: self.retry(),
                "retry_slowly": lambda row: self._retry_slowly(),
                "redirect": lambda row: self._redirect(),
                "drop_pending": lambda row: relay.drop_pending(),
            },
            self,
        )

    def fire(self, event: str) -> bool:
        """One event; False if the table has no rule for it in this state."""
        return self.machine.fire(self.state.link, event)

    def enter(self, row: LinkRow, rule: Rule, changes: Mapping[str, Any]) -> LinkRow:
        """Put the link into the next state; in another state the time begins anew."""
        if rule.next != row.state:
            deadline = rule.deadline(self.state.now, self.state.settings)
            self.state.link = LinkRow(LinkState(rule.next), deadline)
        return self.state.link

    def current(self, row: LinkRow) -> LinkRow:
        """The link as the effects before have left it."""
        return self.state.link

    def ignored(self, name: str) -> None:
        """Count an event without a rule."""
        self.state.count(name)

    def welcomed(self, message: ssmmp.SsmmpMessage) -> None:
        """initiation_response."""
        self.message = message
        status = message.status
        self.state.extensions = message.extra("x_ssmmp") is not None
        event = _EVENTS.get(status, "welcomed" if message.ok else "refused")
        if status >= 500:
            event = "busy"
        self.fire(event)
        if event == "unfit":
            self._wait_no_longer()
        if self.state.registered:
            self.wait = self.state.settings.reconnect_first
        else:
            self.state.notice("not registered", "Manager", f"status {status}")

    def tick(self) -> None:
        """The time for the welcome may be over."""
        if self.state.link.deadline and self.state.link.deadline <= self.state.now:
            self._wait_no_longer()
            waited = f"to the registration within {self.state.settings.initiation_timeout:g} s"
            self.state.notice("no answer", "Manager", waited, alarm=True)
            self.fire("timeout")

    def _wait_no_longer(self) -> None:
        self.state.link = replace(self.state.link, deadline=0.0)

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
