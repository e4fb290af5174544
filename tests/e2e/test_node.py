"""Another language's library: node's zeromq as client and as far side, over up to three servers."""

import json
import os
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest
import zmq

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
HOP = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT{here}
cc-role = remote
[routes]
echo = h:next
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT{there}
reconnect-max = 100 ms
"""
ECHO = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT{here}
cc-role = remote
[routes]
echo = h:echo
[h:echo]
handler = echo
"""


def _environment():
    """Where the module is: as `.ci/run` says, or as it installs it by default."""
    places = [os.environ.get("NODE_PATH", ""), str(ROOT / ".venv" / "node" / "node_modules")]
    return {**os.environ, "NODE_PATH": os.pathsep.join(filter(None, places))}


def _missing():
    node = shutil.which("node")
    if node is None:
        return "no node here"
    probe = [node, "-e", "require('zeromq')"]
    found = subprocess.run(probe, env=_environment(), capture_output=True, timeout=60)
    return "node has no module zeromq; NODE_PATH says where it is" if found.returncode else ""


MISSING = _missing()
pytestmark = pytest.mark.skipif(bool(MISSING), reason=MISSING or "node is here")


@pytest.fixture
def node():
    """Start a job of client.js; `result` waits for it."""
    running = []

    def node(*words):
        program = ["node", str(HERE / "client.js"), *map(str, words)]
        running.append(
            subprocess.Popen(
                program,
                env=_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        )
        return running[-1]

    yield node
    for process in running:
        process.kill()
        process.communicate()


def result(process):
    """What a job found; a far side ends when its stdin does, so this comes last for it."""
    said, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    return json.loads(said)


@pytest.mark.parametrize("hops", [1, 2, 3])
def test_clients_over_hops(start, fill, node, hops):
    start(ECHO.format(here=hops), name="echo")
    for number in range(hops - 1, 0, -1):
        start(HOP.format(here=number, there=number + 1), name=f"hop{number}")
    address = fill("tcp://127.0.0.1:PORT1")
    dealer, request = node("dealer", address, 1), node("request", address)
    expected = [[f"Q{n}", "x", "", "echo.response", "here"] for n in range(20)]
    assert result(dealer) == expected
    assert result(request) == ["echo.response"] * 20


def test_fan_out_gives_two_replies(start, fill, node):
    start(ECHO.format(here=2), name="one")
    start(ECHO.format(here=3), name="two")
    both = HOP.format(here=1, there=2).replace("echo = h:next", "echo = h:next, h:other")
    start(both + "[h:other]\nhandler = proxy\nremote-cc = tcp://127.0.0.1:PORT3\n")
    found = result(node("dealer", fill("tcp://127.0.0.1:PORT1"), 2))
    assert Counter(one[0] for one in found) == {f"Q{n}": 2 for n in range(20)}


@pytest.mark.parametrize("hops", [1, 3])
def test_bodies_both_ways(start, fill, node, hops):
    """From node, over our servers, to a far side of node and back."""
    sizes = [0, 1, 255, 256, 65_536, 1 << 20, 60_000_000]
    far = node("router", fill(f"tcp://127.0.0.1:PORT{hops + 1}"), len(sizes))
    for number in range(hops, 0, -1):
        start(HOP.format(here=number, there=number + 1), name=f"hop{number}")
    assert result(node("bodies", fill("tcp://127.0.0.1:PORT1"), *sizes)) == [True] * len(sizes)
    assert result(far) > sum(sizes)


def test_a_reply_socket_as_far_side(start, fill, node, make):
    far = node("reply", fill("tcp://127.0.0.1:PORT2"), 10)
    start(HOP.format(here=1, there=2))
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    for number in range(10):
        client.send_multipart([b"Q%d" % number, b"", b"data.question"])
        assert client.recv_multipart() == [b"Q%d" % number, b"", b"answer", b"data.question"]
    assert result(far) == "done"
