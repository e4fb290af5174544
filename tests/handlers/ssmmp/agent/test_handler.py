"""The handler `ssmmp-agent` without sockets."""

import sqlite3
from dataclasses import replace

import pytest

from ccproxy import NativeAnswer
from ccproxy.protocols import ssmmp
from ccproxy.testing import message, run_handler
from ccproxy_handlers.ssmmp.agent.handler import SsmmpAgent
from ccproxy_handlers.state_file import StateFile


def test_registration_in_plain_text(node):
    asked = node.connect()
    assert node.wire.address == "tcp://10.0.0.9:55555"
    assert asked.text("agent_network_address") == "10.0.0.1"
    assert (asked.extra("x_node"), asked.extra("x_running")) == ("n1", "()")
    node.tell("initiation_response", asked.id, status=200)
    assert node.running.handler.status()["link"] == "REGISTERED"


def test_hello_and_end(node):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    node.execute()
    token = node.agent.state.rows[7].token
    fields = {"service_name": "job", "service_instance_id": 7}
    refused = ssmmp.parse(node.instance("instance_hello_request", 1, **fields)[0].value()["text"])
    assert refused.status == 403, "the token is missing"
    hello = ssmmp.INSTANCE_TO_AGENT.make(
        "instance_hello_request", 2, (("x_token", token),), **fields
    )
    [answer] = node.running.send(ssmmp.type_of(hello), ssmmp.value_of(hello))
    assert ssmmp.parse(answer.value()["text"]).status == 200
    assert node.said("execution_response").status == 200
    node.ctx.departures[0](b"client")
    assert not node.agent.state.controls
    node.running.handler.runner.children.kill(7, "TERM")
    node.until(lambda: 7 not in node.agent.state.rows)
    assert node.said("health_control_response").status == 502


def test_it_answers_what_cannot_be_read(node):
    [answer] = node.running.send(
        "ssmmp.session_request", {"text": "type: session_request\nmessage_id: 3"}
    )
    assert ssmmp.parse(answer.value()["text"]).status == 400
    assert node.running.send("ssmmp.session_ack", {"text": "type: x"}) == []
    with pytest.raises(ValueError, match="field 'text'"):
        node.running.send("ssmmp.session_ack", {})
    assert node.ctx.counters["malformed"] == 2


def test_only_what_instances_say_is_taken(node):
    assert type(node.running.handler.decide("ssmmp.initiation_request")).__name__ == "Discard"
    assert type(node.running.handler.decide("ssmmp.session_ack")).__name__ == "Deliver"


def test_the_repository_is_read_again(node, tmp_path):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    handler = node.running.handler

    def reload(text):
        (tmp_path / "repo.ini").write_text(text)
        handler.reloaded()

    reload("[program other]\nexec = x\n")
    assert node.said("initiation_request").items("service_repository") == ("other",)
    reload("[program other]\nexc = x\n")
    assert "the old repository stays" in node.ctx.lines[-1]
    assert list(node.agent.state.repository.programs) == ["other"]


def test_a_start_that_fails_leaves_nothing(options, tmp_path):
    with pytest.raises(OSError), run_handler(SsmmpAgent, options | {"repository": "/nowhere"}):
        pass


def test_it_hangs_up_on_instances_when_it_stops(options):
    told = []

    class Origin:
        def answer(self, message, answer):
            told.append(answer)
            return "replied"

    with run_handler(SsmmpAgent, options) as running:
        made = ssmmp.INSTANCE_TO_AGENT.make(
            "instance_hello_request", 1, service_name="job", service_instance_id=1
        )
        running.give(replace(message(ssmmp.type_of(made), ssmmp.value_of(made)), origin=Origin()))
    assert told[-1] == NativeAnswer(b"")


def test_an_agent_goes_on_while_its_state_file_cannot_be_written(node, monkeypatch):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    write = StateFile.write

    def full(self, texts):
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(StateFile, "write", full)
    node.execute()
    node.until(lambda: node.agent.state.rows[7].pid)
    node.ctx.advance(0.1)
    lines = [line for line in node.ctx.lines if "state file" in line]
    assert len(lines) == 1 and lines[0].endswith("the agent goes on: database or disk is full")
    monkeypatch.setattr(StateFile, "write", write)
    node.ctx.advance(1.0)
    assert "can be written again" in node.ctx.lines[-1]
    records, marks = node.running.handler._file.read()
    assert [one.row.key for one in records if one.table == "process"] == [7] and 7 in marks
