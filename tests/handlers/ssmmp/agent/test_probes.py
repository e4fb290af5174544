"""Readiness by port."""

import asyncio
import socket

import pytest

from ccproxy.testing import free_ports
from ccproxy_handlers.ssmmp.agent import probes


async def own(port):
    return True


def questions(wanted=True):
    return probes.PortQuestions(lambda: wanted, own)


def test_all_ports_have_to_accept():
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [sock.getsockname()[1] for sock in (one, two)]
        assert asyncio.run(probes.accepting("127.0.0.1", ports, questions()))


def test_an_instance_that_is_gone_is_not_ready():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        assert not asyncio.run(probes.accepting("127.0.0.1", [port], questions(wanted=False)))
        assert not asyncio.run(
            probes.accepting("127.0.0.1", [free_ports(1)[0]], questions(wanted=False))
        )


def test_a_port_may_open_later():
    port = free_ports(1)[0]
    servers = []

    def wanted():
        """The instance goes on; it opens its port when it is asked the second time."""
        asked.append(1)
        if len(asked) == 2:
            servers.append(socket.create_server(("127.0.0.1", port)))
        return True

    asked = []
    ask = probes.PortQuestions(wanted, own)
    assert asyncio.run(probes.accepting("127.0.0.1", [port], ask))
    assert len(servers) == 1
    servers[0].close()


def test_the_listener_of_another_program_is_no_sign_of_readiness():
    owners = iter([False, False, True])
    asked = []

    async def owned(port):
        asked.append(port)
        return next(owners)

    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        ask = probes.PortQuestions(lambda: True, owned)
        assert asyncio.run(probes.accepting("127.0.0.1", [port], ask))
    assert asked == [port] * 3


def test_a_port_that_another_socket_has_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        with pytest.raises(probes.PortTaken, match=f"port {port} of 127.0.0.1 is taken"):
            asyncio.run(probes.require_free("127.0.0.1", [free_ports(1)[0], port]))
    asyncio.run(probes.require_free("127.0.0.1", [port]))


def test_addresses_of_other_machines_are_not_looked_at():
    asyncio.run(probes.require_free("192.0.2.1", [80]))
    asyncio.run(probes.require_free("2001:db8::1", [80]))
