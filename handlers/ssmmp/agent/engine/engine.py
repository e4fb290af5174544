"""The agent as one object: messages, ends of connections and processes in, lists of actions out.

Pure: no sockets, no processes, no clock, no log. Each call gets the time in seconds and returns
what is to be done, in order. After a restart `Engine.restore` and `resume` take up the processes
that still run: the agent kills nothing because it restarts itself.

The parts stand one above the other: state, then launches, relay and health, then processes, then
attachments and link. A part calls only those below it, which it got when it was made. No part has
to tell one above it anything: what both need, such as whether the agent is registered, is in the
state. Which part gets a message is said here, in one table for each sender.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from ccproxy.protocols import ssmmp

from ...journal import Record
from ...repository import Repository
from .actions import AgentAction, Connect
from .attachments import Attachments
from .health import HealthChecks
from .launches import Launches
from .link import Registration
from .processes import Processes
from .relay import Relay
from .settings import AgentSettings
from .state import Identity, State
from .tables import LinkState


def _no_token() -> str:
    return ""


class Engine:
    """`token` makes the secret by which an instance proves itself; empty = none is asked for."""

    def __init__(
        self,
        identity: Identity,
        repository: Repository,
        settings: AgentSettings | None = None,
        token: Callable[[], str] = _no_token,
    ) -> None:
        state = self.state = State(identity, repository, settings or AgentSettings(), token)
        self.relay = Relay(state)
        self.health = HealthChecks(state)
        self.launches = Launches(state)
        self.processes = Processes(state, self.relay)
        self.attachments = Attachments(state, self.processes, self.relay)
        self.link = Registration(state, self.processes, self.relay)
        self.manager_messages = self._manager_messages()
        self.instance_messages = self._instance_messages()

    def _manager_messages(self) -> Mapping[str, Callable[[ssmmp.SsmmpMessage], None]]:
        """The part that gets each message of the Manager, once the agent is registered."""
        return {
            "session_response": self.relay.respond,
            "agent_health_control_request": self._healthy,
            "execution_request": self.launches.execute,
            "graceful_shutdown_request": self.processes.stop,
            "hard_shutdown_request": self.processes.kill,
            "source_service_session_close_request": self.relay.pass_on,
            "dest_service_session_close_request": self.relay.pass_on,
            "service_instance_health_request": self.relay.pass_on,
        }

    def _instance_messages(self) -> Mapping[str, Callable[[int, ssmmp.SsmmpMessage], None]]:
        """The part that gets each message of an instance; the relay gets all others, which have to
        be answers to what it passed on."""
        return {
            "session_request": self.relay.request,
            "session_ack": self.relay.ack,
            "source_service_session_close_info": self.relay.closed,
            "dest_service_session_close_info": self.relay.closed,
            "graceful_shutdown_response": self.processes.stopped,
            "health_control_response": self.health.answered,
            "service_instance_termination_info": self.processes.leaves,
        }

    @classmethod
    def restore(
        cls,
        records: Iterable[Record],
        identity: Identity,
        repository: Repository,
        settings: AgentSettings | None = None,
        token: Callable[[], str] = _no_token,
    ) -> Engine:
        """The agent with the rows that the records of a journal tell."""
        made = cls(identity, repository, settings, token)
        tables: Mapping[str, Any] = {
            "process": made.state.rows,
            "connection": made.state.sessions,
        }
        for record in records:
            rows = tables[record.table]
            if record.row is None:
                rows.pop(record.key, None)
            else:
                rows[record.key] = record.row
        return made

    def start(self, now: float) -> list[AgentAction]:
        """Begin: connect to the Manager."""
        self._at(now)
        self.state.log.append(Connect(0.0))
        return self.state.log

    def resume(self, now: float, alive: Iterable[int]) -> list[AgentAction]:
        """Take up a restored state; `alive` are the instances whose process still runs."""
        self._at(now)
        living = set(alive)
        for key in list(self.state.rows):
            row = self.state.rows[key]
            if key not in living:
                self.processes.exited(key, 0, "")
            elif row.deadline:
                limit = now + self.state.settings.answer_timeout
                self.state.put(replace(row, deadline=limit))
        self.state.log.append(Connect(0.0))
        return self.state.log

    def linked(self, now: float) -> list[AgentAction]:
        """The connection to the Manager is there."""
        self._at(now)
        self.link.fire("linked")
        return self.state.log

    def unlinked(self, now: float) -> list[AgentAction]:
        """The connection to the Manager has ended, or could not be made."""
        self._at(now)
        if self.state.link.state is LinkState.DISCONNECTED:
            self.link.retry()
        else:
            self.link.fire("unlinked")
        return self.state.log

    def from_manager(self, now: float, message: ssmmp.SsmmpMessage) -> list[AgentAction]:
        """A message of the Manager."""
        self._at(now)
        take = self.manager_messages.get(message.type)
        if message.type == "initiation_response":
            self.link.welcomed(message)
        elif not self.state.registered:
            self.state.count(f"early.{message.type}")
        elif take is None:
            self.state.count(f"unexpected.{message.type}")
        else:
            take(message)
        return self.state.log

    def from_instance(
        self, now: float, connection: str, message: ssmmp.SsmmpMessage
    ) -> list[AgentAction]:
        """A message on a control connection."""
        self._at(now)
        if message.type == "instance_hello_request":
            self.attachments.hello(connection, message)
            return self.state.log
        instance = self.attachments.owner(connection, message)
        if instance is not None:
            take = self.instance_messages.get(message.type, self.relay.answered)
            take(instance, message)
        return self.state.log

    def detached(self, now: float, connection: str) -> list[AgentAction]:
        """A control connection has ended."""
        self._at(now)
        self.attachments.ended(connection)
        return self.state.log

    def spawned(self, now: float, instance: int, pid: int) -> list[AgentAction]:
        """A program was started."""
        self._at(now)
        self.processes.spawned(instance, pid)
        return self.state.log

    def unspawned(
        self, now: float, instance: int, why: str, status: int = 500
    ) -> list[AgentAction]:
        """A program could not be started; `status` is the answer to the Manager."""
        self._at(now)
        self.processes.unspawned(instance, why, status)
        return self.state.log

    def ready(self, now: float, instance: int) -> list[AgentAction]:
        """All ports of an instance accept, or it said so itself."""
        self._at(now)
        self.processes.ready(instance)
        return self.state.log

    def exited(self, now: float, instance: int, status: int, output: str = "") -> list[AgentAction]:
        """A process has ended and is reaped; `output` is the last line that it wrote, if known."""
        self._at(now)
        self.processes.exited(instance, status, output)
        return self.state.log

    def reload(self, now: float, repository: Repository) -> list[AgentAction]:
        """Another repository; the Manager is told at once."""
        self._at(now)
        self.state.repository = repository
        if self.state.link.state is not LinkState.DISCONNECTED:
            self.link.fire("reload")
        return self.state.log

    def tick(self, now: float) -> list[AgentAction]:
        """The time has come for what waits for it."""
        self._at(now)
        self.link.tick()
        self.processes.tick()
        self.relay.tick()
        self.health.tick()
        return self.state.log

    def next_deadline(self) -> float:
        """When `tick` has something to do."""
        times = [self.state.link.deadline]
        times += [row.deadline for row in self.state.rows.values()]
        times += [one.deadline for one in self.relay.forwarded.values()]
        times += [deadline for _, deadline in self.health.open.values()]
        times.append(self.relay.held_deadline())
        return min([self.health.next, *(one for one in times if one)])

    def _healthy(self, message: ssmmp.SsmmpMessage) -> None:
        self.state.answer("agent_health_control_response", message.id, 200,
                          agent_network_address=self.state.identity.address)  # fmt: skip

    def _at(self, now: float) -> None:
        self.state.now = now
        self.state.log = []
