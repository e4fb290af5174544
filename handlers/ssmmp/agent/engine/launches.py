"""Starting programs: whether an execution request can be carried out, and with which command.

This module must never know what becomes of a process once it is to be started.
"""

from __future__ import annotations

from collections.abc import Iterable

from ccproxy.protocols import ssmmp

from ...repository import Program, filled
from .actions import Spawn
from .rows import ProcessRow
from .state import State
from .tables import ProcessState


class Launches:
    """It adds the rows of `state.rows`."""

    def __init__(self, state: State) -> None:
        self.state = state

    def execute(self, message: ssmmp.SsmmpMessage) -> None:
        """execution_request: keep the process that is to be, and have it started."""
        known = self.state.rows.get(message.number("service_instance_id"))
        if known and known.start == message.id:
            self.state.count("repeated.execution_request")
            return
        status = self._refusal(message)
        if status:
            self.state.answer("execution_response", message.id, status)
            return
        program = self.state.repository.programs[message.text("service_name")]
        row = ProcessRow(
            key=message.number("service_instance_id"), program=program.name,
            state=ProcessState.SPAWNED,
            sockets=tuple((name, port) for name, port in message.items("socket_configuration")),
            token=self.state.token(), start=message.id, since=self.state.now,
            deadline=self.state.now + program.ready_timeout,
        )  # fmt: skip
        self.state.put(row)
        self.state.log.append(self._spawn(row, program, message))

    def _refusal(self, message: ssmmp.SsmmpMessage) -> int:
        """The status of the refusal, 0 if the request can be carried out."""
        state = self.state
        if message.text("agent_network_address") != state.identity.address:
            return 412
        program = state.repository.programs.get(message.text("service_name"))
        if program is None:
            return 404
        if message.number("service_instance_id") in state.rows:
            return 409
        sockets = message.items("socket_configuration")
        plugs = {one.name for one in message.items("plug_configuration")}
        if {one.name for one in sockets} != set(program.sockets) or plugs != set(program.plugs):
            return 422
        return self._no_room(program, [port for _, port in sockets])

    def _no_room(self, program: Program, ports: Iterable[int]) -> int:
        rows = self.state.rows.values()
        taken = {port for row in rows for _, port in row.sockets}
        if taken & set(ports):
            return 423
        same = sum(row.program == program.name for row in rows)
        most = self.state.settings.most
        full = (program.most and same >= program.most) or (most and len(rows) >= most)
        return 429 if full else 0

    def _spawn(self, row: ProcessRow, program: Program, message: ssmmp.SsmmpMessage) -> Spawn:
        state = self.state
        sockets = ssmmp.write_tuples(message.items("socket_configuration"))
        plugs = message.items("plug_configuration")
        values = {
            "name": row.program, "service": row.program, "id": str(row.key), "token": row.token,
            "address": state.identity.address, "agent": state.identity.listens,
        }  # fmt: skip
        values.update({f"port:{name}": str(port) for name, port in row.sockets})
        env = {name: filled(text, values) for name, text in program.env}
        env.update(
            SSMMP_AGENT=state.identity.listens, SSMMP_SERVICE_NAME=row.program,
            SSMMP_INSTANCE_ID=str(row.key), SSMMP_ADDRESS=state.identity.address,
            SSMMP_SOCKETS=sockets, SSMMP_TOKEN=row.token,
            SSMMP_PLUGS=ssmmp.write_tuples([_edge(one, program) for one in plugs]),
        )  # fmt: skip
        command = tuple(filled(word, values) for word in program.exec)
        return Spawn(row.key, command, tuple(env.items()), program.user, program.directory)


def _edge(plug: ssmmp.PlugEntry, program: Program) -> tuple[str, ...]:
    """A plug as its program is told of it, with the socket if the Manager or the file says one."""
    socket = plug.socket or dict(program.plug_sockets).get(plug.name, "")
    return (plug.name, socket, plug.service) if socket else (plug.name, plug.service)
