"""Services in both flavours: accepted sessions, and the end of the service."""

import socket
import threading
import time
from contextlib import suppress

import pytest

from ccproxy.service import Service

SECONDS = 60.0


def port_of(made):
    return made.service.configuration.port("orders_api")


def test_accepted_sessions(made, agent):
    made.serve()
    with socket.create_connection(("127.0.0.1", port_of(made)), SECONDS) as user:
        user.sendall(b"one")
        assert user.recv(100) == b"one"
        port = user.getsockname()[1]
    info = agent.expect("dest_service_session_close_info")
    assert (info.number("source_plug_port"), info.status) == (port, 111)


def test_accepted_sessions_are_closed_on_request(made, agent):
    made.serve()
    with socket.create_connection(("127.0.0.1", port_of(made)), SECONDS) as user:
        user.sendall(b"one")
        assert user.recv(100) == b"one"
        id = agent.ask(
            "dest_service_session_close_request", dest_service_name="orders",
            dest_service_instance_id=7, dest_service_instance_network_address="127.0.0.1",
            source_service_instance_network_address="127.0.0.1", source_plug_name="p",
            source_plug_port=user.getsockname()[1], dest_socket_name="orders_api",
            dest_socket_port=port_of(made), dest_socket_new_port=port_of(made),
        )  # fmt: skip
        answer = agent.expect("dest_service_session_close_response")
        assert (answer.id, answer.status) == (id, 200)
        assert user.recv(100) == b""


def test_graceful_shutdown(flavour, agent, echo):
    made = flavour(agent.configuration)
    agent.accept()
    made.serve()
    unit = made.unit()
    agent.open(echo.port)
    unit.result(SECONDS)
    user = socket.create_connection(("127.0.0.1", port_of(made)), SECONDS)
    user.sendall(b"one")
    assert user.recv(100) == b"one"
    id = agent.ask("graceful_shutdown_request", service_name="orders", service_instance_id=7)
    end = time.monotonic() + SECONDS
    while not made.service.stopping and time.monotonic() < end:
        time.sleep(0.002)
    assert made.service.stopping
    made.stop()
    assert user.recv(100) == b""
    user.close()
    for type in ("dest_service_session_close_info", "source_service_session_close_info"):
        agent.expect(type)
    answer = agent.expect("graceful_shutdown_response")
    assert (answer.id, answer.status) == (id, 200)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port_of(made)), SECONDS)


def test_sessions_that_are_accepted_while_the_service_closes_end_as_the_others(flavour, agent):
    made = flavour(agent.configuration)
    agent.accept()
    made.serve()
    address = ("127.0.0.1", port_of(made))
    users = [socket.create_connection(address, SECONDS)]

    def come():
        with suppress(ConnectionError):
            while True:
                users.append(socket.create_connection(address, SECONDS))

    coming = threading.Thread(target=come)
    coming.start()
    made.stop()
    coming.join()
    for user in users:
        with user, suppress(ConnectionResetError):  # only the kernel had accepted it
            assert user.recv(100) == b""
    assert not [one.name for one in threading.enumerate() if one.name.startswith("session")]


def test_a_service_that_ends_by_itself_says_so(agent):
    with Service(agent.configuration):
        agent.accept()
    assert agent.expect("service_instance_termination_info").number("service_instance_id") == 7
