"""The control connections of instances: which one belongs to which instance, and by what proof.

An instance says hello with its token. One that does not is known by the first message that names
it, unless a token is required. This module must never look at what else a message says.
"""

from __future__ import annotations

from ccproxy.protocols import ssmmp

from .actions import ToInstance
from .processes import Processes
from .relay import Relay
from .rows import ProcessRow
from .state import State

_SOURCE, _DEST = "source_service_instance_id", "dest_service_instance_id"
_NAMING = {"source": _SOURCE, "dest": _DEST}
"""First word of a message type to the field that names the sender; for other types see `owner`."""


class Attachments:
    """`state.controls` and `state.owners` are changed here, and when a process is forgotten."""

    def __init__(self, state: State, processes: Processes, relay: Relay) -> None:
        self.state = state
        self.processes = processes
        self.relay = relay

    def hello(self, connection: str, message: ssmmp.SsmmpMessage) -> None:
        """instance_hello_request."""
        row = self.state.rows.get(message.number("service_instance_id"))
        token = message.extra("x_token") or ""
        status = 200
        if row is None or row.program != message.text("service_name"):
            status = 404
        elif row.token and row.token != token:
            status = 403
        elif self.state.controls.get(row.key, connection) != connection:
            status = 409
        if status != 200:
            self.state.count("foreign.hello")
        answer = ssmmp.AGENT_TO_INSTANCE.make("instance_hello_response", message.id, status=status)
        self.state.log.append(ToInstance(connection, answer))
        if status == 200 and row:
            self._attach(connection, row.key)

    def owner(self, connection: str, message: ssmmp.SsmmpMessage) -> int | None:
        """The instance that a message comes from; None if nothing proves it, which is answered."""
        known = self.state.owners.get(connection)
        if known is not None:
            return known
        field = _NAMING.get(message.type.partition("_")[0], _SOURCE)
        named = message.number(field) or message.number("service_instance_id")
        row = self.state.rows.get(named)
        if row is None or named in self.state.controls or self._needs_token(row):
            self._refuse(connection, message)
            return None
        self._attach(connection, named)
        return named

    def ended(self, connection: str) -> None:
        """A control connection has ended."""
        instance = self.state.owners.pop(connection, None)
        if instance is not None:
            self.state.controls.pop(instance, None)
            self.relay.detached(instance)
            self.processes.detached(instance)

    def _attach(self, connection: str, instance: int) -> None:
        self.state.controls[instance] = connection
        self.state.owners[connection] = instance
        self.processes.attached(instance)

    def _needs_token(self, row: ProcessRow) -> bool:
        return bool(row.token) and self.state.settings.token_required

    def _refuse(self, connection: str, message: ssmmp.SsmmpMessage) -> None:
        self.state.count(f"stranger.{message.type}")
        row = ssmmp.row_of(message)
        answer = ssmmp.refusal(row, message.id, 403, {}) if row else None
        if answer:
            self.state.log.append(ToInstance(connection, answer))
