"""The link to the Manager: redirects, silence, and what cannot be read."""

from ccproxy.protocols import ssmmp


def test_it_goes_where_it_is_sent(node):
    asked = node.connect()
    made = ssmmp.MANAGER_TO_AGENT.make(
        "initiation_response", asked.id, (("x_manager", "10.0.0.8:55555"),), status=307
    )
    first = node.wire
    first.owner.received(first, ssmmp.format(made))
    node.ctx.advance(0.01)
    assert first.closed and node.wire.address == "tcp://10.0.0.8:55555"
    assert node.running.handler.status()["manager"] == "ssmmp://10.0.0.8:55555"


def test_a_manager_that_falls_silent_is_called_again(node):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    node.ctx.advance(60)
    assert len(node.ctx.wires) == 1, "this one never said that it would speak"
    node.tell("agent_health_control_request", 5, agent_network_address="10.0.0.1")
    assert node.said("agent_health_control_response").id == 5
    node.ctx.advance(14.9)
    assert len(node.ctx.wires) == 1
    node.ctx.advance(1.0)
    assert len(node.ctx.wires) == 2


def test_what_the_manager_says_wrongly_is_answered(node):
    node.connect()
    node.wire.owner.received(node.wire, b"type: dance_request\nmessage_id: 4\n\n")
    assert b"status: 501" in node.wire.written[-1]
    assert node.ctx.counters["malformed.manager"] == 1


def test_losing_the_manager_and_its_return_are_logged(node):
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    assert "registered manager=ssmmp://10.0.0.9:55555" in node.ctx.lines[-1]
    node.wire.owner.closed(node.wire, "reset")
    assert "no Manager at=ssmmp://10.0.0.9:55555: reset" in node.ctx.lines[-1]
    node.ctx.advance(0.5)
    count = len(node.ctx.lines)
    asked = node.connect()
    node.tell("initiation_response", asked.id, status=200)
    assert ["registered" in line for line in node.ctx.lines[count:]] == [True]


def test_a_manager_that_accepts_and_says_nothing_is_logged(node):
    node.connect()
    node.ctx.advance(5.1)
    assert "no answer Manager to the registration within 5 s" in node.ctx.lines[-1]
    assert node.running.handler.status()["link"] == "DISCONNECTED"
