"""The handler: texts in, texts out, and nothing leaves before what it depends on is written."""

import sqlite3
from pathlib import Path

import pytest

from ccproxy import Deliver, Discard, Full, Message, NativeAnswer
from ccproxy.protocols import ssmmp
from ccproxy.testing import message, run_handler
from ccproxy_handlers.ssmmp.manager import view, writer
from ccproxy_handlers.ssmmp.manager.handler import SsmmpManager
from ccproxy_handlers.state_file import StateFile

GRAPH = """
[service web]
kind = gateway
plugs = orders_client -> orders.api
[service orders]
sockets = api
"""


@pytest.fixture
def options(tmp_path):
    (tmp_path / "graph").write_text(GRAPH)
    return {"graph": str(tmp_path / "graph"), "state": str(tmp_path / "state.db")}


class Peer:
    """The origin of an agent's messages."""

    def __init__(self, kept, identity=b"one", dialect=ssmmp.Dialect()):  # noqa: B008
        self.kept = kept
        self.identity = identity
        self.codec = ssmmp.SsmmpCodec(dialect)
        self.heard = []
        self.fate = "replied"

    def answer(self, message, answer):
        assert isinstance(answer, NativeAnswer)
        self.heard.append((answer.content, self.kept()))
        return self.fate

    def text(self, text):
        unit = text.encode()
        type = ssmmp.PREFIX + ssmmp.parse(unit).type
        return Message(type, (self.identity,), (unit,), self.codec, "listen:mesh", self, len(unit))

    def parsed(self, text):
        """As the listener gives it."""
        found = self.text(text)
        payload = (*found.payload, ssmmp.parse(text))
        return Message(found.type, found.route, payload, self.codec, "listen:mesh", self, 10)

    def take(self):
        texts = [content.decode() for content, _ in self.heard]
        self.heard.clear()
        return texts


def register(address="10.0.0.1", extra=""):
    return (
        "type: initiation_request\nmessage_id: 1\n"
        f"agent_network_address: {address}\nservice_repository: (web; orders)\n{extra}"
    )


EXECUTED = "type: execution_response\nmessage_id: {}\nstatus: 200\n"
ASK = (
    "type: session_request\nmessage_id: 7\nsub_type: agent_to_Manager\n"
    "agent_network_address: 10.0.0.1\nsource_service_name: web\nsource_service_instance_id: 1\n"
    "source_plug_name: orders_client\ndest_service_name: orders\ndest_socket_name: api\n"
)


@pytest.fixture
def running(options):
    with run_handler(SsmmpManager, options) as made:
        yield made


def kept(running):
    return lambda: {(kind, key) for kind, key, _ in running.handler._file.read()}


def test_nothing_leaves_before_it_is_kept(running):
    peer = Peer(kept(running))
    running.give(peer.text(register()))
    (welcome, first), (execute, second) = peer.heard
    assert b"status: 200" in welcome and ("agent", '"10.0.0.1"') in first
    assert b"execution_request" in execute and ("instance", "1") in second
    running.give(peer.parsed(EXECUTED.format(1)))
    running.give(peer.parsed(ASK))
    running.give(peer.text(EXECUTED.format(2)))
    [(_, _), (execute, _), (answer, third)] = peer.heard[1:]
    assert b"session_response" in answer and ("session", "1") in third
    assert running.handler.status()["sessions"] == {"OFFERED": 1}


def test_one_transaction_for_one_turn(running):
    peer = Peer(kept(running))
    running.ctx.deliver(running.handler, peer.text(register()))
    for number in range(20):
        running.ctx.deliver(running.handler, peer.text(ASK.replace("7", str(number + 100))))
    before = running.handler.status()["commits"]
    running.ctx.settle()
    assert running.handler.status()["commits"] == before + 1
    assert len(peer.heard) == 3, "a welcome and two starts; the requests wait for the second"


def test_a_restart_knows_everything(options):
    with run_handler(SsmmpManager, options) as first:
        peer = Peer(kept(first))
        first.give(peer.text(register()))
        first.give(peer.text(EXECUTED.format(1)))
        peer.take()
    assert peer.take() == [""], "its connection is closed at the end"
    with run_handler(SsmmpManager, options) as second:
        peer = Peer(kept(second))
        assert second.handler.status()["instances"] == {"UNKNOWN": 1}
        second.give(peer.text(register(extra="x_ssmmp: 1\nx_running: ((web, 1))\n")))
        assert "status: 208" in peer.take()[0]
        assert second.handler.status()["instances"] == {"RUNNING": 1}


