"""Two real servers with a link that proves its key, a client of libzmq, and reloads."""

import json

import pytest
import zmq.auth

from ccproxy.commands.keygen import certificates
from ccproxy.server.control_client import request

NEAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
* = h:far
[h:far]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
curve-server = ../keys/far.key
curve-secret = ../keys/near.key_secret
reconnect-max = 200 ms
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
curve-secret = ../keys/far.key_secret
curve-allow = ../keys/allowed
control = control.sock
[routes]
echo = h:echo
other = h:echo
[h:echo]
handler = echo
[allow:neighbour]
curve = KEY
send = echo.*
"""
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]


@pytest.fixture
def keys(tmp_path):
    folder = tmp_path / "keys"
    (folder / "allowed").mkdir(parents=True)
    for name in ("near", "far"):
        assert certificates(folder / name) == 0
    (folder / "near.key").rename(folder / "allowed" / "near.key")
    return folder


def test_keys_on_a_link_between_two_servers(start, keys, fill, dial, until):
    key, _ = zmq.auth.load_certificate(keys / "allowed" / "near.key")
    far_text = fill(FAR.replace("KEY", key.decode()))
    far, near = start(far_text, "far"), start(NEAR, "near")
    near.wait_for("link up link=h:far")
    wire = dial("PORT1").greet()
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"
    wire.send(b"", b"other.x", b"{}")
    far.wait_for("not allowed peer=neighbour@127.0.0.1:")
    peers = request("GET", "/v1/status/peers", (far.directory / "control.sock",), 60).value
    found = peers["items"][0]
    assert [found[one] for one in ("name", "proof", "key")] == ["neighbour", "curve", key.decode()]

    far.reload(far_text.replace("send = echo.*", "send = echo.*, other.*"))
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"
    assert near.count("link down") == 0

    (keys / "allowed" / "near.key").rename(keys / "near.key")
    far.reload(far_text)
    near.wait_for("our key is not allowed there")
    (keys / "near.key").rename(keys / "allowed" / "near.key")
    far.reload(far_text)
    near.wait_for_count("link up link=h:far", 2)
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"


def test_a_secret_that_others_can_read_and_an_exposed_listener(start, keys):
    (keys / "far.key_secret").chmod(0o640)
    text = FAR.replace("KEY", "HelloWorld" * 4).replace("127.0.0.1:PORT2", "*:PORT2")
    server = start(text, ready=False)
    assert server.process.wait(60) == 78
    server.wait_for("can be read by others (mode 640); chmod 600 ../keys/far.key_secret")


def test_an_exposed_listener_starts_with_a_warning(start):
    text = "[ccserver]\ncc-socket = tcp://0.0.0.0:PORT1\ncc-role = local\nOPEN\n[routes]\n"
    server = start(text.replace("OPEN", ""))
    server.wait_for("everybody who reaches tcp://0.0.0.0:")
    server.stop()
    server = start(text.replace("OPEN", "open = yes"), "open")
    assert not server.count("everybody")


BUS = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT3
cc-role = remote
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT1
type = bus
curve-secret = ../keys/far.key_secret
curve-allow = ../keys/allowed
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT2
curve-secret = ../keys/far.key_secret
curve-allow = ../keys/allowed
[allow:reader]
curve = KEY
subscribe = a.
"""


def test_a_bus_with_keys_on_both_sides(start, keys, ports, until, fill):
    """A subscriber gets what its section allows; one without a key gets nothing at all."""
    mine = dict(
        zip(
            ("curve_publickey", "curve_secretkey"),
            zmq.auth.load_certificate(keys / "near.key_secret"),
            strict=True,
        )
    )
    server, _ = zmq.auth.load_certificate(keys / "far.key")
    text = fill(BUS.replace("KEY", mine["curve_publickey"].decode()))
    bus = start(text)
    with zmq.Context() as context:
        publisher, reader, stranger = map(context.socket, (zmq.PUB, zmq.SUB, zmq.SUB))
        for socket, port in ((publisher, "PORT1"), (reader, "PORT2"), (stranger, "PORT2")):
            socket.linger = 0
            if socket is not stranger:
                socket.curve_serverkey = server
                for name, value in mine.items():
                    setattr(socket, name, value)
            socket.connect(f"tcp://127.0.0.1:{ports[port]}")
        for socket in (reader, stranger):
            socket.subscribe(b"a.")
            socket.subscribe(b"b")
        until(lambda: publisher.send(b"a.1") or reader.poll(5))
        for topic in (b"b", b"a.2"):
            publisher.send(topic)
        came = []
        until(lambda: came.append(reader.recv()) or came[-1] == b"a.2")
        assert set(came) == {b"a.1", b"a.2"} and not stranger.poll(0)
        reader.subscribe(b"a.x")
        bus.reload(text.replace("subscribe = a.", "subscribe = a.x"))
        until(lambda: publisher.send(b"a.x1") or reader.poll(5))
        for topic in (b"a.3", b"a.x2"):  # the publisher may not know yet that a. is not wanted
            publisher.send(topic)
        came.clear()
        until(lambda: came.append(reader.recv()) or came[-1] == b"a.x2")
        assert set(came) == {b"a.x1", b"a.x2"}
        for socket in (publisher, reader, stranger):
            socket.close()


OPERATED = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = insecure
curve-secret = ../keys/far.key_secret
[routes]
relocate.sum = h:sum
[h:sum]
handler = redirect
location = socket://127.0.0.1:PORT2
relocate-from = ccserver
[allow:near]
curve = KEY
"""


def test_commands_are_refused_without_the_right_to_operate(start, keys, ports, fill):
    public, secret = zmq.auth.load_certificate(keys / "near.key_secret")
    text = fill(OPERATED.replace("KEY", public.decode()))
    server = start(text)
    with zmq.Context() as context, context.socket(zmq.DEALER) as client:
        client.linger, client.rcvtimeo = 0, 60_000
        client.curve_publickey, client.curve_secretkey = public, secret
        client.curve_serverkey, _ = zmq.auth.load_certificate(keys / "far.key")
        client.connect(f"tcp://127.0.0.1:{ports['PORT1']}")
        client.send_multipart([b"", b"relocate.sum", b'{"req": "relocate.sum"}'])
        server.wait_for("see [allow:near]")
        server.reload(f"{text}operate = yes\n")
        client.send_multipart([b"", b"relocate.sum", b'{"req": "relocate.sum"}'])
        assert b'"location"' in client.recv_multipart()[-2]
    server.stop()
    assert server.ledger()["refused"] == 1
