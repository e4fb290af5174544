"""Whether a program can be started, and with which command."""

import pytest

from ccproxy_handlers.ssmmp.agent.engine import (
    Spawn,
)  # fmt: skip


def test_start_of_a_program(harness):
    (spawn,) = [one for one in harness.execute() if isinstance(one, Spawn)]
    assert spawn.command == ("orders", "--port", "54002", "--id", "2")
    assert dict(spawn.env) == {
        "WHO": "orders", "SSMMP_AGENT": "127.0.0.1:5", "SSMMP_SERVICE_NAME": "orders",
        "SSMMP_INSTANCE_ID": "2", "SSMMP_ADDRESS": "fd00::1", "SSMMP_TOKEN": "secret",
        "SSMMP_SOCKETS": "((orders_api, 54002))", "SSMMP_PLUGS": "((store_client, store))",
    }  # fmt: skip
    assert harness.short(harness.do("spawned", 2, 77)) == []
    assert harness.short(harness.attach()) == [
        ("instance_hello_response", 200), ("execution_response", 200)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"address": "fd00::9"}, 412), ({"program": "nothing"}, 404),
        ({"sockets": [("other", 54009)]}, 422), ({"plugs": []}, 422),
        ({"plugs": [("store_client", "a"), ("more", "b")]}, 422), ({"key": 1}, 409),
        ({"sockets": [("orders_api", 54001)]}, 423),
    ],
)  # fmt: skip
def test_refusals_of_a_start(harness, change, status):
    harness.up(1)
    assert harness.short(harness.execute(**{"id": 5, **change})) == [("execution_response", status)]


def test_a_repeated_start_is_quiet(harness):
    harness.execute()
    assert harness.short(harness.execute()) == []


def test_full(harness, make_harness):
    harness.execute("job", 1)
    assert harness.short(harness.execute("job", 2)) == [("execution_response", 429)]
    crowded = make_harness(most=1)
    crowded.up(1)
    assert crowded.short(crowded.execute(key=2)) == [("execution_response", 429)]
