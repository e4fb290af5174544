"""Agents written by hand in a few lines, in each framing, and all that a Manager does for them."""

import json
import socket
from pathlib import Path

import pytest
import zmq

FRAMINGS = ("lines", "tilde", "semicolon")


@pytest.mark.parametrize("framing", FRAMINGS)
def test_register_execute_session_ack_close(mesh, soon, framing):
    mesh.start()
    agent = mesh.agent(framing)
    assert agent.register() == "200"
    web = agent.start()
    assert (web["service_name"], web["service_instance_id"]) == ("web", "1")
    # Nothing runs orders yet: the request waits for a start on demand.
    id = agent.ask(1)
    orders = agent.start()
    assert orders["socket_configuration"].strip("()") == "orders_api, 41000"
    answer = agent.expect("session_response")
    assert answer["message_id"] == str(id)
    assert (answer["status"], answer["dest_socket_port"]) == ("200", "41000")
    assert answer["dest_service_instance_network_address"] == "10.0.0.1"
    agent.ack(id, 50001, 41000)
    [row] = soon(lambda: [one for one in mesh.rows("sessions") if one["state"] == "OPEN"])
    assert (row["from"], row["to"]) == (["10.0.0.1", 50001], ["10.0.0.1", 41000])
    assert [one["open"] for one in mesh.json("graph")] == [1]
    agent.closed(1, 2, 50001, 41000)
    soon(lambda: not mesh.rows("sessions"))
    assert [one["state"] for one in mesh.rows("sessions", all=True)] == ["CLOSED"]


@pytest.mark.parametrize("framing", FRAMINGS)
def test_close_on_request_and_stop(mesh, soon, framing):
    """An operation ends an instance: its session is closed by its client, then it is ended."""
    mesh.start()
    agent = mesh.agent(framing)
    agent.register()
    agent.start()
    id = agent.ask(1)
    agent.start()
    agent.expect("session_response")
    agent.ack(id, 50001, 41000)
    soon(lambda: "OPEN" in mesh.states("session").values())
    assert mesh.request("execute", command="stop", instance=2)["operation"] == 1
    asked = agent.expect("source_service_session_close_request")
    assert (asked["source_plug_port"], asked["dest_socket_port"]) == ("50001", "41000")
    response = "source_service_session_close_response"
    agent.send(response, int(asked["message_id"]), sub_type="agent_to_Manager", status=200)
    asked = agent.expect("graceful_shutdown_request")
    assert asked["service_instance_id"] == "2"
    agent.send(
        "graceful_shutdown_response", int(asked["message_id"]), sub_type="agent_to_Manager",
        status=200,
    )  # fmt: skip
    soon(lambda: mesh.states("instance")[2] == "STOPPED")
    soon(lambda: mesh.states("operation") == {1: "done"})


def test_refusals(mesh):
    mesh.start()
    agent = mesh.agent()
    agent.ask(1)
    assert agent.expect("session_response")["status"] == "403", "not registered"
    agent.register()
    agent.start()
    for status, other in (
        ("403", {"source_plug_name": "other"}),
        ("404", {"dest_service_name": "nothing"}),
        ("404", {"dest_socket_name": "nothing"}),
        ("403", {"source_service_instance_id": 77}),
        ("403", {"source_service_name": "orders"}),
        ("400", {"source_plug_name": "!"}),
        ("400", {"sub_type": "service_to_agent_to_Manager"}),
    ):
        agent.ask(1, **other)
        answer = agent.expect("session_response")
        assert answer["status"] == status, other
        assert answer["dest_service_instance_network_address"] == "::"
        assert answer["dest_socket_port"] == "0"
    agent.send("dance_request", 5)
    assert agent.expect("dance_response")["status"] == "501"
    agent.send("initiation_request", 6)
    assert agent.expect("initiation_response")["status"] == "400"
    mesh.server.wait_for("refused 1 403")  # what must not be is named


