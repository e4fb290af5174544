"""The agent as one object: messages, ends of connections and processes in, lists of actions out.

Pure: no sockets, no processes, no clock, no log. Each call gets the time in seconds and returns
what is to be done, in order. After a restart `Agent.restore` and `resume` take the processes up
that still run: the agent kills nothing of its own when it restarts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ccproxy.protocols import ssmmp

from ...repository import Repository
from .actions import Action, Connect, Record, ToInstance
from .health import Checks
from .link import Link
from .processes import Processes
from .relay import Relay
from .rows import Process
from .settings import Settings
from .state import House, Identity
from .tables import LinkState

_OWN = ("source_service_instance_id", "dest_service_instance_id", "service_instance_id")


def _no_token() -> str:
    return ""


class Agent:
    """`token` makes the secret that an instance proves itself with; empty = none is asked for."""

    def __init__(
        self,
        identity: Identity,
        repository: Repository,
        settings: Settings | None = None,
        token: Callable[[], str] = _no_token,
    ) -> None:
        house = self.house = House(identity, repository, settings or Settings(), token)
        house.processes = Processes(house)
        house.relay = Relay(house)
        house.link = Link(house)
        house.checks = Checks(house)

    @classmethod
    def restore(
        cls,
        records: Iterable[Record],
        identity: Identity,
        repository: Repository,
        settings: Settings | None = None,
        token: Callable[[], str] = _no_token,
    ) -> Agent:
        """The agent with the rows that the records of a journal tell."""
        made = cls(identity, repository, settings, token)
        for record in records:
            table = made.house.rows if record.table == "process" else made.house.connections
            if record.row is None:
                table.pop(record.key, None)  # type: ignore[arg-type]
            else:
                table[record.key] = record.row  # type: ignore[index,assignment]
        return made

    def start(self, now: float) -> list[Action]:
        """Begin: connect to the Manager."""
        self._at(now)
        self.house.log.append(Connect(0.0))
        return self.house.log

    def resume(self, now: float, alive: Iterable[int]) -> list[Action]:
        """Take up a restored state; `alive` are the instances whose process still runs."""
        self._at(now)
        living = set(alive)
        for key in list(self.house.rows):
            row = self.house.rows[key]
            if key not in living:
                self.house.processes.exited(key, 0)
            elif row.deadline:
                limit = now + self.house.settings.answer_timeout
                self.house.put(replace(row, deadline=limit))
        self.house.log.append(Connect(0.0))
        return self.house.log

    def linked(self, now: float) -> list[Action]:
        """The connection to the Manager is there."""
        self._at(now)
        self.house.link.fire("linked")
        return self.house.log

    def unlinked(self, now: float) -> list[Action]:
        """The connection to the Manager has ended, or could not be made."""
        self._at(now)
        if self.house.link.state is LinkState.DISCONNECTED:
            self.house.link.effects["retry"]()
        else:
            self.house.link.fire("unlinked")
        return self.house.log

    def from_manager(self, now: float, message: ssmmp.Message) -> list[Action]:
        """A message of the Manager."""
        self._at(now)
        house = self.house
        if message.type == "initiation_response":
            house.link.welcomed(message)
        elif house.link.state is not LinkState.REGISTERED:
            house.count(f"early.{message.type}")
        elif message.type == "session_response":
            house.relay.respond(message)
        elif message.type == "agent_health_control_request":
            house.answer("agent_health_control_response", message.id, 200,
                         agent_network_address=house.identity.address)  # fmt: skip
        else:
            self._ordered(message)
        return house.log

    def _ordered(self, message: ssmmp.Message) -> None:
        processes = self.house.processes
        orders = {
            "execution_request": processes.execute,
            "graceful_shutdown_request": processes.stop,
            "hard_shutdown_request": processes.kill,
            "source_service_session_close_request": self.house.relay.pass_on,
            "dest_service_session_close_request": self.house.relay.pass_on,
            "service_instance_health_request": self.house.relay.pass_on,
        }
        order = orders.get(message.type)
        if order is None:
            self.house.count(f"unexpected.{message.type}")
            return
        order(message)

    def from_instance(self, now: float, conn: str, message: ssmmp.Message) -> list[Action]:
        """A message on the control connection `conn`."""
        self._at(now)
        if message.type == "instance_hello_request":
            self._hello(conn, message)
            return self.house.log
        instance = self._owner(conn, message)
        if instance is None:
            self._stranger(conn, message)
            return self.house.log
        self._said(instance, message)
        return self.house.log

    def _said(self, instance: int, message: ssmmp.Message) -> None:
        house = self.house
        row = house.rows[instance]
        kind = message.type
        if kind == "session_request":
            house.relay.request(instance, message)
        elif kind == "session_ack":
            house.relay.ack(instance, message)
        elif kind.endswith("close_info"):
            house.relay.closed(instance, message)
        elif kind == "graceful_shutdown_response":
            house.processes.stopped(row, message)
        elif kind == "health_control_response":
            house.checks.answered(row, message)
        elif kind == "service_instance_termination_info":
            self._leaves(row, message)
        else:
            house.relay.answered(instance, message)

    def _leaves(self, row: Process, message: ssmmp.Message) -> None:
        if message.number("service_instance_id") != row.key:
            self.house.count("foreign.termination")
            return
        self.house.put(replace(row, left=True))
        self.house.to_manager(ssmmp.AGENT_TO_MANAGER.forward(message))

    def _hello(self, conn: str, message: ssmmp.Message) -> None:
        row = self.house.rows.get(message.number("service_instance_id"))
        token = message.extra("x_token") or ""
        status = 200
        if row is None or row.program != message.text("service_name"):
            status = 404
        elif row.token and row.token != token:
            status = 403
        elif self.house.conns.get(row.key, conn) != conn:
            status = 409
        if status != 200:
            self.house.count("foreign.hello")
        answer = ssmmp.AGENT_TO_INSTANCE.make("instance_hello_response", message.id, status=status)
        self.house.log.append(ToInstance(conn, answer))
        if status == 200 and row:
            self._attach(conn, row.key)

    def _attach(self, conn: str, instance: int) -> None:
        self.house.conns[instance] = conn
        self.house.owners[conn] = instance
        self.house.processes.attached(instance)

    def _owner(self, conn: str, message: ssmmp.Message) -> int | None:
        """The instance on a connection; one that did not say hello is known by the first message
        that names it, unless a token is asked for."""
        known = self.house.owners.get(conn)
        if known is not None:
            return known
        side = {"source": 0, "dest": 1}.get(message.type.partition("_")[0], 2)
        named = message.number("source_service_instance_id" if side == 2 else _OWN[side])
        named = named or message.number("service_instance_id")
        row = self.house.rows.get(named)
        if row is None or named in self.house.conns or self._proof(row):
            return None
        self._attach(conn, named)
        return named

    def _proof(self, row: Process) -> bool:
        return bool(row.token) and self.house.settings.token_required

    def _stranger(self, conn: str, message: ssmmp.Message) -> None:
        self.house.count(f"stranger.{message.type}")
        row = ssmmp.row_of(message)
        answer = ssmmp.refusal(row, message.id, 403, {}) if row else None
        if answer:
            self.house.log.append(ToInstance(conn, answer))

    def detached(self, now: float, conn: str) -> list[Action]:
        """A control connection has ended."""
        self._at(now)
        instance = self.house.owners.pop(conn, None)
        if instance is not None:
            self.house.conns.pop(instance, None)
            self.house.relay.detached(instance)
            self.house.processes.detached(instance)
        return self.house.log

    def spawned(self, now: float, instance: int, pid: int) -> list[Action]:
        """A program was started."""
        self._at(now)
        self.house.processes.spawned(instance, pid)
        return self.house.log

    def unspawned(self, now: float, instance: int, why: str) -> list[Action]:
        """A program could not be started."""
        self._at(now)
        self.house.processes.unspawned(instance, why)
        return self.house.log

    def ready(self, now: float, instance: int) -> list[Action]:
        """All ports of an instance accept, or it said so itself."""
        self._at(now)
        self.house.processes.ready(instance)
        return self.house.log

    def exited(self, now: float, instance: int, status: int) -> list[Action]:
        """A process has ended and is reaped."""
        self._at(now)
        self.house.processes.exited(instance, status)
        return self.house.log

    def reload(self, now: float, repository: Repository) -> list[Action]:
        """Another repository; the Manager is told at once."""
        self._at(now)
        self.house.repository = repository
        if self.house.link.state is not LinkState.DISCONNECTED:
            self.house.link.fire("reload")
        return self.house.log

    def tick(self, now: float) -> list[Action]:
        """The time has come for what waits for it."""
        self._at(now)
        house = self.house
        if house.link.deadline and house.link.deadline <= now:
            house.link.deadline = 0.0
            house.link.fire("timeout")
        for row in list(house.rows.values()):
            if row.deadline and row.deadline <= now:
                house.processes.expired(row)
        house.relay.late()
        house.checks.tick()
        return house.log

    def next_deadline(self) -> float:
        """When `tick` has something to do."""
        house = self.house
        times = [house.checks.next, house.link.deadline]
        times += [row.deadline for row in house.rows.values()]
        times += [one.deadline for one in house.relay.passed.values()]
        times += [deadline for _, deadline in house.checks.open.values()]
        return min(one for one in times if one or one == house.checks.next)

    def _at(self, now: float) -> None:
        self.house.now = now
        self.house.log = []
