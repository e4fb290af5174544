"""The shop as a whole, with real processes: what its users see while instances, agents and whole
nodes die; what is left of whom."""

import os
import signal
import sys
from contextlib import suppress
from pathlib import Path

import pytest

SHOP = Path(__file__).parents[2] / "contrib" / "shop"
sys.path.insert(0, str(SHOP))
import gateways  # noqa: E402
import kernel  # noqa: E402
from mesh import FAST, Mesh, until  # noqa: E402
from traffic import Traffic  # noqa: E402

sys.path.remove(str(SHOP))

pytestmark = pytest.mark.xdist_group("shop")


LOSING = pytest.mark.parametrize("timers", [{**FAST, "agent-lost": "8 s"}], ids=["losing"])


@pytest.fixture
def timers():
    return FAST


@pytest.fixture
def mesh(tmp_path, timers):
    """A Manager, an agent by plain text, one by CC; the shop is open."""
    made = Mesh(tmp_path, timers=timers)
    try:
        made.start()
        until(lambda: made.running("web"), "the shop is open")
        yield made
    finally:
        made.stop()
        for file in sorted(tmp_path.rglob("*.log")):
            print(f"--- {file.name}", file.read_text("utf-8", "replace"), sep="\n")


@pytest.fixture
def traffic(mesh):
    """Users; no request of theirs may fail."""
    made = Traffic(*mesh.fronts, users=4, rate=100.0)
    made.start("test")
    until(lambda: mesh.running("orders") and made.total.requests > 50, "everything runs")
    yield made
    if not made.stopped:
        more(made, 50)
    made.stop()
    print(made.total)
    assert not made.total.failures


def more(traffic, count):
    """Wait for so many requests."""
    end = traffic.total.requests + count
    until(lambda: traffic.total.requests >= end, f"{count} more requests")


def on(mesh, node, state="RUNNING"):
    return [one for one in mesh.rows("instances") if (one["agent"], one["state"]) == (node, state)]


def truth(mesh):
    """The Manager's view of open sessions is the kernel's."""
    rows = [one for one in mesh.rows("sessions") if one["state"] == "OPEN"]
    known = {(tuple(one["from"]), tuple(one["to"])) for one in rows}
    real = kernel.connections(mesh.nodes, 24000)
    if known != real:
        print("only known", known - real, "only real", real - known)
    return known and known == real


def closed(mesh):
    """End the application; nothing may be left."""
    mesh.end()
    assert not mesh.pids()
    assert not kernel.listeners(mesh.nodes)
    assert not kernel.connections(mesh.nodes)
    live = ("OPEN", "OFFERED", "CLOSING", "WAITING")
    assert not [one for one in mesh.rows("sessions") if one["state"] in live]


def test_drain_and_update(mesh, traffic):
    mesh.execute("drain", node=mesh.nodes[1])
    assert not on(mesh, mesh.nodes[1])
    mesh.execute("undrain", node=mesh.nodes[1])
    mesh.execute("update", service="orders", program="orders@2")
    assert {one["program"] for one in mesh.running("orders")} == {"orders@2"}
    more(traffic, 50)
    until(lambda: truth(mesh), "the view is true")
    traffic.stop()
    closed(mesh)


def test_a_gateway_is_moved_drained_and_updated_under_users_that_connect_for_each_request(tmp_path):
    mesh = Mesh(tmp_path, web=(0, 1), timers={"update-watch": "200 ms"})
    traffic = Traffic(*mesh.fronts, users=4, rate=150.0, each=True)
    try:
        mesh.start()
        until(lambda: mesh.running("web"), "the shop is open")
        traffic.start("test")
        more(traffic, 50)
        gateways.rounds(mesh, traffic, 2)
        more(traffic, 50)
    finally:
        if traffic.phases:
            traffic.stop()
        mesh.stop()
    assert not traffic.total.failures


@pytest.mark.parametrize("service", ["orders", "catalog", "store"])
def test_kill_of_an_instance(mesh, traffic, service):
    [victim] = [one["instance"] for one in mesh.running(service)]
    os.killpg(mesh.pids()[victim], signal.SIGKILL)
    until(lambda: [one for one in mesh.running(service) if one["instance"] != victim], "replaced")
    more(traffic, 50)
    until(lambda: truth(mesh), "the view is true")


def test_kill_of_an_agent_that_returns(mesh, traffic):
    before = set(mesh.pids().items())
    for agent in mesh.agents:
        agent.kill()
    more(traffic, 50)
    for agent in mesh.agents:
        agent.start()
    until(lambda: {one["state"] for one in mesh.rows("agents")} == {"REGISTERED"}, "back")
    assert set(mesh.pids().items()) == before, "the same processes run on"
    more(traffic, 50)
    until(lambda: truth(mesh), "the view is true")
    traffic.stop()
    closed(mesh)


def kill_node(mesh, number):
    """The agent and all it has started, at once."""
    pids = mesh.pids()
    own = [pids[one["instance"]] for one in on(mesh, mesh.nodes[number])]
    mesh.agents[number].kill()
    for pid in own:
        with suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGKILL)


@LOSING
def test_kill_of_a_node(mesh, traffic):
    lost = {one["instance"] for one in on(mesh, mesh.nodes[1])}
    assert lost
    kill_node(mesh, 1)
    until(lambda: {one["state"] for one in mesh.rows("agents")} == {"REGISTERED", "LOST"}, "lost")
    services = {"web", "catalog", "orders", "store"}
    until(lambda: {one["service"] for one in on(mesh, mesh.nodes[0])} == services, "replaced")
    more(traffic, 50)
    rows = [one for one in mesh.rows("sessions") if one["state"] == "OPEN"]
    assert not [one for one in rows if one["dest"] in lost or one["source"] in lost]
    until(lambda: truth(mesh), "the view is true")
    traffic.stop()
    mesh.agents[1].start()
    until(lambda: {one["state"] for one in mesh.rows("agents")} == {"REGISTERED"}, "back")
    closed(mesh)


@LOSING
def test_an_agent_that_returns_too_late_ends_what_was_replaced(mesh, traffic):
    old = {one["instance"] for one in on(mesh, mesh.nodes[1])}
    mesh.agents[1].kill()
    until(lambda: "LOST" in {one["state"] for one in mesh.rows("agents")}, "lost")
    assert old <= mesh.pids().keys()
    mesh.agents[1].start()
    until(lambda: not old & mesh.pids().keys(), "what was replaced has ended")
    more(traffic, 50)


def test_kill_of_the_manager(mesh, traffic):
    before = set(mesh.pids().items())
    for _ in range(3):
        mesh.manager.kill()
        more(traffic, 30)
        mesh.manager.start()
        until(lambda: truth(mesh), "the view is true")
    assert set(mesh.pids().items()) == before
