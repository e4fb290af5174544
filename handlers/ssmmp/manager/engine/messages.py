"""Messages of agents: which part gets one, and what becomes of those that no part expects.

It must never decide what follows from a message.
"""

from __future__ import annotations

from collections.abc import Callable

from ccproxy.protocols import ssmmp

from .actions import Tell
from .parts import ManagerParts
from .rows import AgentRow

_MAX_UNREADABLE = 10
"""Texts without type or id after which a connection is closed."""

Receiver = Callable[[AgentRow, ssmmp.SsmmpMessage], None]


class Messages:
    """`receive` for a message, `malformed` for a text that is none."""

    def __init__(self, parts: ManagerParts) -> None:
        self.parts = parts
        self.state = parts.state
        self._unreadable: dict[str, int] = {}
        self._receivers: dict[str, Receiver] = {
            "session_request": parts.offers.on_session_request,
            "session_ack": parts.sessions.acked,
            "source_service_session_close_info": parts.sessions.source_reported,
            "dest_service_session_close_info": parts.sessions.dest_reported,
            "execution_response": self._answered,
            "graceful_shutdown_response": self._answered,
            "hard_shutdown_response": self._answered,
            "source_service_session_close_response": self._answered,
            "dest_service_session_close_response": self._answered,
            "health_control_response": parts.health.reported,
            "service_instance_health_response": parts.health.reported,
            "service_instance_termination_info": parts.instances.left,
            "agent_health_control_response": parts.health.answered,
            # Only legacy peers send these: an instance is there, an instance is busy.
            "connection_request": _nothing,
            "process_data": _nothing,
        }

    def receive(self, sender: str, message: ssmmp.SsmmpMessage) -> None:
        """A message on the connection `sender`."""
        parts = self.parts
        parts.health.heard[sender] = self.state.now
        if message.type == "initiation_request":
            parts.agents.registered(sender, message)
            return
        agent = parts.agents.of(sender)
        receiver = self._receivers.get(message.type)
        if agent is None or receiver is None:
            self._refuse(sender, message, agent is None)
            return
        receiver(agent, parts.legacy_peers.translated(agent, message))

    def _refuse(self, sender: str, message: ssmmp.SsmmpMessage, unregistered: bool) -> None:
        """A message of a sender that is not registered, or one that no agent may send."""
        self.state.count(f"{'unregistered' if unregistered else 'unexpected'}.{message.type}")
        row = ssmmp.row_of(message)
        answer = ssmmp.refusal(row, message.id, 403, {}) if row and unregistered else None
        if answer:
            self.state.tell(sender, answer)

    def _answered(self, agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
        """The answer to a request of the Manager, found by its id."""
        store = self.state.store
        session = store.session_index.first(("request", message.id))
        instance = store.instance_index.first(("request", message.id))
        if session is not None and "session_close" in message.type:
            row = store.sessions[session]
            end = store.instances.get(row.source if row.end == "source" else row.dest)
            if end and end.agent == agent.key and message.type.startswith(row.end):
                self.parts.sessions.answered(row, message)
                return
        found = store.instances[instance] if instance is not None else None
        if found and found.agent == agent.key and self.parts.instances.answered(found, message):
            return
        self.state.count(f"unexpected.{message.type}")

    def malformed(self, sender: str, error: ssmmp.Malformed) -> None:
        """A text on the connection `sender` that is no acceptable message."""
        self.parts.health.heard[sender] = self.state.now
        self.state.count("malformed")
        if error.answer:
            self.state.log.append(Tell(sender, error.answer))
        if error.unreadable:
            seen = self._unreadable[sender] = self._unreadable.get(sender, 0) + 1
            if seen >= _MAX_UNREADABLE:
                self.state.close(sender, f"{seen} texts without type or message_id")

    def forget(self, sender: str) -> None:
        """The connection `sender` has ended."""
        self._unreadable.pop(sender, None)


def _nothing(agent: AgentRow, message: ssmmp.SsmmpMessage) -> None:
    """Nothing follows from this message."""
