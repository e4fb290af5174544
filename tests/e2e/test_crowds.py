"""More peers than there is room for: the silent ones go first, and links always have room."""

import json
import resource
import socket
import struct
import subprocess
from functools import partial

import pytest
import zmq

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
control = sock
handshake-timeout = 60 s
[listen:sodep]
protocol = sodep
type = calc
address = tcp://127.0.0.1:PORT2
max-peers = 40
max-peers-per-address = 25
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
reconnect = 20 ms
reconnect-max = 50 ms
"""
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]
CALL = struct.pack(">qi", 1, 1) + b"/" + struct.pack(">i", 1) + b"x" + bytes([0, 0]) + bytes(4)
CROWD = 500
DESCRIPTORS = 128


@pytest.fixture
def few(monkeypatch):
    """Servers that are new Pythons get few file descriptors."""
    limit = (DESCRIPTORS, DESCRIPTORS)
    few = partial(resource.setrlimit, resource.RLIMIT_NOFILE, limit)
    monkeypatch.setattr(subprocess, "Popen", partial(subprocess.Popen, preexec_fn=few))


def connected(ports, port, count):
    return [socket.create_connection(("127.0.0.1", ports[port]), timeout=60) for _ in range(count)]


def test_silent_connections_take_no_descriptors_from_links(few, start, make, ports, fill, until):
    there = fill("tcp://127.0.0.1:PORT3")
    far = make(zmq.ROUTER, bind=there)
    server = start(SERVER, fresh=True)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"1"])
    assert far.recv_multipart()[-1] == b"1"
    crowd = connected(ports, "PORT1", CROWD)
    server.wait_for("others wait for its file descriptor")
    found = server.status()["descriptors"]
    assert (found["limit"], found["reserved"]) == (DESCRIPTORS, DESCRIPTORS // 2)
    assert found["used"] <= DESCRIPTORS // 2 + 10
    far.unbind(there)
    far.close()
    server.wait_for("link down")
    crowd += connected(ports, "PORT1", CROWD)
    again = make(zmq.ROUTER, bind=there)
    server.wait_for_count("link up", 2)
    client.send_multipart([b"", b"data", b"2"])
    assert again.recv_multipart()[-1] == b"2"
    newcomer = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    newcomer.send_multipart(ASK)
    assert newcomer.recv_multipart()[1] == b"echo.response"
    for one in crowd:
        one.close()


def test_silent_connections_hold_half_of_max_peers(start, ports, until):
    server = start(SERVER)
    silent = connected(ports, "PORT2", 39)
    good = connected(ports, "PORT2", 1)[0]
    good.sendall(CALL)
    assert good.recv(1000)
    found = until(lambda: [one for one in server.status()["listeners"] if one["silent"] == 19])
    [sodep] = found
    assert sodep["peers"] == 20
    assert sodep["counts"] == {"accepted": 40, "silent": 20}
    for _ in range(5):
        [one] = connected(ports, "PORT2", 1)
        silent.append(one)
        one.sendall(CALL)
        assert one.recv(1000)
    [late] = connected(ports, "PORT2", 1)
    assert late.recv(1) == b""
    [sodep] = [one for one in server.status()["listeners"] if one["section"] == "listen:sodep"]
    assert sodep["counts"]["per-address"] == 1
    server.wait_for("max-peers-per-address = 25")
    text = (server.directory / "server.ini").read_text("utf-8")
    text = text.replace("max-peers-per-address = 25", "max-peers-per-address = 26")
    server.reload(text.replace("control = sock", "control = sock\nmemory = 64 MiB"))
    [again] = connected(ports, "PORT2", 1)
    again.sendall(CALL)
    assert again.recv(1000)
    again.close()
    assert server.status()["memory"]["limit"] == 64 << 20
    for one in [*silent, good, late]:
        one.close()
