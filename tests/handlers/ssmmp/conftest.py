"""A whole mesh without sockets: pure Manager, pure agents, and simple instances, wired together.

Every message passes through its text. After each answer of the Manager the journal is checked: it
gives back the state, and every message leaves behind the records it depends on.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp import graphfile, repository
from ccproxy_handlers.ssmmp.agent.engine import (
    Connect,
    Disconnect,
    Engine,
    Identity,
    Kill,
    Spawn,
    ToInstance,
    ToManager,
)  # fmt: skip
from ccproxy_handlers.ssmmp.agent.engine import Record as AgentRecord
from ccproxy_handlers.ssmmp.manager import (
    ClosePeer,
    Count,
    Manager,
    ManagerSettings,
    Notice,
    Record,
    Tell,
)
from ccproxy_handlers.ssmmp.manager.engine.tables import CONNECTED, LIVE, InstanceState

GRAPH = """
[app]
ports = 54001-54100
[service web]
kind = gateway
sockets = http
plugs = orders_client -> orders.orders_api
[service orders]
sockets = orders_api
plugs = store_client -> store.sql
replicas = 0-4
[service store]
kind = baas
sockets = sql
"""

REPOSITORY = """
[program web]
exec = web
sockets = http
plugs = orders_client
[program orders]
exec = orders
sockets = orders_api
plugs = store_client
[program orders@2]
exec = orders2
sockets = orders_api
plugs = store_client
[program store]
exec = store
sockets = sql
"""


def graph_of(text: str = GRAPH):
    graph, problems = graphfile.parse("g.ini", text)
    assert graph, problems
    return graph


def repository_of(text: str = REPOSITORY, *names: str):
    found, problems = repository.parse("r.ini", text)
    assert found, problems
    if names:
        return repository.Repository({one: found.programs[one] for one in names})
    return found


@dataclass
class Wire:
    """A connection; `other` end is known by the owner."""

    queue: deque[tuple[float, str, bytes]] = field(default_factory=deque)
    open: bool = True


@dataclass
class Process:
    """A running instance with a library inside; `conn` is the name of its control connection."""

    world: World
    node: Node
    id: int
    program: str
    sockets: dict[str, int]
    conn: str = ""
    count: int = 0
    alive: bool = True
    health: int | None = 200
    refuses_close: bool = False
    ignores_stop: bool = False
    asked: dict[int, tuple[str, str, str]] = field(default_factory=dict)
    refused: list[int] = field(default_factory=list)
    retries: bool = True

    def number(self) -> int:
        self.count += 1
        return self.id * 1_000_000 + self.count

    def say(self, type: str, id: int, **fields) -> None:
        if self.conn:
            self.node.hear(self, ssmmp.INSTANCE_TO_AGENT.make(type, id, **fields))

    def hello(self) -> None:
        self.conn = f"conn-{self.id}-{self.number()}"
        self.say("instance_hello_request", self.number(), service_name=self.program,
                 service_instance_id=self.id)  # fmt: skip

    def ask(self, plug: str, service: str, socket: str) -> int:
        id = self.number()
        self.asked[id] = (plug, service, socket)
        self.say(
            "session_request", id, source_service_name=self.program.partition("@")[0],
            source_service_instance_id=self.id, source_plug_name=plug, dest_service_name=service,
            dest_socket_name=socket,
        )  # fmt: skip
        return id

    def hear(self, message: ssmmp.SsmmpMessage) -> None:
        getattr(self, f"on_{message.type}")(message)

    def on_instance_hello_response(self, message) -> None:
        assert message.ok

    def on_session_response(self, message) -> None:
        wish = self.asked.pop(message.id, None)
        if wish is None:
            return
        if not message.ok:
            self.refused.append(message.status)
            if message.status in (503, 504) and self.retries:
                self.world.later(2.0, lambda: self.alive and self.ask(*wish))
            return
        to = message.text("dest_service_instance_network_address")
        port = message.number("dest_socket_port")
        dest = self.world.listening(to, port)
        if dest is None:
            self.say("session_ack", message.id, status=502, source_plug_port=0,
                     dest_socket_new_port=0)  # fmt: skip
            if self.retries:
                self.world.later(2.0, lambda: self.alive and self.ask(*wish))
            return
        made = Session(self, dest, wish, self.world.port(), to, port)
        self.world.sessions.append(made)
        self.say("session_ack", message.id, status=200, source_plug_port=made.port,
                 dest_socket_new_port=port)  # fmt: skip

    def find(self, message, end: str) -> Session | None:
        port = message.number("source_plug_port")
        for one in self.world.sessions:
            if getattr(one, end) is self and one.port == port:
                return one
        return None

    def on_source_service_session_close_request(self, message) -> None:
        found = self.find(message, "source")
        status = 404 if found is None else 409 if self.refuses_close else 200
        self.say("source_service_session_close_response", message.id, status=status)
        if found and status == 200:
            found.end(by="request")
            if self.retries:
                self.world.later(0.1, lambda: self.alive and self.ask(*found.wish))

    def on_dest_service_session_close_request(self, message) -> None:
        found = self.find(message, "dest")
        self.say("dest_service_session_close_response", message.id, status=200 if found else 404)
        if found:
            found.end(by="dest request")

    def on_graceful_shutdown_request(self, message) -> None:
        if self.ignores_stop:
            return
        self.say("graceful_shutdown_response", message.id, status=200)
        self.exit(0)

    def on_health_control_request(self, message) -> None:
        if self.health is not None:
            self.say("health_control_response", message.id, service_name=self.program,
                     service_instance_id=self.id, status=self.health)  # fmt: skip

    def on_service_instance_health_request(self, message) -> None:
        self.say("service_instance_health_response", message.id, service_instance_id=self.id,
                 status=self.health or 200)  # fmt: skip

    def exit(self, status: int) -> None:
        if not self.alive:
            return
        self.alive = False
        for one in [s for s in self.world.sessions if self in (s.source, s.dest)]:
            one.end(by="exit")
        self.node.exited(self, status)


@dataclass
class Session:
    """A real connection between two processes."""

    source: Process
    dest: Process
    wish: tuple[str, str, str]
    port: int
    to: str
    to_port: int

    def end(self, by: str) -> None:
        world = self.source.world
        if self not in world.sessions:
            return
        world.sessions.remove(self)
        if self.source.alive and by != "request":
            self.report("source")
        if self.dest.alive and by != "dest request":
            self.report("dest")

    def report(self, side: str) -> None:
        who = self.source if side == "source" else self.dest
        fields = {
            "source_service_instance_network_address": self.source.node.address,
            "source_plug_name": self.wish[0], "source_plug_port": self.port,
            "dest_service_name": self.wish[1],
            "dest_service_instance_network_address": self.to,
            "dest_socket_name": self.wish[2], "dest_socket_port": self.to_port,
            "dest_socket_new_port": self.to_port,
        }  # fmt: skip
        if side == "source":
            fields.update(source_service_name=self.source.program.partition("@")[0],
                          source_service_instance_id=self.source.id)  # fmt: skip
        else:
            fields.update(dest_service_instance_id=self.dest.id)
        who.say(f"{side}_service_session_close_info", who.number(), **fields)

    @property
    def key(self) -> tuple:
        return self.source.id, self.port, self.dest.id, self.to_port


class Node:
    """An agent with the processes on its node."""

    def __init__(self, world: World, address: str, name: str = "", names: tuple[str, ...] = ()):
        self.world = world
        self.address = address
        self.name = name
        self.programs = repository_of(REPOSITORY, *names)
        self.identity = Identity(address, name, "127.0.0.1:55556")
        self.agent = Engine(self.identity, self.programs)
        self.journal: list[AgentRecord] = []
        self.processes: dict[int, Process] = {}
        self.peer = ""
        self.reachable = True
        self.alive = True
        self.broken_programs: set[str] = set()
        self.silent_programs: set[str] = set()

    def act(self, actions) -> None:
        for one in actions:
            if isinstance(one, AgentRecord):
                self.journal.append(one)
            elif isinstance(one, ToManager):
                self.world.send(self.peer, "up", one.message)
            elif isinstance(one, ToInstance):
                self.world.soon(lambda one=one: self.deliver(one))
            elif isinstance(one, Spawn):
                self.world.soon(lambda one=one: self.spawn(one))
            elif isinstance(one, Kill):
                self.world.soon(lambda one=one: self.kill(one.instance))
            elif isinstance(one, Connect):
                self.world.later(one.delay, self.connect)
            elif isinstance(one, Disconnect) and not one.connection:
                self.world.cut(self.peer)

    def connect(self) -> None:
        if not self.alive or self.peer:
            return
        if not self.reachable or self.world.manager is None:
            self.act(self.agent.unlinked(self.world.now))
            return
        self.peer = self.world.new_wire(self)
        self.act(self.agent.linked(self.world.now))

    def deliver(self, one: ToInstance) -> None:
        for process in list(self.processes.values()):
            if process.conn == one.connection and process.alive:
                process.hear(self.world.through(one.message, ssmmp.Actor.INSTANCE))

    def hear(self, process: Process, message: ssmmp.SsmmpMessage) -> None:
        conn = process.conn
        self.world.soon(lambda: self._hear(conn, message))

    def _hear(self, conn: str, message: ssmmp.SsmmpMessage) -> None:
        if self.alive:
            message = self.world.through(message, ssmmp.Actor.AGENT)
            self.act(self.agent.from_instance(self.world.now, conn, message))

    def spawn(self, one: Spawn) -> None:
        if not self.alive:
            return
        program = self.agent.state.rows[one.instance].program
        if program in self.broken_programs:
            self.act(self.agent.unspawned(self.world.now, one.instance, "broken"))
            return
        env = dict(one.env)
        sockets = {n: int(p) for n, p in ssmmp.tuples(env["SSMMP_SOCKETS"])}
        process = Process(self.world, self, one.instance, program, sockets)
        self.processes[one.instance] = process
        self.act(self.agent.spawned(self.world.now, one.instance, 10000 + one.instance))
        if program not in self.silent_programs:
            process.hello()

    def kill(self, instance: int) -> None:
        if instance in self.processes:
            self.processes[instance].exit(-9)

    def exited(self, process: Process, status: int) -> None:
        self.processes.pop(process.id, None)
        self.world.soon(lambda: self._exited(process, status))

    def _exited(self, process: Process, status: int) -> None:
        if self.alive:
            self.act(self.agent.detached(self.world.now, process.conn))
            self.act(self.agent.exited(self.world.now, process.id, status))

    def restart(self) -> None:
        """The agent's process is killed and started again; its instances live on."""
        self.world.cut(self.peer)
        self.agent = Engine.restore(self.journal, self.identity, self.programs)
        self.act(self.agent.resume(self.world.now, list(self.processes)))
        for process in self.processes.values():
            process.hello()

    def die(self) -> None:
        """The whole node is gone."""
        self.alive = False
        for process in list(self.processes.values()):
            process.exit(-9)
        self.world.cut(self.peer)


