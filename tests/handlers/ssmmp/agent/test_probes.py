"""Readiness by port."""

import asyncio
import socket

from ccproxy.testing import free_ports
from ccproxy_handlers.ssmmp.agent import probes


def test_all_ports_have_to_accept():
    with (
        socket.create_server(("127.0.0.1", 0)) as one,
        socket.create_server(("127.0.0.1", 0)) as two,
    ):
        ports = [sock.getsockname()[1] for sock in (one, two)]
        assert asyncio.run(probes.accepting("127.0.0.1", ports, lambda: True))


def test_an_instance_that_is_gone_is_not_ready():
    with socket.create_server(("127.0.0.1", 0)) as one:
        port = one.getsockname()[1]
        assert not asyncio.run(probes.accepting("127.0.0.1", [port], lambda: False))
        assert not asyncio.run(probes.accepting("127.0.0.1", [free_ports(1)[0]], lambda: False))


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
    assert asyncio.run(probes.accepting("127.0.0.1", [port], wanted))
    assert len(servers) == 1
    servers[0].close()
