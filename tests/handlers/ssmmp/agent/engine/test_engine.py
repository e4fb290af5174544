"""The engine as a whole: restart, reload, and messages that no part takes."""

from ccproxy_handlers.ssmmp.agent.engine import (
    Count,
    Engine,
    Identity,
    Kill,
)  # fmt: skip
from ccproxy_handlers.ssmmp.agent.engine.rows import JOURNAL


def test_a_restarted_agent_takes_its_processes_up(harness):
    harness.up(2)
    harness.up(3)
    harness.ask()
    harness.offer()
    harness.ack()
    records = [JOURNAL.from_text(*JOURNAL.to_text(one)) for one in harness.journal]
    assert records == harness.journal
    harness.agent = Engine.restore(records, Identity("fd00::1"), harness.programs)
    actions = harness.do("resume", [2])
    assert not [one for one in actions if isinstance(one, Kill)]
    (hello,) = harness.messages(harness.do("linked"))
    assert hello.extra("x_running") == "((orders, 2, 54002))"
    assert hello.extra("x_sessions") == "((2, store_client, 40000, fd00::2, 54009, 54009))"
    harness.welcome(208)
    assert harness.short(harness.attach()) == [("instance_hello_response", 200)]


def test_a_new_repository_is_told_at_once(harness, parse_repository):
    (hello,) = harness.messages(harness.do("reload", parse_repository("[program job]\nexec = job")))
    assert hello.items("service_repository") == ("job",)
    assert harness.welcome(208) is not None and harness.agent.state.link.state == "REGISTERED"


def test_strangers_and_the_unexpected(harness):
    assert harness.short(harness.ask()) == [("session_response", 403)]
    harness.up()
    for actions in (
        harness.offer(77),
        harness.said("c2", "graceful_shutdown_response", 5, status=200),
        harness.said(
            "c2", "service_instance_health_response", 5, service_instance_id=2, status=200
        ),
    ):  # fmt: skip
        assert harness.messages(actions) == []
        assert any(isinstance(one, Count) for one in actions)


def test_nothing_is_done_before_the_welcome(harness):
    harness.do("unlinked")
    harness.do("linked")
    assert harness.execute() == [Count("early.execution_request")]


def test_health_on_request_and_of_the_agent(harness):
    harness.up()
    harness.told("service_instance_health_request", 7, service_instance_id=2,
               service_instance_network_address="fd00::1")  # fmt: skip
    actions = harness.said(
        "c2", "service_instance_health_response", 7, service_instance_id=2, status=215
    )
    assert harness.short(actions) == [("service_instance_health_response", 215)]
    actions = harness.told("agent_health_control_request", 8, agent_network_address="fd00::1")
    assert harness.short(actions) == [("agent_health_control_response", 200)]
