"""The verb graph; tests/e2e/test_graph.py has it with a real server."""

import json

import pytest

from ccproxy.server.control_client import NoServer

INI = """\
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = remote
[routes]
a = h:far, h:echo
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:5001
[h:echo]
handler = echo
"""


@pytest.fixture
def gone(serving):
    """No server answers."""

    def answer(method, target):
        raise NoServer("no server answers: X")

    serving(answer)


@pytest.mark.usefixtures("gone")
def test_the_configuration_without_a_server(ini, call):
    status, out, err = call("graph", ini(INI))
    assert (status, err) == (0, "ccserver: no server answers: this is x.ini\n")
    assert out == (
        "from listener ccserver (cc tcp://127.0.0.1:5000)\n"
        "x\n"
        "  route a\n"
        "    handler h:far (proxy)\n"
        "      link h:far (tcp://127.0.0.1:5001)\n"
        "    handler h:echo (echo)\n"
    )


GROUP = """\
[ccserver]
cc-socket = tcp://127.0.0.1:5000
cc-role = remote
[routes]
a = h:both
[h:both]
handler = failover
to = h:one, h:two
[h:one]
handler = proxy
remote-cc = tcp://127.0.0.1:5001
heartbeat = 2 s
[h:two]
handler = proxy
remote-cc = tcp://127.0.0.1:5002
heartbeat = 2 s
"""


@pytest.mark.usefixtures("gone")
def test_members_of_a_configuration_stand_behind_their_group(ini, call):
    assert call("graph", ini(GROUP))[1].splitlines()[2:] == [
        "  route a",
        "    handler h:both (failover)",
        "      handler h:one (proxy)",
        "        link h:one (tcp://127.0.0.1:5001)",
        "      handler h:two (proxy)",
        "        link h:two (tcp://127.0.0.1:5002)",
    ]


@pytest.mark.usefixtures("gone")
def test_other_forms(ini, call):
    assert call("graph", ini(INI), "--format", "dot")[1].startswith("digraph ccserver {\n")
    assert call("graph", ini(INI), "--format", "mermaid")[1].startswith("flowchart LR\n")
    found = json.loads(call("graph", ini(INI), "--json")[1])
    assert [one["kind"] for one in found["nodes"]] == [
        "server", "listener", "handler", "handler", "route", "link",
    ]  # fmt: skip
    assert {one["rate"] for one in found["edges"]} == {None}


@pytest.mark.usefixtures("gone")
def test_neither_a_server_nor_a_configuration(ini, call):
    status, out, err = call("graph", ini("[ccserver]\n"))
    assert (status, out) == (78, "") and err.endswith("ccserver: no server answers: X\n")
    assert call("graph", "http://h:1")[0] == 1