def test_no_agent_speaks_for_the_instances_of_another(mesh):
    mesh.start()
    first, second = mesh.agent(), mesh.agent(address="10.0.0.2")
    first.register()
    first.start()
    second.register()
    second.ask(1)
    assert second.expect("session_response")["status"] == "403"
    second.send(
        "health_control_response", 5, sub_type="agent_to_Manager", service_name="web",
        service_instance_id=1, status=502,
    )  # fmt: skip
    second.send("execution_response", 1, status=500)
    assert second.register() == "208"
    assert mesh.states("instance") == {1: "RUNNING"}
    mesh.server.stop()
    assert mesh.count("foreign.health") == 1
    assert mesh.count("foreign.session_request") == 1


def test_two_agents_of_one_node_name(mesh):
    mesh.start()
    first, second = mesh.agent(), mesh.agent()
    assert first.register(x_node="A") == "200"
    assert second.register(x_node="A") == "409"
    assert second.receive() == {}


def test_start_storm(mesh, soon):
    """100 requests at once for a service with no instance: one start, 100 answers."""
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    ids = {str(agent.ask(1)) for _ in range(100)}
    agent.start()
    answers = [agent.expect("session_response") for _ in range(100)]
    assert {one["message_id"] for one in answers} == ids
    assert {(one["status"], one["dest_socket_port"]) for one in answers} == {("200", "41000")}
    assert agent.quiet
    assert len(mesh.rows("instances")) == 2


def test_an_agent_behind_a_gateway_over_cc(mesh, start, fill, make, soon):
    """The same texts as the JSON field `text` of CC messages, through a second server."""
    mesh.start()
    proxy = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT3
cc-role = remote
linger = 100 ms
[routes]
ssmmp = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT1
"""
    start(proxy, "gateway")
    dealer = make(zmq.DEALER, fill("tcp://127.0.0.1:PORT3"), identity=b"node-7")

    def send(type, text):
        body = json.dumps({"req": f"ssmmp.{type}", "text": f"type: {type}\n{text}"}).encode()
        dealer.send_multipart([b"", f"ssmmp.{type}".encode(), body, b""])

    def receive():
        _, type, body, *_ = dealer.recv_multipart()
        lines = json.loads(body)["text"].strip().split("\n")
        return type.decode(), dict(one.split(": ", 1) for one in lines)

    send(
        "initiation_request",
        "message_id: 1\nagent_network_address: 10.0.0.7\nservice_repository: (web; orders)\n",
    )
    assert receive()[1]["status"] == "200"
    type, asked = receive()
    assert type == "ssmmp.execution_request"
    send("execution_response", f"message_id: {asked['message_id']}\nstatus: 200\n")
    soon(lambda: mesh.states("instance") == {1: "RUNNING"})
    [agent] = mesh.rows("agents")
    assert agent["address"] == "10.0.0.7"
    send("session_request", "message_id: x\n")
    assert mesh.states("instance") == {1: "RUNNING"}


def test_hostile_peers_are_bounded(mesh, soon):
    """Long lines, half messages, nonsense, thousands of connections: the others never notice."""
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    agent.ask(1)
    agent.start()
    agent.expect("session_response")
    before = mesh.server.memory
    long = mesh.agent()
    with pytest.raises((ConnectionError, AssertionError)):
        long.raw(b"type: x" + b"y" * 1_000_000)
        assert long.receive() != {}
    half = mesh.agent()
    half.raw(b"type: initiation_request\nmessage_id: 1\n")
    nonsense = mesh.agent()
    nonsense.raw(b"hello\n\n" * 20)
    assert nonsense.receive() == {}
    port = mesh.ports["PORT2"]
    for _ in range(20):
        many = []
        for _ in range(250):
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
            many.append(one)
        for one in many:
            one.close()
    soon(lambda: len(agent_sockets(mesh)) < 20, "connections that are let go of")
    for number in range(100):
        agent.open(1, 50100 + number)
    assert half.receive() == {}, "half a message is given up after five seconds"
    assert mesh.server.memory < before + 30_000_000


def agent_sockets(mesh):
    links = []
    for one in Path(f"/proc/{mesh.server.process.pid}/fd").iterdir():
        try:
            links.append(str(one.readlink()))
        except OSError:
            continue
    return [one for one in links if one.startswith("socket:")]
