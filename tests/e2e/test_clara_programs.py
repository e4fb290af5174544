"""Programs of contrib/clara at one server, proxy and registrar of all: many services, a crash."""

import sys
from contextlib import suppress
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = [str(ROOT / "contrib" / "clara"), str(ROOT / "tests" / "contrib")]
sys.path[:0] = PLACES
from names import DpeName  # noqa: E402
from orchestrator import Orchestrator  # noqa: E402
from service import Dpe  # noqa: E402
from xmsg import TEXT  # noqa: E402
from xmsg_servers import HOST, free_block, served  # noqa: E402

del sys.path[: len(PLACES)]

DPES, SERVICES = 8, 10
"""Proxies, and services of each."""
PROXY = """
[h:proxy{port}]
handler = xmsg-proxy
address = tcp://{host}:{port}
"""
REGISTRAR = """
[h:registrar]
handler = xmsg-registrar
address = tcp://{host}:{port}
state = records.db
"""


def configuration(names):
    """A server that is the proxy of all DPEs, and the registrar of the first."""
    proxies = [PROXY.format(host=one.host, port=one.port) for one in names]
    registrar = REGISTRAR.format(host=HOST, port=names[0].port + 4)
    return "".join(["[ccserver]\ncc-role = local\n", *proxies, registrar])


def running(names):
    """The DPEs of these names, the first of which is the front-end."""
    return served(*(Dpe(one, names[0]) for one in names), period=0.2)


@pytest.fixture
def names():
    found = set()
    while len(found) < DPES:
        port = free_block()
        if all(abs(port - other) > 4 for other in found):
            found.add(port)
    return [DpeName(HOST, port) for port in found]


@pytest.mark.slow
def test_services_of_many_dpes(start, names):
    server = start(configuration(names))
    with running(names), Orchestrator(names[0]) as orchestrator:
        assert orchestrator.dpes() == sorted(names)
        services = [
            orchestrator.deploy(name, f"c{number % 3}", f"E{number}", "Upper")
            for number in range(SERVICES)
            for name in names
        ]
        assert orchestrator.services() == sorted(services)
        for one in services:
            assert orchestrator.ask(one, TEXT, b"abc").data == b"ABC"
        chain = services[:: len(services) // 10]
        orchestrator.set_reports(chain[-1], "Data", 1)
        reports = orchestrator.watch(f"data:{chain[-1]}")
        for number in range(20):
            orchestrator.send("+".join(chain) + ";", TEXT, b"event %d" % number)
        found = {reports.receive(60).data for _ in range(20)}
        assert found == {b"EVENT %d" % number for number in range(20)}
        alive = orchestrator.watch("dpeAlive:")
        seen = set()
        while len(seen) < DPES:
            seen.add(alive.receive(60).topic)
    assert server.stop() == 0


def test_programs_go_on_after_a_crash_of_the_server(start, names):
    del names[1:]
    text = configuration(names)
    server = start(text)
    with running(names), Orchestrator(names[0]) as orchestrator:
        upper = orchestrator.deploy(names[0], "text", "Upper", "Upper")
        assert orchestrator.ask(upper, TEXT, b"before").data == b"BEFORE"
        server.kill()
        start(text)
        assert ask_again(orchestrator, upper, b"after") == b"AFTER"
        assert orchestrator.dpes() == names
        assert orchestrator.services() == [upper]


def ask_again(orchestrator, service, data):
    """What is published before the subscribers are back is lost, with every proxy of xMsg."""
    for _ in range(5):
        with suppress(TimeoutError):
            return orchestrator.ask(service, TEXT, data).data
    return None