class World:
    """Time, messages in order per connection, and faults."""

    def __init__(self, graph: str = GRAPH, settings: ManagerSettings | None = None):
        self.now = 1000.0
        self.graph = graph_of(graph)
        self.settings = settings or ManagerSettings()
        self.manager: Manager | None = None
        self.journal: list[Record] = []
        self.nodes: list[Node] = []
        self.sessions: list[Session] = []
        self.wires: dict[str, Node] = {}
        self.todo: list[tuple[float, int, Callable]] = []
        self.sent: list[tuple[str, ssmmp.SsmmpMessage]] = []
        self.counts: list[str] = []
        self.notices: list[Notice] = []
        self.serial = 0
        self.ports = 40000
        self.fault: Callable[[int, str, ssmmp.SsmmpMessage], str] | None = None
        self.held: dict[str, float] = {}
        self.checks = True

    def port(self) -> int:
        self.ports += 1
        return self.ports

    def through(self, message: ssmmp.SsmmpMessage, receiver: ssmmp.Actor) -> ssmmp.SsmmpMessage:
        (unit,) = ssmmp.Reader().feed(ssmmp.format(message))
        return ssmmp.parse(unit, receiver)

    def boot(self) -> None:
        self.manager = Manager(self.graph, self.settings)
        self.act(self.manager.start(self.now))

    def node(self, address: str, name: str = "", *programs: str) -> Node:
        made = Node(self, address, name, programs)
        self.nodes.append(made)
        made.act(made.agent.start(self.now))
        return made

    def kill_manager(self) -> None:
        self.manager = None
        for peer in list(self.wires):
            self.cut(peer)

    def revive_manager(self) -> None:
        self.manager = Manager.restore(self.journal, self.graph, self.settings)
        self.act(self.manager.resume(self.now))

    def soon(self, call: Callable) -> None:
        self.later(0.0, call)

    def later(self, delay: float, call: Callable) -> None:
        self.serial += 1
        self.todo.append((self.now + delay, self.serial, call))

    def new_wire(self, node: Node) -> str:
        self.serial += 1
        peer = f"peer-{self.serial}"
        self.wires[peer] = node
        return peer

    def cut(self, peer: str) -> None:
        node = self.wires.pop(peer, None)
        if node is None:
            return
        node.peer = ""
        if self.manager:
            self.act(self.manager.disconnected(self.now, peer))
        if node.alive:
            node.act(node.agent.unlinked(self.now))

    def send(self, peer: str, way: str, message: ssmmp.SsmmpMessage) -> None:
        number = len(self.sent)
        self.sent.append((way, message))
        fault = self.fault(number, way, message) if self.fault else ""
        if fault == "lose":
            self.soon(lambda: self.cut(peer))
            return
        wait = 3.0 if fault == "delay" else 0.0
        due = max(self.now + wait, self.held.get(peer + way, 0.0))
        self.held[peer + way] = due
        for _ in range(2 if fault == "repeat" else 1):
            self.later(due - self.now, lambda: self.arrive(peer, way, message))

    def arrive(self, peer: str, way: str, message: ssmmp.SsmmpMessage) -> None:
        node = self.wires.get(peer)
        if node is None:
            return
        if way == "up" and self.manager:
            message = self.through(message, ssmmp.Actor.MANAGER)
            self.act(self.manager.receive(self.now, peer, message))
        elif way == "down" and node.alive:
            message = self.through(message, ssmmp.Actor.AGENT)
            node.act(node.agent.from_manager(self.now, message))

    def act(self, actions) -> None:
        written: list[Record] = []
        for one in actions:
            if isinstance(one, Record):
                written.append(one)
            elif isinstance(one, Tell):
                self.check_order(one, written)
                self.send(one.peer, "down", one.message)
            elif isinstance(one, ClosePeer):
                self.soon(lambda one=one: self.cut(one.peer))
            elif isinstance(one, Count):
                self.counts.append(one.name)
            elif isinstance(one, Notice):
                self.notices.append(one)
        self.journal += written
        if self.checks and self.manager and written:
            again = Manager.restore(self.journal, self.graph, self.settings)
            assert again.state.store.tables() == self.manager.state.store.tables()

    def check_order(self, one: Tell, written: list[Record]) -> None:
        """A crash right behind this message must find its cause in the journal."""
        if not self.checks or not one.message.type.endswith("_request"):
            return
        again = Manager.restore([*self.journal, *written], self.graph, self.settings)
        store = again.state.store
        waited = store.session_index.of(("request", one.message.id)) or store.instance_index.of(
            ("request", one.message.id)
        )
        stranger = one.message.type == "hard_shutdown_request"
        assert waited or "health" in one.message.type or stranger, one
        assert store.counters["message"] >= one.message.id

    def run(self, seconds: float = 0.0) -> None:
        """Until `seconds` have passed and nothing is left to do at that time."""
        end = self.now + seconds
        for _ in range(200000):
            if self.todo:
                self.todo.sort(key=lambda one: one[:2])
            due = self.todo[0][0] if self.todo else end + 1
            ticks = [self.manager.next_deadline()] if self.manager else []
            ticks += [one.agent.next_deadline() for one in self.nodes if one.alive]
            tick = max(self.now, min(ticks, default=end + 1))
            if due <= tick and due <= end:
                self.now = max(self.now, due)
                self.todo.pop(0)[2]()
            elif tick <= end:
                self.now = tick
                self.tick()
            else:
                self.now = end
                return
        raise AssertionError("the mesh does not come to rest")

    def tick(self) -> None:
        if self.manager:
            self.act(self.manager.tick(self.now))
        for one in self.nodes:
            if one.alive:
                one.act(one.agent.tick(self.now))

    def listening(self, address: str, port: int) -> Process | None:
        for node in self.nodes:
            for one in node.processes.values():
                if node.address == address and port in one.sockets.values() and one.alive:
                    return one
        return None

    def processes(self, service: str = "") -> list[Process]:
        found = [one for node in self.nodes for one in node.processes.values()]
        return [one for one in found if not service or one.program.partition("@")[0] == service]

    def rows(self, service: str = "") -> list:
        rows = self.manager.state.store.instances.values()
        return [r for r in rows if r.state in LIVE and service in ("", r.service)]

    def state(self, id: int) -> str:
        row = self.manager.state.store.instances.get(id)
        return row.state if row else "-"

    def told(self, type: str, way: str = "") -> list[ssmmp.SsmmpMessage]:
        return [m for w, m in self.sent if m.type == type and way in ("", w)]

    def connected(self) -> set[tuple]:
        rows = self.manager.state.store.sessions.values()
        return {(r.source, r.from_port, r.dest, r.to_port) for r in rows if r.state in CONNECTED}

    def truth(self) -> None:
        """The Manager's view is what is."""
        assert {p.id for p in self.processes()} == {
            r.key for r in self.rows() if r.state is not InstanceState.PLANNED
        }
        assert self.connected() == {one.key for one in self.sessions}


