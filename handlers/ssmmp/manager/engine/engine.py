"""The Manager as one object: messages, time and commands in, lists of actions out.

Pure: no sockets, no clock, no log. Each call gets the time (seconds; the same clock in all calls
of one process) and returns what is to be done, in order: Records first made durable, then messages
sent. `Manager.restore(records)` gives back the state, `resume` takes it up after a restart.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

from ccproxy.protocols import ssmmp

from ...graph import Graph
from ...journal import Record
from .actions import Action, Tell
from .agents import Agents
from .closing import Closing
from .commands import Command
from .health import Health
from .instances import Instances
from .legacy_peers import Guests
from .offers import Offers
from .operations import Operations
from .plans import Plan, plan
from .reconcile import Reconciler
from .rows import Agent, Instance, Operation, Row, Session, Trouble
from .services import Services
from .sessions import Sessions
from .settings import Settings
from .state import Machined, Mesh
from .tables import AGENT, INSTANCE, SESSION, InstanceState

_HOPELESS = 10
"""Texts without type or id after which a connection is closed."""

Receiver = Callable[[Agent, ssmmp.Message], None]


def _half() -> float:
    return 0.5


class Manager:
    """`random` gives numbers from 0 to below 1, for the policy random-two."""

    def __init__(
        self, graph: Graph, settings: Settings | None = None, random: Callable[[], float] = _half
    ) -> None:
        mesh = self.mesh = Mesh(graph, settings or Settings(), random)
        mesh.services = Services(mesh)
        mesh.guests = Guests(mesh)
        mesh.health = Health(mesh)
        mesh.offers = Offers(mesh)
        mesh.closing = Closing(mesh)
        mesh.operations = Operations(mesh)
        mesh.reconciler = Reconciler(mesh)
        mesh.instances = Instances(mesh)
        mesh.sessions = Sessions(mesh)
        mesh.agents = Agents(mesh)
        self._hopeless: dict[str, int] = {}
        self._receivers: dict[str, Receiver] = {
            "session_request": mesh.offers.asked,
            "session_ack": mesh.sessions.acked,
            "source_service_session_close_info": lambda a, m: mesh.sessions.reported(
                a, m, "source"
            ),
            "dest_service_session_close_info": lambda a, m: mesh.sessions.reported(a, m, "dest"),
            "execution_response": self._answered,
            "graceful_shutdown_response": self._answered,
            "hard_shutdown_response": self._answered,
            "source_service_session_close_response": self._answered,
            "dest_service_session_close_response": self._answered,
            "health_control_response": mesh.health.reported,
            "service_instance_health_response": mesh.health.reported,
            "service_instance_termination_info": mesh.health.left,
            "agent_health_control_response": lambda agent, _: mesh.health.answered(agent),
            # Only guests send these: an instance is there, an instance is busy.
            "connection_request": lambda agent, message: None,
            "process_data": lambda agent, message: None,
        }

    @classmethod
    def restore(
        cls, records: Iterable[Record], graph: Graph, settings: Settings | None = None,
        random: Callable[[], float] = _half,
    ) -> Manager:  # fmt: skip
        """The Manager in the state that the records of a journal tell."""
        made = cls(graph, settings, random)
        made.mesh.store.restore(records)
        return made

    def start(self, now: float) -> list[Action]:
        """Begin: what is to run from the start is planned."""
        self._at(now)
        self._balance_all()
        return self._done()

    def resume(self, now: float) -> list[Action]:
        """Take up a restored state: no agent has a connection, every time starts anew."""
        self._at(now)
        self.mesh.health.next_probe = now
        for agent in list(self.mesh.store.agents.values()):
            if agent.peer:
                self.mesh.agents.gone(agent.peer)
        store = self.mesh.store
        rows: list[Machined] = [*store.agents.values(), *store.instances.values()]
        for row in [*rows, *store.sessions.values()]:
            self._rebase(row)
        for operation in list(self.mesh.store.operations.values()):
            if operation.deadline:
                self.mesh.store.put(replace(operation, deadline=now + 1))
        for trouble in list(store.troubles.values()):
            until = min(trouble.until, now + self.mesh.settings.backoff_most)
            deadline = now + self.mesh.settings.restart_window
            store.put(replace(trouble, until=until, deadline=deadline))
        self.mesh.operations.changed()
        self._balance_all()
        return self._done()

    def _rebase(self, row: Machined) -> None:
        """A deadline of the clock before the restart says nothing now."""
        tables = {Agent: AGENT, Instance: INSTANCE, Session: SESSION}
        timer = tables[type(row)].timers.get(row.state) if row.deadline else None
        deadline = self.mesh.now + getattr(self.mesh.settings, timer) if timer else 0.0
        if isinstance(row, Instance) and row.state is InstanceState.PLANNED:
            deadline = self.mesh.now
        if deadline != row.deadline:
            self.mesh.store.put(replace(row, deadline=deadline))

    def _balance_all(self) -> None:
        for name in self.mesh.graph.services:
            self.mesh.services.balance(name)

    def receive(self, now: float, sender: str, message: ssmmp.Message) -> list[Action]:
        """A message on the connection `sender`."""
        self._at(now)
        self.mesh.health.heard[sender] = now
        if message.type == "initiation_request":
            self.mesh.agents.registered(sender, message)
            return self._done()
        agent = self.mesh.agents.of(sender)
        receiver = self._receivers.get(message.type)
        if agent is None or receiver is None:
            self._stranger(sender, message, agent is None)
            return self._done()
        receiver(agent, self.mesh.guests.told(agent, message))
        return self._done()

    def _stranger(self, sender: str, message: ssmmp.Message, unregistered: bool) -> None:
        """Something that nobody who is registered may say."""
        self.mesh.count(f"{'unregistered' if unregistered else 'unexpected'}.{message.type}")
        row = ssmmp.row_of(message)
        answer = ssmmp.refusal(row, message.id, 403, {}) if row and unregistered else None
        if answer:
            self.mesh.tell(sender, answer)

    def _answered(self, agent: Agent, message: ssmmp.Message) -> None:
        """The answer to a request of the Manager, found by its id."""
        store = self.mesh.store
        session = store.session_index.first(("request", message.id))
        instance = store.instance_index.first(("request", message.id))
        if session is not None and "session_close" in message.type:
            row = store.sessions[session]
            end = store.instances.get(row.source if row.end == "source" else row.dest)
            if end and end.agent == agent.key and message.type.startswith(row.end):
                self.mesh.closing.answered(row, message)
                return
        found = store.instances[instance] if instance is not None else None
        if found is None or found.agent != agent.key or not self._waited(found, message):
            self.mesh.count(f"unexpected.{message.type}")

    def _waited(self, row: Instance, message: ssmmp.Message) -> bool:
        """False if the instance does not wait for an answer of this type."""
        starting, stopping = (
            row.state is InstanceState.STARTING,
            row.state is InstanceState.STOPPING,
        )
        if message.type == "execution_response" and starting:
            self.mesh.instances.executed(row, message)
        elif message.type == "graceful_shutdown_response" and stopping:
            self.mesh.instances.ended(row, message)
        elif message.type == "hard_shutdown_response" and not starting and not stopping:
            self.mesh.instances.killed(row, message)
        else:
            return False
        return True

    def malformed(self, now: float, sender: str, error: ssmmp.Malformed) -> list[Action]:
        """A text on the connection `sender` that is no acceptable message."""
        self._at(now)
        self.mesh.health.heard[sender] = now
        self.mesh.count("malformed")
        if error.answer:
            self.mesh.store.log.append(Tell(sender, error.answer))
        if error.unreadable:
            seen = self._hopeless[sender] = self._hopeless.get(sender, 0) + 1
            if seen >= _HOPELESS:
                self.mesh.close(sender, f"{seen} texts without type or message_id")
        return self._done()

    def disconnected(self, now: float, sender: str) -> list[Action]:
        """The connection `sender` has ended."""
        self._at(now)
        self._hopeless.pop(sender, None)
        self.mesh.agents.gone(sender)
        self.mesh.guests.peers.discard(sender)
        return self._done()

    def tick(self, now: float, most: int = 1_000_000) -> list[Action]:
        """The time has come for what waits for it; call at `next_deadline`, or more often. After
        `most` rows it stops, and `next_deadline` is still due: thousands may be due at once.
        """
        self._at(now)
        self.mesh.health.tick()
        while most > 0 and (row := self.mesh.store.due(now)):
            self._expired(row)
            most -= 1
        return self._done()

    def _expired(self, row: Row) -> None:
        if isinstance(row, Agent):
            self.mesh.agents.expired(row)
        elif isinstance(row, Instance):
            self.mesh.instances.expired(row)
        elif isinstance(row, Session):
            self.mesh.sessions.fire(row, "timeout")
        elif isinstance(row, Operation):
            self.mesh.operations.expired(row)
        elif isinstance(row, Trouble):
            self.mesh.store.drop(row)

    def next_deadline(self) -> float:
        """When `tick` has something to do."""
        due = self.mesh.store.next_deadline()
        probe = self.mesh.health.next_probe
        return probe if due is None else min(due, probe)

    def plan(self, command: Command) -> Plan:
        """What a command would do now; nothing is changed."""
        return plan(self.mesh, command)

    def execute(self, now: float, command: Command) -> tuple[int, list[Action]]:
        """Carry out a command; the id of the operation, 0 if it is refused (see `plan`)."""
        self._at(now)
        wanted = plan(self.mesh, command)
        if wanted.refusal:
            self.mesh.notice("refused", str(command), wanted.refusal)
            return 0, self._done()
        return self.mesh.operations.execute(wanted), self._done()

    def stop_operation(self, now: float, key: int) -> list[Action]:
        """Begin no further step of an operation."""
        self._at(now)
        self.mesh.operations.stop(key)
        return self._done()

    def reload(self, now: float, graph: Graph) -> list[Action]:
        """Another graph: what is not in it any more ends, what is new starts."""
        self._at(now)
        self.mesh.graph = graph
        for row in list(self.mesh.store.instances.values()):
            if row.service not in graph.services:
                self.mesh.instances.drain(row)
        for name in [one for one in self.mesh.store.goals if one not in graph.services]:
            self.mesh.store.drop(self.mesh.store.goals[name])
        self._balance_all()
        return self._done()

    def guest(self, peer: str) -> None:
        """A connection is that of an agent of the published implementation; see `guests`."""
        self.mesh.guests.peers.add(peer)

    def edition(self, peer: str) -> ssmmp.Edition:
        """The edition in which messages for a connection are to be written."""
        return self.mesh.edition(peer)

    def snapshot(self) -> list[Record]:
        """The fewest records that `restore` needs."""
        return self.mesh.store.snapshot()

    def _at(self, now: float) -> None:
        self.mesh.now = now
        self.mesh.store.log = []

    def _done(self) -> list[Action]:
        self.mesh.operations.run()
        return self.mesh.store.log
