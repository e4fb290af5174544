"""More large messages than memory: the server stays within it, and small messages flow."""

import contextlib
import selectors

import pytest
import zmq

from ccproxy.wire.zmtp import pack

MIB = 1 << 20
LIMIT = 32 * MIB
SENDERS = 12
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
control = sock
memory = 32 MiB
max-peers = 100
max-message = 16 MiB
[routes]
data = h:stalled
good = h:good
[h:stalled]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
queue = 1 GiB
[h:good]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""


@pytest.fixture
def crowd(dial):
    """Connections that send as much as they can when asked to, and at last only to the end of the
    message they have begun."""
    unit = pack([b"", b"data", b"x" * 4 * MIB])
    chosen = selectors.DefaultSelector()
    left = {}

    def send(more=True):
        for key, _ in chosen.select(0):
            sock = key.fileobj
            try:
                left[sock] = left[sock][sock.send(left[sock]) :]
            except BlockingIOError:
                continue
            except ConnectionError:
                chosen.unregister(sock)
                continue
            if not left[sock] and more:
                left[sock] = memoryview(unit)
            elif not left[sock]:
                chosen.unregister(sock)

    def connect():
        for _ in range(SENDERS):
            sock = dial().greet().sock
            sock.setblocking(False)
            left[sock] = memoryview(unit)
            chosen.register(sock, selectors.EVENT_WRITE)
        return send

    yield connect
    chosen.close()


def test_large_messages_to_a_stalled_destination(start, await_dial, make, fill, crowd, until):
    good = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    server = start(SERVER)
    stalled = await_dial("PORT2").greet()
    server.wait_for_count("link up", 2)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    base = most = server.memory
    send = crowd()

    def status():
        return server.status()["memory"]

    found = {}
    for number in range(200):
        send()
        client.send_multipart([b"", b"good", b"%d" % number])
        assert good.recv_multipart()[-1] == b"%d" % number
        most = max(most, server.memory)
        if number % 20 == 0:
            found = status()
            assert found["used"] < 1.25 * LIMIT
    assert (found["limit"], found["state"] != "free") == (LIMIT, True)
    assert most - base < 1.6 * LIMIT
    # The destination reads again: all go on, nothing is left on the account.
    stalled.sock.settimeout(0.001)

    def drained():
        send(more=False)
        with contextlib.suppress(TimeoutError):
            while stalled.sock.recv(MIB):
                pass
        now = status()
        return (now["state"], now["held_back"]) == ("free", 0) and now["used"] < LIMIT // 2

    until(drained)
    server.wait_for("memory is free again")
