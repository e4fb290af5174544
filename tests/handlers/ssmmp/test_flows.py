"""The flows of the vectors, word for word: the real Manager and real agents between scripted
instances. Whatever a flow says that the Manager or an agent sends must come out exactly so."""

import json
from pathlib import Path

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine import (
    Engine,
    Identity,
    Kill,
    Spawn,
    ToInstance,
    ToManager,
)  # fmt: skip
from ccproxy_handlers.ssmmp.agent.engine import Record as AgentRecord
from ccproxy_handlers.ssmmp.agent.engine.rows import ProcessRow
from ccproxy_handlers.ssmmp.agent.engine.tables import ProcessState
from ccproxy_handlers.ssmmp.commands import Migrate, StopInstance
from ccproxy_handlers.ssmmp.manager import Manager, ManagerSettings, Record, Tell
from ccproxy_handlers.ssmmp.manager.engine.rows import (
    AgentRow,
    DesiredState,
    InstanceRow,
    SessionRow,
)
from ccproxy_handlers.ssmmp.manager.engine.tables import AgentState, InstanceState, SessionState

VECTORS = Path(__file__).parents[2] / "vectors" / "ssmmp" / "spec" / "flows.json"
FLOWS = {one["flow"]: one for one in json.loads(VECTORS.read_text("utf-8"))["flows"]}
HERE, THERE = "fd00::1", "fd00::2"
NAMES = ("web", "orders", "store")
NOW = 1000.0

GRAPH = """
[app]
ports = {low}-54100
[service web]
kind = gateway
plugs = orders_client -> {web}
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
plugs = orders_client
[program orders]
exec = orders
sockets = orders_api
plugs = store_client
[program store]
exec = store
sockets = sql
"""


def agent_row(address: str) -> AgentRow:
    return AgentRow(address, address, "", f"peer {address}", AgentState.REGISTERED, NAMES)


def instance(key: int, service: str, address: str, *sockets: tuple[str, int]) -> InstanceRow:
    return InstanceRow(
        key, service, service, InstanceState.RUNNING, address, address, sockets=sockets,
        ports_reserved=True,
    )  # fmt: skip


FIRST = SessionRow(
    1, 1, "web", HERE, 1000001, "orders_client", "orders", "orders_api", SessionState.OPEN, 2,
    HERE, 40112, THERE, 54001, 54001,
)  # fmt: skip
SECOND = SessionRow(
    2, 2, "orders", THERE, 2000009, "store_client", "store", "sql", SessionState.OPEN, 3,
    THERE, 40230, THERE, 54002, 54002,
)  # fmt: skip
WEB = instance(1, "web", HERE)
ORDERS = instance(2, "orders", THERE, ("orders_api", 54001))
STORE = instance(3, "store", THERE, ("sql", 54002))
STARTED = {  # what runs and is open when a flow begins
    "register": ([], []),
    "execute": ([WEB], []),
    "session_running": ([WEB, ORDERS], []),
    "session_on_demand": ([WEB], []),
    "session_refused": ([WEB], []),
    "session_connect_failed": ([WEB, ORDERS], []),
    "close_by_source": ([WEB, ORDERS], [FIRST]),
    "close_by_dest": ([WEB, ORDERS], [FIRST]),
    "close_by_manager": ([WEB, ORDERS], [FIRST]),
    "close_dest_source_failed": ([WEB, ORDERS], [FIRST]),
    "graceful_shutdown": ([WEB, ORDERS, STORE], [FIRST, SECOND]),
    "hard_shutdown": ([WEB, ORDERS], []),
    "health_ok": ([WEB, ORDERS], []),
    "health_abnormal": ([WEB, ORDERS], []),
    "health_silent": ([WEB, ORDERS], []),
    "migrate": ([WEB, ORDERS, STORE], [FIRST, SECOND]),
}
FIRST_IDS = {"execute": 30001, "session_on_demand": 30001, "close_by_manager": 30002,
             "close_dest_source_failed": 30003, "graceful_shutdown": 30010, "hard_shutdown": 30005,
             "migrate": 30020}  # fmt: skip


