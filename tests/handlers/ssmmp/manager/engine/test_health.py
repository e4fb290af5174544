import pytest

from ccproxy_handlers.ssmmp.manager import ManagerSettings


def report(talk, status, key=1, peer="a", name="web"):
    return talk.say(
        peer,
        f"health_control_response 5 service_name={name} service_instance_id={key} status={status}",
    )


@pytest.mark.parametrize("status", [500, 504])
def test_repeated_failures_end_an_instance(talk, status):
    report(talk, status)
    report(talk, status)
    assert talk.row(1).state == "RUNNING"
    lines = report(talk, status)
    assert talk.row(1).state == "FAILED"
    assert any(" hard_shutdown_request " in line for line in lines)


def test_a_recovery_forgives(talk):
    for status in (500, 500, 200, 500, 500):
        report(talk, status)
    assert talk.row(1).state == "RUNNING"
    assert any(one.what == "recovered" for one in talk.notices)


def test_a_report_for_the_instance_of_another(talk):
    report(talk, 502, peer="b")
    assert talk.row(1).state == "RUNNING" and "foreign.health" in talk.counts


def test_a_report_for_one_that_has_ended(talk):
    report(talk, 502)
    report(talk, 500)
    assert "late.health" in talk.counts


@pytest.fixture
def watched(make_talk):
    talk = make_talk(settings=ManagerSettings())
    talk.manager.health.next_probe = 0.0
    talk.start()
    talk.ready(talk.register("a", "fd00::1", "web", "x_ssmmp=1"))
    return talk


def test_probes_go_to_agents_that_announced_extensions(watched):
    watched.register("b", "fd00::2", "orders")
    lines = watched.wait(60)
    assert [line.split()[0] for line in lines] == ["a"] * 3  # it answered none of them
    assert all("agent_health_control_request" in line for line in lines)


def test_silence_means_something_only_after_an_answer(watched):
    watched.wait(60)
    assert watched.manager.state.store.agents["fd00::1"].state == "REGISTERED"
    watched.say("a", "agent_health_control_response 9 agent_network_address=fd00::1 status=200")
    watched.wait(16)
    assert watched.manager.state.store.agents["fd00::1"].state == "SUSPECT"
    assert watched.closed == ["a"]


def test_a_client_could_not_connect_so_the_agent_is_asked(watched):
    watched.register("b", "fd00::2", "orders", "x_ssmmp=1")
    watched.ready(watched.ask("a", 1, 9, "orders_client orders orders_api"))
    lines = watched.say("a", "session_ack 9 status=502 source_plug_port=0 dest_socket_new_port=0")
    (line,) = [one for one in lines if "service_instance_health_request" in one]
    assert line.split()[0] == "b" and "service_instance_id=2" in line
    watched.say("b", "service_instance_health_response 5 service_instance_id=2 status=502")
    assert watched.row(2).state == "FAILED"
