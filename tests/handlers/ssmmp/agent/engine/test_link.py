"""The link to the Manager: registration, welcomes, reconnection."""

import pytest

from ccproxy.protocols import ssmmp
from ccproxy_handlers.ssmmp.agent.engine import (
    Connect,
    Disconnect,
)  # fmt: skip
from ccproxy_handlers.ssmmp.agent.engine.link import ITEMS_PER_LINE, _lines


def test_registration(harness):
    assert harness.hello.fields == {
        "agent_network_address": "fd00::1", "service_repository": ("orders", "legacy", "job")
    }  # fmt: skip
    assert dict(harness.hello.extras) == {
        "x_ssmmp": "1", "x_node": "one", "x_running": "()", "x_sessions": "()"
    }  # fmt: skip


def test_the_manager_is_gone_for_a_minute(harness):
    harness.up()
    harness.ask(id=9)
    actions = harness.do("unlinked")
    assert ("session_response", 503) in harness.short(actions)
    assert [one.delay for one in actions if isinstance(one, Connect)] == [0.5]
    assert harness.short(harness.ask(id=10)) == [("session_response", 503)]
    waits = [
        one.delay for _ in range(8) for one in harness.do("unlinked") if isinstance(one, Connect)
    ]
    assert waits == [1, 2, 4, 8, 16, 30, 30, 30]
    assert 2 in harness.agent.state.rows
    (hello,) = harness.messages(harness.do("linked"))
    assert hello.extra("x_running") == "((orders, 2, 54002))"
    harness.welcome(208)
    assert harness.short(harness.ask(id=11)) == [("session_request", 0)]


@pytest.mark.parametrize(
    ("status", "state", "delays"),
    [(200, "REGISTERED", []), (208, "REGISTERED", []), (422, "CONNECTED", []),
     (401, "DISCONNECTED", [30]), (409, "DISCONNECTED", [30]), (503, "DISCONNECTED", [0.5]),
     (307, "DISCONNECTED", [0.0])],
)  # fmt: skip
def test_welcomes(harness, status, state, delays):
    harness.do("unlinked")
    harness.agent.link.wait = 0.5
    harness.do("linked")
    actions = harness.welcome(status, (("x_manager", "[::2]:5"),))
    assert harness.agent.state.link.state == state
    connects = [one for one in actions if isinstance(one, Connect)]
    assert [one.delay for one in connects] == delays
    assert [one.address for one in connects if status == 307] == ["[::2]:5"] * (status == 307)
    assert any(isinstance(one, Disconnect) for one in actions) == (state == "DISCONNECTED")


def test_no_welcome_in_time(harness):
    harness.do("unlinked")
    harness.do("linked")
    assert [one.delay for one in harness.wait(5.1) if isinstance(one, Connect)] == [1.0]


def test_an_empty_list_is_one_line():
    assert list(_lines("x_running", [])) == [("x_running", ssmmp.write_tuples([]))]


def test_a_long_list_goes_on_in_numbered_lines_below_the_limit():
    items = [(number, "p" * 20, 40000, "255.255.255.255", 65535, 65535) for number in range(333)]
    lines = list(_lines("x_sessions", items))
    assert [name for name, _ in lines] == [
        "x_sessions", "x_sessions_2", "x_sessions_3", "x_sessions_4",
    ]  # fmt: skip
    assert max(len(text) for _, text in lines) < ssmmp.FramingLimits().line
    told = [one for _, text in lines for one in ssmmp.tuples(text)]
    assert len(told) == len(items) and ITEMS_PER_LINE == 100
