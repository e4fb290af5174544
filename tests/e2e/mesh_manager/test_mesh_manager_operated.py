"""The verb `mesh` against a real Manager: views, plans, operations, reload of the graph."""

import signal
import threading

import pytest

from ccproxy.client import Client


class Willing(threading.Thread):
    """An agent in a thread that does what it is asked, and counts."""

    def __init__(self, agent):
        super().__init__(daemon=True)
        self.agent = agent
        self.seen = []

    def run(self):
        try:
            while message := self.agent.receive():
                self.seen.append(message["type"])
                self.answer(message)
        except OSError:
            return

    def answer(self, message):
        id = int(message["message_id"])
        up = {"sub_type": "agent_to_Manager"}
        if message["type"] == "execution_request":
            self.agent.send("execution_response", id, status=200)
        elif message["type"] in ("graceful_shutdown_request", "hard_shutdown_request"):
            type = message["type"].replace("request", "response")
            self.agent.send(type, id, **up, status=200)


@pytest.fixture
def two(mesh, soon):
    """A Manager with two willing agents; one instance of web on the first."""
    mesh.start()
    made = []
    for address in ("10.0.0.1", "10.0.0.2"):
        agent = mesh.agent(address=address)
        agent.register()
        made.append(Willing(agent))
        made[-1].start()
    soon(lambda: mesh.states("instance") == {1: "RUNNING"})
    yield mesh
    for one in made:
        one.agent.socket.shutdown(2)
        one.join()


def test_views(two):
    found = two.json("status")
    assert found["app"] == "app"
    assert [one["agent"] for one in found["agents"]] == ["10.0.0.1", "10.0.0.2"]
    assert [one["service"] for one in found["instances"]] == ["web"]
    status, text = two.command("status")
    assert status == 0 and "10.0.0.2  10.0.0.2  REGISTERED" in text
    assert "orders_client -> orders.orders_api: 0 open" in two.command("graph")[1]
    assert '"web" -> "orders" [label="0"]' in two.command("graph", "--dot")[1]
    assert two.command("graph", "--mermaid")[1].startswith("flowchart LR")
    assert two.json("sessions") == []
    assert "running 1 web on 10.0.0.1" in two.command("events")[1]


def test_a_plan_first(two):
    status, text = two.command("drain", "10.0.0.1", "--dry-run")
    assert status == 0
    assert "place nothing more on 10.0.0.1" in text and "start web" in text
    assert two.rows("operations") == []
    assert {one["agent"] for one in two.rows("instances")} == {"10.0.0.1"}


def test_drain_migrate_scale_stop(two, soon):
    status, text = two.command("drain", "10.0.0.1")
    assert status == 0, text
    assert "operation 1: done" in text and "3/3" in text
    live = [one for one in two.rows("instances") if one["state"] == "RUNNING"]
    assert [one["agent"] for one in live] == ["10.0.0.2"]
    assert {one["agent"]: one["state"] for one in two.rows("agents")}["10.0.0.1"] == "DRAINED"
    assert two.command("undrain", "10.0.0.1")[0] == 0
    assert two.command("migrate", str(live[0]["instance"]), "10.0.0.1")[0] == 0
    status, text = two.command("scale", "orders", "2", "--json")
    assert status == 0 and '"state": "done"' in text
    orders = [one for one in two.rows("instances") if one["service"] == "orders"]
    assert len(orders) == 2
    assert two.command("rebalance", "orders")[0] == 0
    assert two.command("stop", str(orders[0]["instance"]), "--hard")[0] == 0
    assert two.command("stop", "4711")[0] == 1
    assert "no node has the program web@2" in two.command("update", "web=web@2")[1]
    assert two.command("update", "nonsense")[0] == 1


def test_an_operation_is_stopped_between_steps(mesh, soon):
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    assert mesh.command("scale", "orders", "2", "--no-wait")[0] == 0
    # The agent answers nothing: the operation waits for its instances.
    soon(lambda: mesh.states("operation") == {1: "running"})
    answer = mesh.request("cancel", operation=1)
    # Nothing else than waiting is under way, so that there is nothing to wait for.
    assert answer["operation"]["state"] == "cancelled"
    assert "is cancelled" in mesh.request("cancel", operation=1)["error"]
    agent.start()
    agent.start()
    soon(lambda: mesh.states("operation")[1] == "cancelled")


def test_operators_that_are_not_named_are_refused(mesh):
    mesh.ini += "operate-from = listen:mesh\n"
    mesh.start()
    with Client(f"tcp://127.0.0.1:{mesh.ports['PORT1']}") as client:
        assert "operate-from" in client.request("mesh.summary", {}).value["error"]
    assert mesh.command("status")[0] == 1


def test_the_graph_is_read_again_at_sighup(mesh, soon):
    mesh.start()
    agent = mesh.agent()
    agent.register()
    agent.start()
    graph = mesh.directory / "shop.graph"
    text = graph.read_text()
    graph.write_text(text + "[service more]\nplugs = a -> nothing.b\n")
    mesh.server.process.send_signal(signal.SIGHUP)
    mesh.server.wait_for("reload failed")
    assert len(mesh.rows("services")) == 2
    graph.write_text(text + "[service more]\nplugs = a -> orders.orders_api\n")
    assert len(mesh.rows("services")) == 2, "nothing happens without the signal"
    mesh.server.process.send_signal(signal.SIGHUP)
    mesh.server.wait_for("reloaded: ")
    soon(lambda: len(mesh.rows("services")) == 3)
    mesh.server.wait_for("[h:manager] more: new regular, replicas 0-1, a -> orders.orders_api")
    graph.write_text(text)
    status, said = mesh.command("reload", "--dry-run")
    assert status == 0 and "graph: more: gone" in said and len(mesh.rows("services")) == 3
    status, said = mesh.command("reload")
    assert status == 0 and "the graph is reloaded" in said and len(mesh.rows("services")) == 2
    assert mesh.states("instance") == {1: "RUNNING"}
    assert agent.quiet


def test_other_options_take_over_the_state(mesh, soon):
    """A changed option makes a new handler: agents come again, what they run goes on."""
    mesh.start()
    agent = mesh.agent()
    agent.register(x_ssmmp=1)
    agent.start()
    mesh.ini += "ack-timeout = 3 s\n"
    text = mesh.ini
    for name, port in mesh.ports.items():
        text = text.replace(name, str(port)) if name in ("PORT1", "PORT2") else text
    mesh.server.reload(text)
    assert agent.receive() == {}
    back = mesh.agent()
    assert back.register(x_ssmmp=1, x_running="((web, 1))") == "208"
    soon(lambda: mesh.states("instance") == {1: "RUNNING"})
