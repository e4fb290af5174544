"""Other versions of libzmq, in other Pythons: they speak ZMTP 3.0, and some know no PING.

CCPROXY_OLD_PYTHONS names programs, separated by colons, that run Python with an old pyzmq.
"""

import hashlib
import json
import os
import subprocess
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("old_peer.py")
PYTHONS = [one for one in os.environ.get("CCPROXY_OLD_PYTHONS", "").split(os.pathsep) if one]
ECHO = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
peer-heartbeat = 20 ms
peer-heartbeat-timeout = 10 s
[routes]
echo = h:echo
data = h:far
[h:echo]
handler = echo
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
heartbeat = 20 ms
heartbeat-timeout = 10 s
"""
HOP = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
peer-heartbeat = 20 ms
peer-heartbeat-timeout = 10 s
[routes]
echo = h:next
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
"""
SIZES = [0, 1, 255, 256, 65536, 1 << 20]

pytestmark = pytest.mark.skipif(not PYTHONS, reason="CCPROXY_OLD_PYTHONS names no old pyzmq")


@pytest.fixture
def peer():
    """Start a job of old_peer.py."""
    running = []

    def peer(python, *words):
        program = [python, str(PROGRAM), *words]
        running.append(subprocess.Popen(program, stdout=subprocess.PIPE, text=True))
        return running[-1]

    yield peer
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("python", PYTHONS, ids=lambda one: Path(one).name)
def test_an_old_client_and_an_old_far_side(start, fill, peer, python):
    far = peer(python, "far", fill("tcp://127.0.0.1:PORT3"))
    start(ECHO, name="echo")
    start(HOP, name="hop")
    client = peer(python, "client", fill("tcp://127.0.0.1:PORT1"))
    *found, more = json.loads(client.communicate(timeout=60)[0])
    assert found[:20] == [[f"Q{number}", "", "echo.response"] for number in range(20)]
    assert found[20:40] == [["echo.response"]] * 20
    assert found[40:] == [True] * len(SIZES)
    digest = hashlib.sha256(b"".join(b"z" * size for size in SIZES)).hexdigest()
    assert json.loads(far.communicate(timeout=60)[0]) == [digest, False]
    assert not more