class Talk:
    """The Manager alone, with agents written by hand: each message a few words.

    `say("a", "execution_response 30001 status=200")` returns what the Manager says to it, as the
    same kind of words, each with the connection in front: "b session_request ...".
    """

    def __init__(
        self, graph: str = GRAPH, settings: ManagerSettings | None = None, **counters: int
    ):
        self.graph = graph_of(graph)
        self.settings = settings or ManagerSettings(health_interval=1e6)
        self.manager = Manager(self.graph, self.settings)
        self.manager.health.next_probe = 1e6
        self.now = 100.0
        self.journal: list[Record] = []
        self.counts: list[str] = []
        self.notices: list[Notice] = []
        self.closed: list[str] = []
        self.said: list[str] = []
        self.checks = True

    def act(self, actions) -> list[str]:
        said = []
        for one in actions:
            if isinstance(one, Tell):
                said.append(f"{one.peer} {words(one.message)}")
            elif isinstance(one, Record):
                self.journal.append(one)
            elif isinstance(one, Count):
                self.counts.append(one.name)
            elif isinstance(one, Notice):
                self.notices.append(one)
            elif isinstance(one, ClosePeer):
                self.closed.append(one.peer)
        self.said += said
        if self.checks:
            again = Manager.restore(self.journal, self.graph, self.settings)
            assert again.state.store.tables() == self.manager.state.store.tables()
        return said

    def say(self, peer: str, text: str) -> list[str]:
        return self.act(self.manager.receive(self.now, peer, message_of(text)))

    def register(self, peer: str, address: str, programs: str, extra: str = "") -> list[str]:
        text = f"initiation_request 7 agent_network_address={address} service_repository={programs}"
        return self.say(peer, f"{text} {extra}".strip())

    def gone(self, peer: str) -> list[str]:
        return self.act(self.manager.disconnected(self.now, peer))

    def wait(self, seconds: float) -> list[str]:
        """Time passes, in the steps that the Manager asks for."""
        end, said = self.now + seconds, []
        while self.manager.next_deadline() <= end:
            self.now = max(self.now, self.manager.next_deadline())
            said += self.act(self.manager.tick(self.now))
        self.now = end
        return said

    def do(self, command) -> list[str]:
        self.operation, actions = self.manager.execute(self.now, command)
        return self.act(actions)

    def start(self) -> list[str]:
        return self.act(self.manager.start(self.now))

    def restart(self) -> list[str]:
        self.manager = Manager.restore(self.journal, self.graph, self.settings)
        self.manager.health.next_probe = 1e6
        said = self.act(self.manager.resume(self.now))
        self.manager.health.next_probe = 1e6
        return said

    def ready(self, said: list[str], status: int = 200) -> list[str]:
        """Answer every execution_request among these words."""
        answers = []
        for line in said:
            peer, type, id = line.split()[:3]
            if type == "execution_request":
                answers += self.say(peer, f"execution_response {id} status={status}")
        return answers

    def ask(self, peer: str, source: int, id: int, wish: str, name: str = "web") -> list[str]:
        """A session request; `wish` is plug, service and socket."""
        plug, service, socket = wish.split()
        return self.say(
            peer,
            f"session_request {id} source_service_name={name} source_service_instance_id={source} "
            f"source_plug_name={plug} dest_service_name={service} dest_socket_name={socket}",
        )

    def ack(self, peer: str, id: int, port: int, status: int = 200) -> list[str]:
        text = f"session_ack {id} status={status} source_plug_port={port} dest_socket_new_port=1"
        return self.say(peer, text)

    def row(self, key: int):
        return self.manager.state.store.instances.get(key)

    def session(self, key: int):
        return self.manager.state.store.sessions.get(key)


