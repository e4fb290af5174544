"""Publish/subscribe with other libraries than the libzmq of this Python, as both ends at once.

CCPROXY_OLD_PYTHONS names Pythons with an old pyzmq, NODE_PATH the place of zeromq for node,
CCPROXY_JEROMQ the file of JeroMQ; what is missing is skipped.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
import zmq

HERE = Path(__file__).parent / "pubsub"
ROOT = Path(__file__).parents[2]
OLD = [one for one in os.environ.get("CCPROXY_OLD_PYTHONS", "").split(os.pathsep) if one]
JEROMQ = os.environ.get("CCPROXY_JEROMQ", "/usr/share/java/jeromq.jar")
NODE_PATHS = [os.environ.get("NODE_PATH", ""), str(ROOT / ".venv" / "node" / "node_modules")]
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT2
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT3
"""


def old_pyzmq():
    if not OLD:
        pytest.skip("CCPROXY_OLD_PYTHONS names no old pyzmq")
    return [OLD[0], str(HERE / "peer.py")]


def node():
    if shutil.which("node") is None:
        pytest.skip("no node here")
    found = subprocess.run(["node", "-e", "require('zeromq')"], env=environment(), timeout=60)
    if found.returncode:
        pytest.skip("node has no module zeromq; NODE_PATH says where it is")
    return ["node", str(HERE / "peer.js")]


def jeromq():
    if shutil.which("javac") is None or not Path(JEROMQ).is_file():
        pytest.skip("no JDK here, or no JeroMQ; CCPROXY_JEROMQ says where it is")
    return ["java", "-cp", JEROMQ, str(HERE / "Peer.java")]


def environment():
    return {**os.environ, "NODE_PATH": os.pathsep.join(filter(None, NODE_PATHS))}


@pytest.mark.parametrize("library", [old_pyzmq, node, jeromq])
def test_messages_and_subscriptions_pass_both_ways(library, start, fill, make):
    program = library()
    start(INI)
    up, down = fill("tcp://127.0.0.1:PORT2"), fill("tcp://127.0.0.1:PORT3")
    subscriber, publisher = make(zmq.SUB, connect=down), make(zmq.XPUB, connect=up)
    subscriber.subscribe(b"from-")
    process = subprocess.Popen(
        [*program, up, down], env=environment(), stdout=subprocess.PIPE, text=True
    )
    try:
        wanted = {publisher.recv(), publisher.recv()}
        assert wanted == {b"\1from-", b"\1to-peer"}
        topic, empty, body = subscriber.recv_multipart()
        assert (topic, empty, len(body)) == (b"from-peer", b"", 300)
        publisher.send_multipart([b"to-nobody", b""])
        publisher.send_multipart([b"to-peer", b"", b"y" * 70_000, b"stop"])
        assert process.communicate(timeout=60) == ("7 0 70000 4\n", None)
        assert publisher.recv() == b"\0to-peer"  # it has left
    finally:
        process.kill()
        process.communicate()
