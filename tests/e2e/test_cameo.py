"""The section `cameo-proxy`: kills, reloads, crowds, peers of ZMTP 3.0 and 3.1, two sites."""

import itertools
import resource
import subprocess
import sys
import time

import pytest
import zmq

from ccproxy import cli
from ccproxy.wire.zmtp import greeting

SECONDS = 60
ECHO = b"responder-676e576d-6102-42d8-ae24-222a7000dfa0-echo:1"
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
control = %(config_dir)s/control

[routes]

[h:cameo]
handler = cameo-proxy
responder = tcp://127.0.0.1:PORT2
publisher = tcp://127.0.0.1:PORT3
internal = tcp://127.0.0.1:PORT4
"""


def answer(responder):
    """Send back the requests that wait."""
    while responder.poll(0):
        responder.send_multipart(responder.recv_multipart())


def asked(client, responder, address=ECHO, number=0):
    """Ask until an answer comes, as what finds no peer is dropped in silence; how often. It is the
    answer of the last request, so that none is under way."""
    end = time.monotonic() + SECONDS
    for tries in itertools.count(1):
        request = [b"", address, b"", b"%d" % number, b"%d" % tries]
        client.send_multipart(request)
        limit = time.monotonic() + 0.5 * tries
        while time.monotonic() < limit:
            answer(responder)
            if client.poll(10) and client.recv_multipart() == request:
                return tries
        assert time.monotonic() < end
    raise AssertionError


def test_peers_come_back_by_themselves_after_a_kill(start, make, ports):
    server = start(INI)
    where = f"tcp://127.0.0.1:{ports['PORT2']}"
    responder = make(zmq.ROUTER, where, identity=ECHO)
    clients = [make(zmq.DEALER, where) for _ in range(8)]
    for client in clients:
        asked(client, responder)
    for round in range(2):
        for client in clients:
            for number in range(16):
                client.send_multipart([b"", ECHO, b"", b"old %d" % number])
        server.kill()
        server = start(INI, f"again{round}")
        for number, client in enumerate(clients):
            while client.poll(0):
                client.recv()
            found = None
            end = time.monotonic() + SECONDS
            while found != [b"", ECHO, b"", b"new %d" % number]:
                client.send_multipart([b"", ECHO, b"", b"new %d" % number])
                answer(responder)
                if client.poll(50):
                    found = client.recv_multipart()
                    assert found[3].startswith((b"old", b"new %d" % number))
                assert time.monotonic() < end
        assert server.facts("h:cameo")[ECHO.decode()]["connections"] == 1


def test_publications_go_on_after_a_kill(start, make, ports):
    server = start(INI)
    pub = make(zmq.PUB, f"tcp://127.0.0.1:{ports['PORT4']}")
    sub = make(zmq.SUB, f"tcp://127.0.0.1:{ports['PORT3']}")
    sub.subscribe("status")
    for round in range(3):
        end, found = time.monotonic() + SECONDS, -1
        while found != round:
            pub.send_multipart([b"status", b"%d" % round])
            while sub.poll(20):
                topic, text = sub.recv_multipart()
                assert topic == b"status" and found <= int(text) <= round
                found = int(text)
            assert time.monotonic() < end
        server.kill()
        server = start(INI)


def test_a_reload_of_something_else_keeps_all_peers(start, make, ports, fill):
    server = start(INI)
    where = f"tcp://127.0.0.1:{ports['PORT2']}"
    responder, client = make(zmq.ROUTER, where, identity=ECHO), make(zmq.DEALER, where)
    asked(client, responder)
    text = INI.replace("[routes]", "[routes]\necho = h:other") + "\n[h:other]\nhandler = echo\n"
    server.reload(fill(text))
    client.send_multipart([b"", ECHO, b"", b"1"])
    responder.send_multipart(responder.recv_multipart())
    assert client.recv_multipart() == [b"", ECHO, b"", b"1"]
    assert server.facts("h:cameo")[ECHO.decode()]["connections"] == 1


@pytest.mark.parametrize("minor", [0, 1])
def test_peers_of_zmtp_3_0_and_3_1(start, dial, minor, monkeypatch, until):
    monkeypatch.setattr(greeting, "MINOR", minor)
    server = start(INI)
    responder = dial("PORT2", b"ROUTER", ECHO)
    client = dial("PORT2", b"REQ")
    subscriber, publisher = dial("PORT3", b"SUB"), dial("PORT4", b"PUB")
    for wire in (responder, client, subscriber, publisher):
        wire.greet()
    until(lambda: server.facts("h:cameo")["peers"] == 2)
    client.send(b"", ECHO, b"", b"1", b"", b"2")
    first, sender, *rest = responder.message()
    assert (first, rest, len(sender), sender[0]) == (b"", [b"", b"1", b"", b"2"], 5, 0)
    responder.send(b"x", sender, b"x", b"3")
    assert client.message() == [b"", ECHO, b"", b"3"]
    if minor:
        subscriber.sock.sendall(b"\4\20\11SUBSCRIBEstatus")
    else:
        subscriber.send(b"\1status")
    assert publisher.message() == [b"\1status"]
    publisher.send(b"status", b"event")
    assert subscriber.message() == [b"status", b"event"]


PEERS = 10_000
CROWD = f"""import socket, sys
ready = b"\\5READY\\x0bSocket-Type\\0\\0\\0\\6DEALER\\x08Identity\\0\\0\\0\\0"
opening = b"\\xff" + bytes(8) + b"\\x7f\\3\\0NULL" + bytes(48) + bytes((4, len(ready))) + ready
peers = []
for _ in range({PEERS}):
    peers.append(socket.create_connection(("127.0.0.1", int(sys.argv[1])), {SECONDS}))
    peers[-1].sendall(opening)