class Stage:
    """The Manager, two agents, and the messages of each that have not been read yet."""

    def __init__(self, flow: str, graph) -> None:
        instances, sessions = STARTED[flow]
        agents = [] if flow == "register" else [agent_row(HERE), agent_row(THERE)]
        records = [Record("agent", one.key, one) for one in agents]
        records += [Record("instance", one.key, one) for one in instances]
        records += [Record("session", one.key, one) for one in sessions]
        records += [Record("goal", name, DesiredState(name, 0, name)) for name in NAMES]
        newest = 3 if flow == "migrate" else max((one.key for one in instances), default=0)
        records.append(Record("counter", "instance", newest))
        records.append(Record("counter", "session", 2))
        records.append(Record("counter", "message", FIRST_IDS.get(flow, 30001) - 1))
        settings = ManagerSettings(health_interval=1e6)
        self.manager = Manager.restore(records, graph, settings)
        self.manager.health.next_probe = NOW + 1e6
        self.said: list[tuple[str, str, ssmmp.SsmmpMessage]] = []
        self.done: list[object] = []
        self.agents = {address: self.agent(address, instances, flow) for address in (HERE, THERE)}
        self.now = NOW

    def agent(self, address: str, instances: list[InstanceRow], flow: str) -> Engine:
        from ccproxy_handlers.ssmmp import repository

        programs, problems = repository.parse("r.ini", REPOSITORY)
        assert not problems
        made = Engine(Identity(address), programs)
        made.state._number = 16
        made.linked(0.001)
        if flow != "register":
            welcome = ssmmp.MANAGER_TO_AGENT.make("initiation_response", 1, status=200)
            made.from_manager(0.002, welcome)
        for one in instances:
            if one.agent == address:
                row = ProcessRow(one.key, one.service, ProcessState.READY, 100, one.sockets)
                made.state.rows[one.key] = row
                made.state.controls[one.key] = f"instance {one.key}"
                made.state.owners[f"instance {one.key}"] = one.key
        made.state._number = 70
        made.health.next = 1e9
        return made

    def act(self, who: str, actions) -> None:
        for one in actions:
            if isinstance(one, Tell):
                self.said.append(("Manager", f"agent {one.peer.split()[1]}", one.message))
            elif isinstance(one, ToManager):
                self.said.append((who, "Manager", one.message))
            elif isinstance(one, ToInstance):
                self.said.append((who, one.connection, one.message))
            elif not isinstance(one, (Record, AgentRecord)):
                self.done.append(one)

    def hear(self, sender: str, receiver: str, message: ssmmp.SsmmpMessage) -> None:
        if receiver == "Manager":
            peer = f"peer {sender.split()[1]}"
            self.act("Manager", self.manager.receive(self.now, peer, message))
            return
        if receiver.startswith("instance"):
            return
        agent = self.agents[receiver.split()[1]]
        if sender == "Manager":
            self.act(receiver, agent.from_manager(self.now, message))
        else:
            self.act(receiver, agent.from_instance(self.now, sender, message))

    def take(self, sender: str, receiver: str, fields: list) -> ssmmp.SsmmpMessage:
        """A message that the Manager or an agent has to send: it is there, word for word."""
        text = "".join(f"{name}: {contents}\n" for name, contents in fields)
        found = [
            one for one in self.said
            if one[:2] == (sender, receiver) and ssmmp.format(bare(one[2])).decode() == text + "\n"
        ]  # fmt: skip
        said = "\n".join(f"{s} -> {r}\n{ssmmp.format(bare(m)).decode()}" for s, r, m in self.said)
        assert found, f"{sender} -> {receiver}\n{text}\nis not among\n{said}"
        self.said.remove(found[0])
        return found[0][2]

    def operator(self, flow: str) -> None:
        """What starts a flow that no message starts."""
        manager = self.manager
        if flow == "execute":
            self.manager.state.begin(self.now)
            manager.services.plan(manager.state.graph.services["orders"], THERE)
            self.act("Manager", self.manager._done())
        elif flow == "close_by_manager":
            self.manager.state.begin(self.now)
            manager.sessions.close(manager.state.store.sessions[1])
            self.act("Manager", self.manager._done())
        elif flow in ("graceful_shutdown", "hard_shutdown"):
            command = StopInstance(2, hard=flow == "hard_shutdown")
            self.act("Manager", self.manager.execute(self.now, command)[1])
        elif flow == "migrate":
            self.act("Manager", self.manager.execute(self.now, Migrate(2, HERE))[1])
        elif flow.startswith("health"):
            checks = self.agents[THERE].health
            checks.next = 0.0
            self.agents[THERE].state.controls.pop(1, None)
            self.act(f"agent {THERE}", self.agents[THERE].tick(0.01))

    def action(self, who: str, what: str) -> None:
        """An action of a flow that has an event of its own here."""
        if what.startswith("start the program"):
            agent = self.agents[who.split()[1]]
            (spawn,) = [one for one in self.done if isinstance(one, Spawn)]
            self.done.remove(spawn)
            self.act(who, agent.spawned(self.now, spawn.instance, 4000 + spawn.instance))
            hello = ssmmp.INSTANCE_TO_AGENT.make(
                "instance_hello_request", 9, service_name="orders",
                service_instance_id=spawn.instance,
            )  # fmt: skip
            conn = f"instance {spawn.instance}"
            self.act(who, agent.from_instance(self.now, conn, hello))
            self.said = [one for one in self.said if one[2].type != "instance_hello_response"]
        elif what == "exit":
            self.exit(int(who.split()[1]))
        elif what.startswith("kill the process"):
            assert any(isinstance(one, Kill) and one.signal == "KILL" for one in self.done)
            self.exit(2)
        elif what.startswith("declare"):
            self.act("Manager", self.manager.disconnected(self.now, f"peer {HERE}"))
            self.now += 31
            self.act("Manager", self.manager.tick(self.now))
        elif what.startswith("the time for the answer"):
            self.act(who, self.agents[THERE].tick(5.0))

    def exit(self, key: int) -> None:
        for address, agent in self.agents.items():
            if key in agent.state.rows:
                self.act(f"agent {address}", agent.exited(self.now, key, 0))