def words(message: ssmmp.SsmmpMessage) -> str:
    text = ssmmp.format(message, ssmmp.Dialect()).decode().strip()
    lines = [line.split(": ", 1) for line in text.split("\n") if not line.startswith("sub_type")]
    pairs = [f"{name}={contents[0] if contents else ''}" for name, *contents in lines[2:]]
    return " ".join([message.type, str(message.id), *(one.replace(" ", "") for one in pairs)])


def message_of(text: str) -> ssmmp.SsmmpMessage:
    type, id, *pairs = text.split()
    rows = [r for r in ssmmp.ROWS if r.type == type and r.receiver is ssmmp.Actor.MANAGER]
    lines = [f"type: {type}", f"message_id: {id}"]
    lines += [f"sub_type: {row.sub_type}" for row in rows if row.sub_type]
    lines += [pair.replace("=", ": ", 1) for pair in pairs]
    return ssmmp.parse("\n".join(lines), ssmmp.Actor.MANAGER)


@pytest.fixture
def make_talk() -> type[Talk]:
    return Talk


@pytest.fixture
def talk() -> Talk:
    """Two hand-written agents `a` (web, orders) and `b` (orders, store); instance 1 is web on a."""
    made = Talk()
    made.start()
    said = made.register("a", "fd00::1", "web,orders")
    made.ready(said)
    made.register("b", "fd00::2", "orders,store")
    return made


@pytest.fixture
def world() -> World:
    made = World()
    made.boot()
    return made


@pytest.fixture
def make_world() -> type[World]:
    return World


@pytest.fixture
def parse_graph() -> Callable:
    return graph_of


@pytest.fixture
def parse_repository() -> Callable:
    return repository_of