print("connected", flush=True)
sys.stdin.read()"""
"""Connects peers that say nothing after their handshake, in a process of its own."""


@pytest.mark.slow
@pytest.mark.skipif(
    resource.getrlimit(resource.RLIMIT_NOFILE)[0] < PEERS + 2000, reason="too few descriptors"
)
def test_ten_thousand_idle_peers_cost_next_to_nothing(start, make, ports, until):
    server = start(INI + f"max-peers = {2 * PEERS}\npeer-heartbeat = 600 s\n")
    where = f"tcp://127.0.0.1:{ports['PORT2']}"
    responder, client = make(zmq.ROUTER, where, identity=ECHO), make(zmq.DEALER, where)
    asked(client, responder)
    before = server.memory
    with subprocess.Popen(
        [sys.executable, "-c", CROWD, str(ports["PORT2"])],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as crowd:  # fmt: skip
        assert crowd.stdout.readline() == b"connected\n"
        until(lambda: server.facts("h:cameo")["peers"] == PEERS + 2)
        used = server.cpu
        for number in range(100):
            asked(client, responder, number=number)
        assert server.cpu - used < 2 and server.memory - before < PEERS * 40_000
        print((server.memory - before) / PEERS, "bytes for a peer")
        crowd.stdin.close()
    until(lambda: server.facts("h:cameo")["peers"] == 2)


SITE_A = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
control = %(config_dir)s/control
curve-secret = KEYS/a.key_secret
curve-allow = KEYS/b.key

[routes]
cameo.request = h:cameo
cameo.publication = h:cameo, h:clients

[h:cameo]
handler = cameo-proxy
responder = tcp://127.0.0.1:PORT2
publisher = tcp://127.0.0.1:PORT3
internal = tcp://127.0.0.1:PORT4
type = cameo

[h:clients]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT5
reconnect = 20 ms
curve-server = KEYS/b.key
curve-secret = KEYS/a.key_secret
"""
SITE_B = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT5
cc-role = remote
control = %(config_dir)s/control
curve-secret = KEYS/b.key_secret
curve-allow = KEYS/a.key

[routes]
cameo.request = h:server
cameo.publication = h:cameo

[h:cameo]
handler = cameo-proxy
responder = tcp://127.0.0.1:PORT6
publisher = tcp://127.0.0.1:PORT7
internal = tcp://127.0.0.1:PORT8
type = cameo

[h:server]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT1
reconnect = 20 ms
curve-server = KEYS/a.key
curve-secret = KEYS/b.key_secret
"""


def test_two_sites_with_keys_in_front_of_unmodified_peers(start, make, ports, tmp_path):
    for name in "ab":
        assert cli.main(["keygen", str(tmp_path / name)]) == 0
    sites = [text.replace("KEYS", str(tmp_path)) for text in (SITE_A, SITE_B)]
    here, there = start(sites[0], "a"), start(sites[1], "b")
    address = {one: f"tcp://127.0.0.1:{port}" for one, port in ports.items()}
    responder = make(zmq.ROUTER, address["PORT2"], identity=ECHO)
    clients = [make(zmq.DEALER, address["PORT6"]) for _ in range(3)]
    local = make(zmq.DEALER, address["PORT2"])
    for number, client in enumerate([*clients, local]):
        asked(client, responder, number=number)
    for number, client in enumerate(clients):
        for part in range(20):
            client.send_multipart([b"", ECHO, b"", b"%d" % number, b"", b"%d" % part])
    for _ in range(60):
        request = responder.recv_multipart()
        responder.send_multipart(request)
        responder.send_multipart([*request, b"second"])
    for number, client in enumerate(clients):
        for part in range(20):
            payload = [b"", ECHO, b"", b"%d" % number, b"", b"%d" % part]
            assert client.recv_multipart() == payload
            assert client.recv_multipart() == [*payload, b"second"]
    facts = here.facts("h:cameo")
    assert facts["unknown"] <= facts[ECHO.decode()]["connections"] + 4
    subscribers = [make(zmq.SUB, address[port]) for port in ("PORT3", "PORT7")]
    for one in subscribers:
        one.subscribe("status")
    pub = make(zmq.PUB, address["PORT4"])
    heard = set()
    end = time.monotonic() + SECONDS
    while len(heard) < 2:
        pub.send_multipart([b"status", b"event"])
        heard |= {one for one in subscribers if one.poll(20)}
        assert time.monotonic() < end
    assert {tuple(one.recv_multipart()) for one in subscribers} == {(b"status", b"event")}
    assert there.facts("h:cameo")["subscribers"] == 1