def test_framing_and_edition_of_the_peer(options):
    options["edition-1-1"] = "10.0.0.1"
    with run_handler(SsmmpManager, options) as running:
        dialect = ssmmp.Dialect(ssmmp.Framing.TILDE)
        peer = Peer(kept(running), dialect=dialect)
        running.give(peer.text(register()))
        _, execute = peer.take()
        assert execute.startswith("type: execution_request ~ message_id: 1 ~ ")
        assert "plug_configuration: orders_client, api, orders" in execute


def test_peers_that_write_host_and_port_are_legacy_peers(running):
    peer = Peer(kept(running), dialect=ssmmp.Dialect(ssmmp.Framing.SEMICOLON, own_address="h_1"))
    running.give(peer.text(register()))
    assert len(running.handler.manager.legacy_peers.peers) == 1
    running.ctx.departures[0](b"one")
    assert not running.handler.manager.legacy_peers.peers


def test_over_cc_behind_other_servers(running):
    def cc(text, *route):
        type = ssmmp.PREFIX + ssmmp.parse(text).type
        return message(type, {"text": text}, route=(b"gate", *route))

    first = running.give(cc(register("10.0.0.1"), b"node-1"))
    second = running.give(cc(register("10.0.0.2"), b"node-2"))
    assert [one.type for one in first] == ["ssmmp.initiation_response", "ssmmp.execution_request"]
    assert first[0].route == (b"gate", b"node-1")
    assert second[0].route == (b"gate", b"node-2")
    running.give(cc(EXECUTED.format(1), b"node-1"))
    running.ctx.departures[0](b"gate")
    assert running.handler.status()["agents"] == {"SUSPECT": 2}
    assert running.handler.status()["peers"] == 0


def test_strangers_over_cc_are_not_remembered(running):
    for number in range(100):
        route = (b"gate", str(number).encode())
        [answer] = running.give(message("ssmmp.session_request", {"text": ASK}, route=route))
        assert "status: 403" in answer.value()["text"]
        assert answer.route == route
    assert running.handler.status()["peers"] == 0
    assert len(running.handler.manager.health.heard) == 0


def test_texts_that_are_no_messages_for_a_manager(running):
    wrong = ASK.replace("agent_to_Manager", "Manager_to_agent")
    answers = running.send("ssmmp.session_request", {"text": wrong})
    assert "status: 400" in answers[0].value()["text"]
    with pytest.raises(ValueError, match="'text' is None"):
        running.send("ssmmp.session_request", {})
    running.send("ssmmp.session_request", {"text": "hello"})
    assert running.ctx.counters["malformed"] == 2


def test_what_a_listener_parsed_is_checked_for_its_direction(running):
    peer = Peer(kept(running))
    running.give(peer.parsed("type: initiation_response\nmessage_id: 1\nstatus: 200\n"))
    assert running.ctx.counters["malformed"] == 1


def test_types(running):
    decide = running.handler.decide
    assert isinstance(decide("ssmmp.session_request"), Deliver)
    assert isinstance(decide("mesh.plan"), Deliver)
    for type in ("ssmmp.dance", "mesh.dance", "ssmmp", "log.info", "session_request"):
        assert isinstance(decide(type), Discard)


def test_operators(options):
    options["operate-from"] = "test"
    with run_handler(SsmmpManager, options) as running:
        [answer] = running.send("mesh.summary")
        assert answer.type == "mesh.summary.response"
        assert answer.value()["app"] == "app"
        fields = {"command": "scale", "service": "orders", "count": 1}
        [answer] = running.send("mesh.execute", fields)
        assert answer.value()["operation"] == 1
        assert ("operation", "1") in kept(running)()


def test_operators_from_elsewhere(running):
    [answer] = running.send("mesh.execute", {"command": "stop", "instance": 1})
    assert "operate-from" in answer.value()["error"]
    assert running.ctx.counters["mesh.refused"] == 1


def test_a_peer_that_reads_nothing_is_closed(running):
    peer = Peer(kept(running))
    peer.fate = "full"
    running.give(peer.text(register()))
    assert [content for content, _ in peer.heard][1] == b""
    assert running.ctx.counters["told.full"] == 2


def test_time(running):
    peer = Peer(kept(running))
    running.give(peer.text(register()))
    running.ctx.advance(29.0)
    assert running.handler.status()["instances"] == {"STARTING": 1}
    running.ctx.advance(2.0)
    assert "hard_shutdown_request" in peer.take()[-1]
    assert running.handler.status()["instances"]["FAILED"] == 1


