"""Where a server listens and connects: IPv6, host names, every interface, paths; many listeners."""

import json
import re
import signal
import socket

import pytest
import zmq

REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"echo.request", json.dumps(REQUEST).encode(), b""]
ECHO = """
[ccserver]
cc-socket = {}
cc-role = remote
[routes]
echo = h:echo
[h:echo]
handler = echo
"""
PROXY = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
echo = h:next
[h:next]
handler = proxy
remote-cc = {}
reconnect-max = 100 ms
"""


def ask(client):
    client.send_multipart(ASK)
    assert client.recv_multipart()[0] == b"echo.response"


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


IPV6 = pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this host")


@pytest.mark.parametrize(
    ("listens", "reached_at"),
    [
        ("tcp://127.0.0.1:PORT2", "tcp://127.0.0.1:PORT2"),
        ("tcp://localhost:PORT2", "tcp://localhost:PORT2"),
        ("tcp://0.0.0.0:PORT2", "tcp://127.0.0.1:PORT2"),
        ("tcp://*:PORT2", "tcp://127.0.0.1:PORT2"),
        pytest.param("tcp://*:PORT2", "tcp://[::1]:PORT2", marks=IPV6),
        pytest.param("tcp://[::1]:PORT2", "tcp://[::1]:PORT2", marks=IPV6),
        pytest.param("tcp://[::]:PORT2", "tcp://[::1]:PORT2", marks=IPV6),
        ("ipc://%(config_dir)s/echo.sock", "ipc://DIRECTORY/echo.sock"),
        ("ipc://@ccproxy-PORT2", "ipc://@ccproxy-PORT2"),
    ],
)
def test_by_clients_and_by_links(start, make, fill, tmp_path, listens, reached_at):
    start(ECHO.format(listens), name="echo")
    reached_at = fill(reached_at).replace("DIRECTORY", str(tmp_path / "echo"))
    start(PROXY.format(reached_at), name="proxy")
    ask(make(zmq.REQ, connect=reached_at, ipv6=1))
    ask(make(zmq.REQ, connect=fill("tcp://127.0.0.1:PORT1")))


def test_a_port_chosen_by_the_system_is_said(start, make, until):
    more = "".join(
        f"[listen:{n}]\nprotocol = cc\naddress = tcp://127.0.0.1:*\n" for n in ("two", "three")
    )
    server = start(ECHO.format("tcp://127.0.0.1:0") + more)
    lines = [line for line in server.lines if "listening name=" in line]
    found = [re.search(r"address=(tcp://127\.0\.0\.1:[1-9]\d*)$", line) for line in lines]
    addresses = {match[1] for match in found if match}
    assert len(addresses) == 3
    for address in addresses:
        ask(make(zmq.REQ, connect=address))
    before = server.descriptors
    server.process.send_signal(signal.SIGHUP)
    server.wait_for("reloaded: ")
    until(lambda: server.descriptors <= before)  # a thread may have a file for a moment


def test_a_name_that_resolves_to_nothing_is_tried_again(start, make, fill):
    for name in ("does-not-exist.invalid", f"{'x' * 64}.invalid", f"{'y.' * 130}invalid"):
        server = start(PROXY.format(f"tcp://{name}:5000"))
        server.wait_for("no connection link=h:next")
        fills = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
        fills.send_multipart([b"", *ASK])
        server.stop()


SEVERAL = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[listen:second]
protocol = cc
address = tcp://127.0.0.1:PORT2
identity-conflict = handover
[listen:third]
protocol = cc
address = ipc://%(config_dir)s/third.sock
identity-conflict = handover
[routes]
echo = h:echo
data = h:next
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""


def test_listeners_share_one_space_of_identities(start, make, fill, tmp_path):
    """A reply finds its peer by identity, whichever address it has connected to."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    server = start(SEVERAL)
    addresses = [
        fill("tcp://127.0.0.1:PORT1"),
        fill("tcp://127.0.0.1:PORT2"),
        f"ipc://{tmp_path}/server/third.sock",
    ]
    clients = [make(zmq.DEALER, connect=address) for address in addresses for _ in range(5)]
    for number, client in enumerate(clients):
        client.send_multipart([b"", b"data", b"%d" % number])
    received = [far.recv_multipart() for _ in clients]
    assert len({frames[1] for frames in received}) == len(clients)
    for frames in reversed(received):
        far.send_multipart(frames)
    for number, client in enumerate(clients):
        assert client.recv_multipart() == [b"", b"data", b"%d" % number]
    server.stop()
    assert server.ledger() == {"received": 30, "forwarded": 15, "replied": 15}


def test_an_identity_is_unique_across_listeners(start, dial):
    server = start(SEVERAL)
    first = dial("PORT2", identity=b"me").greet()
    assert dial("PORT1", identity=b"me").greet().closed()
    server.wait_for("identity b'me' is connected already")
    first.send(b"", *ASK)
    assert first.message()[1] == b"echo.response"


def test_an_identity_is_handed_over_across_listeners(start, dial):
    start(SEVERAL)
    first = dial("PORT1", identity=b"me").greet()
    second = dial("PORT2", identity=b"me").greet()
    second.send(b"", *ASK)
    assert second.message()[1] == b"echo.response"
    assert first.closed()


@pytest.mark.parametrize("identity", [b"a", b"me and you", b"\xff" * 255])
def test_own_identities_are_what_the_far_side_sees(start, make, fill, identity):
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    start(SEVERAL)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), identity=identity)
    client.send_multipart([b"", b"data"])
    assert far.recv_multipart()[1:] == [identity, b"", b"data"]
