"""What goes wrong between processes: all recover, nothing leaks, other peers do not notice."""

import itertools
import json
import random
import socket
import threading
import time
from contextlib import suppress

import pytest
import zmq

from ccproxy.wire.zmtp import frame, pack
from ccproxy.wire.zmtp.greeting import OPENING, closing

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
handshake-timeout = 60 s
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
handshake-timeout = 60 s
reconnect = 20 ms
reconnect-max = 50 ms
"""
IMPATIENT = SERVER.replace("60 s", "5 s")  # a busy machine takes seconds for a handshake
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]
READY = b"\x04\x26\x05READY\x0bSocket-Type\0\0\0\x06DEALER\x08Identity\0\0\0\0"


@pytest.fixture
def here(fill):
    return fill("tcp://127.0.0.1:PORT1")


@pytest.fixture
def there(fill):
    return fill("tcp://127.0.0.1:PORT2")


def ask(client):
    client.send_multipart(ASK)
    assert client.recv_multipart()[1] == b"echo.response"


# Order of start, restarts


@pytest.mark.parametrize("order", ["".join(one) for one in itertools.permutations("csf")])
def test_any_order_of_start(start, make, here, there, order):
    """Client, server, far side."""
    made = {}
    for one in order:
        if one == "c":
            made["c"] = make(zmq.DEALER, connect=here)
            made["c"].send_multipart([b"Q", b"", b"data", b"early"])
        elif one == "s":
            start(SERVER)
        else:
            made["f"] = make(zmq.ROUTER, bind=there)
    received = made["f"].recv_multipart()
    assert received[2:] == [b"Q", b"", b"data", b"early"]
    made["f"].send_multipart(received)
    assert made["c"].recv_multipart() == [b"Q", b"", b"data", b"early"]


def test_the_far_side_restarts(start, make, here, there):
    server = start(SERVER)
    client = make(zmq.DEALER, connect=here)
    for life in range(1, 6):
        client.send_multipart([b"", b"data", b"while away"])
        ask(client)
        far = make(zmq.ROUTER, bind=there)
        assert far.recv_multipart()[-1] == b"while away"
        bodies = [b"%d %d" % (life, number) for number in range(50)]
        for body in bodies:
            client.send_multipart([b"", b"data", body])
        seen = [far.recv_multipart() for _ in bodies]
        assert [one[-1] for one in seen] == bodies
        far.send_multipart(seen[-1])
        assert client.recv_multipart()[-1] == bodies[-1]
        far.close()
        server.wait_for_count("link down", life)
    server.stop()
    assert server.ledger() == {"received": 265, "forwarded": 255, "replied": 10}


def test_the_server_restarts_between_two_that_stay(start, make, here, there):
    far = make(zmq.ROUTER, bind=there)
    client = make(zmq.DEALER, connect=here, identity=b"me")
    for life in range(4):
        server = start(SERVER)
        client.send_multipart([b"", b"data", b"%d" % life])
        received = far.recv_multipart()
        assert received[1:] == [b"me", b"", b"data", b"%d" % life]
        far.send_multipart(received)
        assert client.recv_multipart() == [b"", b"data", b"%d" % life]
        server.kill() if life % 2 else server.stop()


def test_kill_9_of_the_middle_of_three(start, make, here, fill):
    third = SERVER.replace("PORT2", "PORT4").replace("PORT1", "PORT3")
    second = SERVER.replace("PORT2", "PORT3").replace("PORT1", "PORT2")
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT4"))
    start(third, name="third")
    first = start(SERVER, name="first")
    client = make(zmq.DEALER, connect=here)
    for life in range(3):
        middle = start(second, name="second")
        middle.wait_for("link up")
        first.wait_for_count("link up", life + 1)
        client.send_multipart([b"Q", b"", b"data", b"%d" % life])
        received = far.recv_multipart()
        far.send_multipart(received)
        assert client.recv_multipart() == [b"Q", b"", b"data", b"%d" % life]
        middle.kill()
        first.wait_for_count("link down", life + 1)
        far.send_multipart(received)  # to a peer that is gone: no error
        ask(client)


# Cuts


@pytest.mark.parametrize("hard", [False, True])
def test_the_link_is_cut_in_the_middle_of_a_message(start, dial, await_dial, hard):
    """What was not whole at the far side comes again, whole and once, and the rest behind it."""
    server = start(SERVER)
    client = dial().greet()
    bodies = [b"%d " % number + bytes(200_000) for number in range(200)]
    sender = threading.Thread(target=lambda: [client.send(b"", b"data", body) for body in bodies])
    sender.start()
    seen = []
    for life in range(1, 4):
        far = await_dial("PORT2").greet()
        while len(seen) < 3 * life or (life == 3 and seen[-1] != bodies[-1]):
            seen.append(far.message()[-1])
        far.reset() if hard else far.sock.close()
        server.wait_for_count("link down", life)
    sender.join()
    numbers = [int(body.split()[0]) for body in seen]
    assert numbers == sorted(set(numbers))
    assert set(seen) <= set(bodies)


@pytest.mark.parametrize("hard", [False, True])
def test_a_client_is_cut_in_the_middle_of_a_message(start, dial, make, there, hard):
    server = start(SERVER)
    far = make(zmq.ROUTER, bind=there)
    whole = pack([b"", b"data", b"whole"])
    broken = pack([b"id", b"", b"data", b"x" * 600_000])
    cuts = [1, 3, 9, 20, 200, 60_000, 500_000, len(broken) - 1]
    for at in cuts:
        wire = dial().greet()
        wire.sock.sendall(whole + broken[:at])
        assert far.recv_multipart()[-1] == b"whole"
        wire.reset() if hard else wire.sock.close()
    dial().greet().send(b"", b"data", b"after")
    assert far.recv_multipart()[-1] == b"after"
    server.stop()
    assert server.ledger() == {"received": len(cuts) + 1, "forwarded": len(cuts) + 1}


@pytest.mark.parametrize("end", ["close", "reset", "silence"])
def test_a_client_breaks_off_or_falls_silent_in_the_handshake(start, dial, until, end):
    server = start(IMPATIENT)
    before = server.descriptors
    opening = OPENING + closing(b"NULL", False) + READY
    wires = []
    for at in [0, 1, 5, 10, 11, 12, 30, 63, 64, 65, 70, 90, len(opening) - 1]:
        wires.append(dial())
        wires[-1].sock.sendall(opening[:at])
        if end == "close":
            wires[-1].sock.close()
        elif end == "reset":
            wires[-1].reset()
    if end == "silence":
        assert all(wire.closed() for wire in wires)
        for word in ("signature", "major version", "greeting", "command"):
            server.wait_for(f"no handshake within 5 s, still waiting for {word}")
    until(lambda: server.descriptors <= before)
    ask_raw(dial)


def ask_raw(dial):
    wire = dial().greet()
    wire.send(*ASK)
    assert wire.message()[1] == b"echo.response"


def test_garbage_at_any_byte_of_the_handshake(start, dial, until):
    """Each byte of greeting and READY changed: refused, or taken for what it now says."""
    server = start(SERVER)
    before = server.descriptors
    opening = OPENING + closing(b"NULL", False) + READY
    dice = random.Random(5)
    wires = []
    for at in range(len(opening)):
        for value in {0, 0xFF, opening[at] ^ 1, dice.randrange(256)} - {opening[at]}:
            wires.append(dial())
            wires[-1].sock.sendall(opening[:at] + bytes((value,)) + opening[at + 1 :])
    for wire in wires:
        wire.sock.shutdown(socket.SHUT_WR)
        assert wire.closed()
    until(lambda: server.descriptors <= before)
    ask_raw(dial)


def test_random_bytes_instead_of_a_handshake(start, dial):
    server = start(SERVER)
    dice = random.Random(6)
    for number in range(300):
        wire = dial()
        begin = (b"", OPENING, OPENING + closing(b"NULL", False))[number % 3]
        wire.sock.sendall(begin + dice.randbytes(dice.randrange(1, 400)))
        wire.sock.close()
    ask_raw(dial)
    server.wait_for("further warnings of many kinds, not written: ")
    assert len(server.lines) < 150


def test_other_protocols_are_named(start, dial):
    server = start(SERVER)
    for request in (b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01\x02\0\x01", b"SSH-2.0-x\r\n"):
        wire = dial()
        wire.sock.sendall(request)
        assert wire.closed()
    for name in ("an HTTP request", "a TLS client hello", "an SSH greeting"):
        server.wait_for(f"{name}, not ZMTP")


def test_a_slow_loris_is_given_up(start, dial, make, here):
    """A peer that sends one byte now and then is closed in time, and holds up no other."""
    server = start(IMPATIENT)
    client = make(zmq.DEALER, connect=here)
    loris = [dial() for _ in range(50)]
    opening = OPENING + closing(b"NULL", False) + READY
    with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
        for byte in opening:
            for wire in loris:
                wire.sock.sendall(bytes((byte,)))
            ask(client)
            time.sleep(0.05)
    server.wait_for("no handshake within 5 s, still waiting for")


# Far sides that are no servers


def test_a_far_side_that_talks_nonsense_or_nothing(start, ports, make, there, here):
    server = start(IMPATIENT)
    client = make(zmq.DEALER, connect=here)
    client.send_multipart([b"", b"data", b"kept"])
    for answer in (
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"",
        b"\xff\0\0\0\0\0\0\0\x01\x7f\x03",
        None,
    ):
        with socket.create_server(("127.0.0.1", ports["PORT2"])) as listener:
            listener.settimeout(60)
            accepted, _ = listener.accept()
            accepted.settimeout(60)
            with suppress(OSError):  # it has waited long enough, if this machine is busy
                accepted.sendall(answer or b"")
                if answer is not None:
                    accepted.shutdown(socket.SHUT_WR)
                while accepted.recv(4096):
                    pass
            accepted.close()
        ask(client)
    server.wait_for("no connection link=h:next")
    far = make(zmq.ROUTER, bind=there)
    assert far.recv_multipart()[-1] == b"kept"


def test_a_far_side_of_the_wrong_type(start, make, there, here):
    wrong = make(zmq.PUB, bind=there)
    server = start(SERVER)
    client = make(zmq.DEALER, connect=here)
    client.send_multipart([b"", b"data", b"kept"])
    server.wait_for("no connection link=h:next")
    ask(client)
    wrong.close()
    far = make(zmq.ROUTER, bind=there)
    assert far.recv_multipart()[-1] == b"kept"


# Many and rude peers


def test_a_peer_that_never_reads_costs_its_queue_and_no_more(start, dial, make, here, until):
    server = start(SERVER.replace("[routes]", "peer-queue = 4 MiB\n[routes]"))
    client = make(zmq.DEALER, connect=here)
    # Small from the start: a window that shrinks later makes the kernel discard what is under way,
    # the acknowledgements in it too, and then nothing moves in either direction.
    rude = dial(buffer=4096).greet()
    request = pack(ASK) * 1000
    ask(client)
    before = server.memory
    for _ in range(100):
        rude.sock.sendall(request)
    server.wait_for("dropped outbox=ccserver 127.0.0.1")
    ask(client)
    assert server.memory - before < 16 << 20
    before = server.descriptors
    rude.reset()
    until(lambda: server.descriptors < before)
    ask(client)
    server.stop()
    assert server.ledger()["full"] > 1000


def test_identities_that_are_taken(start, make, dial, here, until):
    server = start(SERVER)
    first = make(zmq.DEALER, connect=here, identity=b"me")
    ask(first)
    second = dial(identity=b"me").greet()
    assert second.closed()
    server.wait_for("identity b'me' is connected already")
    ask(first)
    first.close()
    third = make(zmq.DEALER, connect=here, identity=b"me", rcvtimeo=200)
    # What was sent before the refusal is lost, as it is with a ROUTER of libzmq.
    until(lambda: third.send_multipart(ASK) or third.poll(100))


def test_identities_that_are_handed_over(start, make, dial, here, there):
    server = start(SERVER.replace("[routes]", "identity-conflict = handover\n[routes]"))
    far = make(zmq.ROUTER, bind=there)
    first = dial(identity=b"me").greet()
    first.send(b"", b"data", b"question")
    received = far.recv_multipart()
    second = dial(identity=b"me").greet()
    assert first.closed()
    second.send(*ASK)
    assert second.message()[1] == b"echo.response"
    far.send_multipart(received)
    assert second.message() == [b"", b"data", b"question"]
    server.wait_for("its identity was taken over by a new connection")


def test_two_thousand_connections_opened_and_closed(start, dial, ports, until):
    server = start(SERVER)
    ask_raw(dial)
    before, memory = server.descriptors - 1, server.memory
    opening = OPENING + closing(b"NULL", False) + READY
    for number in range(2000):
        with socket.create_connection(("127.0.0.1", ports["PORT1"])) as sock:
            if number % 4 == 1:
                sock.sendall(opening[: number % 100])
            elif number % 4 == 2:
                sock.sendall(opening + pack(ASK))
            elif number % 4 == 3:
                sock.sendall(opening + frame(b"", more=True))
    until(lambda: server.descriptors <= before + 1)
    assert server.memory - memory < 16 << 20
    ask_raw(dial)
    assert len(server.lines) < 200


def test_as_many_peers_as_allowed(start, dial, until):
    server = start(SERVER.replace("[routes]", "max-peers = 10\n[routes]"))
    wires = [dial().greet() for _ in range(10)]
    assert dial().closed()
    server.wait_for("max-peers = 10")
    wires.pop().sock.close()
    until(lambda: _greets(dial))


def _greets(dial):
    try:
        return dial().greet()
    except ConnectionError:
        return None
