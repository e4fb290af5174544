"""Processes once started: readiness, end, and the answers to the Manager about them."""

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine import (
    Kill,
    WatchPorts,
)  # fmt: skip


def test_readiness_by_port_and_by_spawn(harness):
    harness.execute("legacy", 3)
    actions = harness.do("spawned", 3, 77)
    assert [one for one in actions if isinstance(one, WatchPorts)] == [WatchPorts(3, (54003,))]
    assert harness.short(harness.do("ready", 3)) == [("execution_response", 200)]
    harness.execute("job", 4)
    assert harness.short(harness.do("spawned", 4, 78)) == [("execution_response", 200)]


def test_it_dies_at_start_or_cannot_be_started(harness):
    harness.execute()
    harness.do("spawned", 2, 77)
    assert harness.short(harness.do("exited", 2, 1)) == [("execution_response", 502)]
    harness.execute(key=3)
    assert harness.short(harness.do("unspawned", 3, "no such file")) == [
        ("execution_response", 500)
    ]
    assert not harness.agent.state.rows


def test_its_port_is_taken(harness):
    harness.execute()
    actions = harness.do("unspawned", 2, "port 54002 is taken", 423)
    assert harness.short(actions) == [("execution_response", 423)]


def test_a_manager_with_extensions_is_told_how_it_ended(harness):
    harness.welcome(208, (("x_ssmmp", "1"),))
    harness.execute()
    harness.do("spawned", 2, 77)
    (message,) = harness.messages(harness.do("exited", 2, 3, "cannot; open\x1b ~ it"))
    assert (message.status, message.extra("x_reason")) == (502, "exit status 3: cannot open it")
    harness.execute(key=3)
    (message,) = harness.messages(harness.do("unspawned", 3, "port 54003 is taken", 423))
    assert message.extra("x_reason") == "port 54003 is taken"
    harness.up(4)
    (message,) = harness.messages(harness.do("exited", 4, -9))
    assert message.extra("x_reason") == "signal 9"
    harness.welcome(208)
    harness.up(5)
    (message,) = harness.messages(harness.do("exited", 5, 1))
    assert message.extras == ()


def test_it_never_attaches(harness):
    harness.execute()
    harness.do("spawned", 2, 77)
    actions = harness.wait(26)
    assert ("execution_response", 504) in harness.short(actions)
    assert Kill(2, 77, "KILL") in actions


def test_it_dies_later(harness):
    harness.up()
    (message,) = harness.messages(harness.do("exited", 2, 0))
    assert (message.type, message.status) == ("health_control_response", 502)
    assert message.number("service_instance_id") == 2
    assert ssmmp.parse(ssmmp.format(message), ssmmp.Actor.MANAGER) == message


def test_it_ends_on_purpose(harness):
    harness.up()
    actions = harness.said(
        "c2", "service_instance_termination_info", 5, service_name="orders",
        service_instance_id=2, service_instance_network_address="fd00::1",
    )  # fmt: skip
    assert [one.type for one in harness.messages(actions)] == ["service_instance_termination_info"]
    assert harness.messages(harness.do("exited", 2, 0)) == []


def test_graceful_shutdown_is_answered_when_the_process_has_ended(harness):
    harness.up()
    passed = harness.told(
        "graceful_shutdown_request", 7, service_name="orders", service_instance_id=2
    )
    assert [one.type for one in harness.messages(passed)] == ["graceful_shutdown_request"]
    assert harness.messages(harness.said("c2", "graceful_shutdown_response", 7, status=200)) == []
    assert harness.short(harness.do("exited", 2, 0)) == [("graceful_shutdown_response", 200)]


def test_graceful_shutdown_declined_ignored_unknown(harness):
    harness.up()
    harness.told("graceful_shutdown_request", 7, service_name="x", service_instance_id=2)
    actions = harness.said("c2", "graceful_shutdown_response", 7, status=409)
    assert harness.short(actions) == [("graceful_shutdown_response", 409)]
    harness.told("graceful_shutdown_request", 8, service_name="orders", service_instance_id=2)
    actions = harness.wait(9.5)
    assert ("graceful_shutdown_response", 504) in harness.short(actions)
    actions = harness.told("graceful_shutdown_request", 9, service_name="x", service_instance_id=99)
    assert harness.short(actions) == [("graceful_shutdown_response", 404)]


def test_graceful_shutdown_without_a_control_connection(harness):
    harness.up()
    harness.do("detached", "c2")
    actions = harness.told(
        "graceful_shutdown_request", 7, service_name="orders", service_instance_id=2
    )
    assert harness.short(actions) == [("graceful_shutdown_response", 502)]
    harness.execute("legacy", 3)
    harness.do("spawned", 3, 77)
    harness.do("ready", 3)
    actions = harness.told("graceful_shutdown_request", 8, service_name="x", service_instance_id=3)
    assert Kill(3, 77, "INT") in actions
    assert harness.short(harness.do("exited", 3, 0)) == [("graceful_shutdown_response", 200)]


def test_hard_shutdown(harness):
    harness.up()
    actions = harness.told("hard_shutdown_request", 7, service_name="orders", service_instance_id=2)
    assert Kill(2, 102, "KILL") in actions and harness.messages(actions) == []
    assert harness.short(harness.do("exited", 2, -9)) == [("hard_shutdown_response", 200)]
    actions = harness.told("hard_shutdown_request", 8, service_name="orders", service_instance_id=2)
    assert harness.short(actions) == [("hard_shutdown_response", 404)]


def test_kill_grace_and_one_that_cannot_be_killed(harness):
    harness.execute("legacy", 3)
    harness.do("spawned", 3, 77)
    actions = harness.told("hard_shutdown_request", 7, service_name="legacy", service_instance_id=3)
    assert Kill(3, 77, "INT") in actions
    assert Kill(3, 77, "KILL") in harness.wait(2.1)
    assert ("hard_shutdown_response", 504) in harness.short(harness.wait(10))


def test_a_kill_before_the_process_is_there(harness):
    harness.execute()
    harness.told("hard_shutdown_request", 7, service_name="orders", service_instance_id=2)
    assert Kill(2, 77, "KILL") in harness.do("spawned", 2, 77)


def test_205_kills_everything(harness):
    harness.up()
    harness.do("unlinked")
    harness.do("linked")
    assert Kill(2, 102, "KILL") in harness.welcome(205)


def test_one_that_agreed_to_stop_and_hangs_is_sent_kill_twice(harness):
    """That it agreed to stop says nothing of whether KILL was sent again."""
    harness.up()
    harness.told("graceful_shutdown_request", 40, service_name="orders", service_instance_id=2)
    harness.said("c2", "graceful_shutdown_response", 40, status=200)
    harness.told("hard_shutdown_request", 41, service_name="orders", service_instance_id=2)
    actions = harness.wait(4.1)
    assert [one.signal for one in actions if isinstance(one, Kill)] == ["KILL"]
    assert harness.agent.state.rows[2].kills == 1
    actions = harness.wait(4.1)
    assert not [one for one in actions if isinstance(one, Kill)]
    assert ("hard_shutdown_response", 504) in harness.short(actions)