def bare(message: ssmmp.SsmmpMessage) -> ssmmp.SsmmpMessage:
    """Without the extension lines, of which the vectors have none."""
    return ssmmp.SsmmpMessage(message.type, message.id, message.sub_type, message.fields)


@pytest.mark.parametrize("name", FLOWS)
def test_flow(parse_graph, name):
    low = {"migrate": 54010}.get(name, 54001)
    # A refused edge: the graph of that flow lets web connect to something else.
    web = "store.sql" if name == "session_refused" else "orders.orders_api"
    stage = Stage(name, parse_graph(GRAPH.format(low=low, web=web)))
    if name == "register":
        stage.agents[HERE] = fresh_agent(stage)
    stage.operator(name)
    for step in FLOWS[name]["steps"]:
        if "action" in step:
            stage.action(step["who"], step["action"])
            continue
        if step["from"].startswith("instance"):
            text = "".join(f"{n}: {c}\n" for n, c in step["fields"])
            message = ssmmp.parse(text, ssmmp.Actor.AGENT)
        else:
            message = stage.take(step["from"], step["to"], step["fields"])
        stage.hear(step["from"], step["to"], message)
    rest = [one[2].type for one in stage.said]
    after = {"session_connect_failed": ["session_response", "session_response"]}
    assert len(rest) <= len(after.get(name, [])) and set(rest) <= set(after.get(name, []))


def fresh_agent(stage: Stage) -> Engine:
    agent = stage.agents[HERE]
    agent.unlinked(1.0)
    agent.state._number = 16
    stage.act(f"agent {HERE}", agent.linked(0.001))
    return agent


def test_every_flow_has_a_beginning():
    assert set(STARTED) == set(FLOWS)