def test_notices_are_logged_and_alarms_are_warnings(running):
    peer = Peer(kept(running))
    running.give(peer.text(register()))
    assert "INFO registered 10.0.0.1 web, orders" in running.ctx.lines
    running.ctx.departures[0](b"one")
    running.ctx.advance(31.0)
    assert any(line.startswith("WARNING lost 10.0.0.1") for line in running.ctx.lines)


def test_the_graph_is_looked_at_when_the_configuration_was_read_again(running, options):
    reload = lambda: list(running.handler.reloaded())  # noqa: E731
    services = lambda: running.handler.manager.state.graph.services  # noqa: E731
    assert reload() == []
    assert "more" not in services()
    Path(options["graph"]).write_text(GRAPH + "[service more]\n")
    assert reload() == ["more: new regular, replicas 0-1"]
    assert "more" in services()
    assert any("INFO graph changed more new regular" in line for line in running.ctx.lines)
    Path(options["graph"]).write_text(GRAPH + "[service bad]\nplugs = x\n")
    reload()
    assert any("the old graph stays" in line for line in running.ctx.lines)
    assert "more" in services()
    Path(options["graph"]).unlink()
    reload()
    assert "more" in services()


def test_a_state_file_that_cannot_be_written(running, monkeypatch):
    peer = Peer(kept(running))
    write = StateFile.write

    def full(self, texts):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(StateFile, "write", full)
    monkeypatch.setattr(writer, "RETRY_INTERVAL", 0.0)
    running.give(peer.text(register()))
    assert peer.heard == [], "nothing leaves"
    assert running.handler.status()["state fault"] == "database or disk is full"
    assert sum("cannot be written, nothing leaves" in line for line in running.ctx.lines) == 1
    running.ctx.advance(0.1)
    alarms = [one for one in running.handler._events.latest(9) if one["alarm"]]
    assert alarms[-1]["detail"].endswith("nothing leaves: database or disk is full")
    monkeypatch.setattr(writer, "MAX_WAITING", 3)
    with pytest.raises(Full):
        running.ctx.deliver(running.handler, peer.text(ASK))
    monkeypatch.setattr(StateFile, "write", write)
    running.ctx.settle()
    assert len(peer.heard) == 2
    assert any("can be written again" in line for line in running.ctx.lines)


def test_what_was_changed_before_a_failure_in_the_middle_of_a_message_is_written(running):
    peer = Peer(kept(running))
    running.give(peer.text(register()))

    def fails(agent, message):
        running.handler.manager.state.store.next("session")
        raise ZeroDivisionError

    receivers = running.handler.manager._messages._receivers
    receivers["session_request"] = fails
    with pytest.raises(ZeroDivisionError):
        running.handler.handle(peer.text(ASK))
    running.ctx.settle()
    assert ("counter", '"session"') in kept(running)()


def test_it_does_not_start_without_graph_or_state(options, tmp_path):
    for name, path in (("graph", "no"), ("state", "no/folder")):
        wrong = {**options, name: str(tmp_path / path)}
        with pytest.raises((OSError, sqlite3.Error)), run_handler(SsmmpManager, wrong):
            pass
    (tmp_path / "graph").write_text("[service a]\nplugs = p -> b.c\n")
    with pytest.raises(ValueError, match="no such service"), run_handler(SsmmpManager, options):
        pass


def test_a_jump_of_the_clock_shows_nowhere(options):
    with run_handler(SsmmpManager, options) as running:
        peer = Peer(lambda: 0)
        running.handler.handle(peer.parsed(register()))
        running.ctx.settle()
        wall = running.ctx.time()
        running.ctx.time = lambda: wall + 86400
        running.ctx.advance(2)
        manager = running.handler.manager
        (agent,) = view.status(manager, running.handler._now())["agents"]
        assert (agent["state"], agent["heard"]) == ("REGISTERED", 2.0)
        assert manager.state.now < wall + 60


def test_a_state_file_that_vanishes_is_an_alarm(options):
    with run_handler(SsmmpManager, options) as running:
        running.ctx.settle()
        Path(options["state"]).unlink()
        running.handler.handle(Peer(lambda: 0).parsed(register()))
        running.ctx.settle()
        running.ctx.advance(0.1)
        assert any("state file" in line and "had vanished" in line for line in running.ctx.lines)
    with run_handler(SsmmpManager, options) as running:
        assert "10.0.0.1" in running.handler.manager.state.store.agents
