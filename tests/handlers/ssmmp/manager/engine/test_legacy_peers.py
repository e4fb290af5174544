"""The published implementation as a partner: its own bytes, as they were captured.

The agent's side of `zuk-agent-foreign-manager.json` is played back; numbers and ports that the
Manager chooses are put in where the capture has those of another one.
"""

import json
from pathlib import Path

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp import graphfile
from ccproxy_handlers.ssmmp.commands import Scale, StopInstance
from ccproxy_handlers.ssmmp.manager import Manager, Record, Tell

VECTORS = Path(__file__).parents[4] / "vectors" / "ssmmp" / "captured"
GRAPH = """
[app]
ports = 34501-34600
[service gateway]
kind = gateway
program = Api Gateway
start = on-demand
plugs = p1 -> Login.S, p2 -> Register.S
[service Login]
sockets = S
plugs = p1 -> BaaS.S
[service Register]
sockets = S
plugs = p1 -> BaaS.S
[service BaaS]
kind = baas
sockets = S
"""


def captured(type, number=0):
    """One line of the agent, as it stands in the capture."""
    data = json.loads((VECTORS / "zuk-agent-foreign-manager.json").read_text("utf-8"))
    lines = [one["bytes"] for one in data["messages"]
             if one["from"] == "agent" and one["conn"] == "c1" and "bytes" in one]  # fmt: skip
    return [one for one in lines if one.startswith(f"type:{type};")][number].strip()


class Talk:
    """Texts in, texts out."""

    def __init__(self):
        graph, problems = graphfile.parse("g", GRAPH)
        assert not problems
        self.manager = Manager(graph)
        self.now = 1000.0
        self.records = []
        self.manager.legacy_peer("peer")
        first = captured("initiation_request")
        self.dialect = ssmmp.dialect_of(first.encode())
        self.manager.start(self.now)
        assert self.say(first) == ["type:initiation_response;message_id:10;status:200"]

    def act(self, actions):
        self.records += [one for one in actions if isinstance(one, Record)]
        tells = [one.message for one in actions if isinstance(one, Tell)]
        return [ssmmp.format(one, self.dialect).decode().strip() for one in tells]

    def say(self, text, old="", new=""):
        if old:
            text = text.replace(old, new)
        message = ssmmp.parse(text, ssmmp.Actor.MANAGER)
        return self.act(self.manager.receive(self.now, "peer", message))

    def wait(self, seconds):
        self.now += seconds
        return self.act(self.manager.tick(self.now))

    def states(self):
        return {one.service: str(one.state) for one in self.manager.state.store.instances.values()}

    def sessions(self):
        rows = self.manager.state.store.sessions.values()
        return [(one.source_service, one.service, str(one.state)) for one in rows]


@pytest.fixture
def talk():
    """Gateway, Login and BaaS with their two sessions, as the capture has them."""
    made = Talk()
    assert made.say(captured("connection_request")) == []
    [execute] = made.say(captured("session_request"))
    assert execute == (
        "type:execution_request;message_id:1;agent_network_address:localhost_34011;"
        "service_name:Login;service_instance_id:2;socket_configuration:localhost_34501;"
        "plug_configuration:p1, S, BaaS"
    )
    [answer] = made.say(captured("execution_response"), "30101", "1")
    assert answer == (
        "type:session_response;message_id:2001;sub_type:Manager_to_agent;status:200;"
        "dest_service_instance_network_address:localhost_34501;dest_socket_port:34501"
    )
    assert made.say(captured("session_ack")) == []
    assert made.say(captured("process_data"), "id:11", "id:2") == []
    [execute] = made.say(
        captured("session_request", 1),
        "id:11",
        "id:2",
    )
    assert "service_name:BaaS;service_instance_id:3;socket_configuration:localhost_34502" in execute
    [answer] = made.say(captured("execution_response", 1), "30102", "2")
    assert "dest_service_instance_network_address:localhost_34502;dest_socket_port:34502" in answer
    made.say(captured("session_ack", 1))
    return made


def test_gateway_execution_sessions(talk):
    assert talk.states() == {"gateway": "RUNNING", "Login": "RUNNING", "BaaS": "RUNNING"}
    assert talk.sessions() == [("gateway", "Login", "OPEN"), ("Login", "BaaS", "OPEN")]


def test_close_on_request_and_graceful_shutdown(talk):
    """The session of the gateway cannot be closed on request; that to storage can."""
    _, actions = talk.manager.execute(talk.now, StopInstance(2))
    [close] = talk.act(actions)
    assert close.startswith("type:source_service_session_close_request;message_id:3;")
    assert "source_service_instance_network_address:localhost_34501" in close
    assert "dest_socket_port:34502" in close
    told = talk.say(captured("source_service_session_close_response"), "40103", "3")
    assert told == [
        "type:graceful_shutdown_request;message_id:4;sub_type:Manager_to_agent;"
        "service_name:Login;service_instance_id:2"
    ]
    # The reference reports what it has closed on request as well, and both ends of the other one.
    for number in (0, 1):
        assert talk.say(captured("source_service_session_close_info", number), "11", "2") == []
    assert talk.say(captured("dest_service_session_close_info"), "id:11", "id:2") == []
    # The gateway says nothing of its end.
    assert [state for *_, state in talk.sessions()] == ["HALF_CLOSED", "CLOSED"]
    assert talk.say(captured("graceful_shutdown_response"), "40104", "4") == []
    assert talk.states()["Login"] == "STOPPED"


def test_no_hard_shutdown_is_sent(talk):
    _, actions = talk.manager.execute(talk.now, StopInstance(3, hard=True))
    assert not [one for one in talk.act(actions) if "hard_shutdown" in one]
    assert talk.states()["BaaS"] == "STOPPED"


def test_a_gateway_with_the_number_of_another_instance(talk):
    """It names itself 100, 1 or 10; here, 2 is Login."""
    wish = captured("session_request").replace("id:100", "id:2").replace("2001", "2002")
    [answer] = talk.say(wish)
    assert "status:200" in answer
    gateways = [one for one in talk.manager.state.store.instances.values() if one.alias]
    assert [(one.service, one.alias) for one in gateways] == [("gateway", 100), ("gateway", 2)]


def test_a_restart_knows_gateways(talk):
    again = Manager.restore(talk.records, talk.manager.state.graph)
    [gateway] = [one for one in again.state.store.instances.values() if one.alias]
    assert (gateway.program, gateway.alias) == ("Api Gateway", 100)


def test_others_are_no_gateways():
    talk = Talk()
    talk.manager.legacy_peers.peers.clear()
    [answer] = talk.say(captured("session_request"))
    assert "status:403" in answer
    assert talk.states() == {}
    assert talk.manager.execute(talk.now, Scale("nothing", 1))[0] == 0
