"""The control link: it outlives the agent, and answers while the business logic computes."""

import threading
import time

SECONDS = 60.0


def test_the_agent_restarts(made, agent, echo):
    unit = made.unit()
    ack = agent.open(echo.port)
    unit.result(SECONDS)
    agent.drop()
    assert made.unit().result(SECONDS) == b"hello\n", "sessions go on"
    end = time.monotonic() + SECONDS
    # What it writes before it has seen the end of the connection is lost.
    while made.service.control.core.attached and time.monotonic() < end:
        time.sleep(0.001)
    echo.hang_up()
    agent.accept()
    info = agent.expect("source_service_session_close_info")
    assert info.number("source_plug_port") == ack.number("source_plug_port")


def test_health_does_not_wait_for_the_business_logic(made, agent):
    release = threading.Event()
    if hasattr(made, "loop"):
        made.loop.call_soon_threadsafe(release.wait, SECONDS)
    else:
        made.pool.submit(release.wait, SECONDS)
    made.service.health = 429
    id = agent.ask("health_control_request", service_name="orders", service_instance_id=7)
    answer = agent.expect("health_control_response")
    release.set()
    assert (answer.id, answer.status) == (id, 429)


def test_a_plug_that_waits_is_served_by_the_next_agent(made, agent, echo):
    unit = made.unit()
    agent.expect("session_request")
    agent.accept()
    assert agent.open(echo.port).status == 200
    assert unit.result(SECONDS) == b"hello\n"
