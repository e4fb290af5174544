"""A large call through a real server: others are served meanwhile; memory and stop have bounds."""

import importlib.util
import os
from contextlib import closing
from pathlib import Path

import pytest

from ccproxy.testing import running_server

BENCH = Path(__file__).parents[3] / "contrib" / "bench" / "large_calls.py"
_spec = importlib.util.spec_from_file_location("large_calls", BENCH)
large_calls = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(large_calls)


@pytest.mark.parametrize("pair", ["http-sodep", "sodep-jsonrpc"])
def test_small_calls_are_answered_while_a_large_one_is_converted(pair):
    """Before, a call of this size kept the loop for seconds: hardly one of them was answered."""
    caller, service = pair.split("-")
    text = f'{{"v":{large_calls.SHAPES["lists"](1_000_000)}}}'
    with (
        large_calls.started(service) as port,
        running_server(
            large_calls.INI.format(caller=caller, service=service, port=port), 60
        ) as server,
    ):
        figures = large_calls.measured(server, caller, text)
        assert server.stop(60) == 0
    assert len(figures.waits) > 40
    # Sodep takes six times the bytes that JSON has for arrays of one small number.
    assert figures.memory < 30 * len(text)


def unread(sock):
    """Bytes that the kernel has of this connection and the server has not read."""
    ends = [sock.getsockname()[1], sock.getpeername()[1]]
    found = 0
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(fields[place].partition(":")[2], 16) for place in (1, 2)]
        waiting = [int(size, 16) for size in fields[4].split(":")]
        found += waiting[0] * (ports == ends) + waiting[1] * (ports == ends[::-1])
    return found


def test_a_server_that_is_stopped_answers_the_call_it_converts():
    text = f'{{"v":{large_calls.SHAPES["lists"](1_000_000)}}}'
    with (
        large_calls.started("sodep") as port,
        running_server(
            large_calls.INI.format(caller="http", service="sodep", port=port), 60
        ) as server,
        closing(large_calls.Connection("http", server.ports["PORT2"])) as client,
    ):
        client.sock.sendall(client.request(text))
        while unread(client.sock):
            os.sched_yield()
        server.process.terminate()
        answer = client.answer()
        assert answer.startswith((b'{"v":[[1]', b'{"error":'))
        assert server.stop(60) == 0
