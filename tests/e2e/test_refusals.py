"""A large message over a line that is cut, and to a far side that refuses it: lost is only what is
refused, and the log names it."""

import socket
import struct
import threading
from contextlib import suppress

import pytest
import zmq

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
reconnect = 20 ms
reconnect-max = 50 ms
"""
FAR = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT2
cc-role = remote
max-message = 1 MB
max-frames = 50
[routes]
data = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
"""
BIG = 20 << 20
"""More than the buffers of the kernel take: such a message is cut in its middle."""


def reset(sock):
    """Close with a reset instead of an end."""
    with suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


class FlakyLine:
    """Passes connections from one port to another; resets the first `cuts` after `size` bytes."""

    def __init__(self, source, target, cuts, size):
        self.left, self.size, self.target = cuts, size, target
        self.listener = socket.create_server(("127.0.0.1", source))
        self.sockets = []
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        with suppress(OSError):
            while True:
                near, _ = self.listener.accept()
                far = socket.create_connection(("127.0.0.1", self.target))
                self.sockets += [near, far]
                threading.Thread(target=self.back, args=(near, far), daemon=True).start()
                self.forth(near, far)

    def forth(self, near, far):
        passed = 0
        while data := near.recv(65536):
            far.sendall(data)
            passed += len(data)
            if self.left and passed >= self.size:
                self.left -= 1
                reset(near)
                reset(far)
                return

    def back(self, near, far):
        with suppress(OSError):
            while data := far.recv(65536):
                near.sendall(data)

    def close(self):
        for sock in [self.listener, *self.sockets]:
            with suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()


@pytest.mark.parametrize("cuts", [3, 10])
def test_a_line_that_is_reset_again_and_again_loses_nothing(start, make, fill, ports, cuts):
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    line = FlakyLine(ports["PORT2"], ports["PORT3"], cuts, 1 << 20)
    server = start(SERVER)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    bodies = [b"%d" % number * BIG for number in range(3)]
    for body in bodies:
        client.send_multipart([b"", b"data", body])
    for body in bodies:
        assert far.recv_multipart()[-1] == body
    assert line.left == 0
    server.stop()
    assert server.outboxes()["h:next"] == {"queued": 3, "sent": 3, "waiting": 0}
    assert server.count("message refused") == 0
    line.close()


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([b"x" * BIG], "message larger than max-message = "),
        ([b""] * 60 + [b"x" * 900_000] * 23, "not ZMTP: message of more than 50 frames"),
    ],
    ids=["size", "frames"],
)
def test_a_far_ccserver_that_refuses_says_so(start, make, fill, frames, reason):
    """It is sent the message three times; then the ones behind it go on."""
    last = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT3"))
    start(FAR, name="far")
    server = start(SERVER)
    server.wait_for("link up")
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"before"])
    assert last.recv_multipart()[-1] == b"before"
    client.send_multipart([b"", b"data", *frames])
    client.send_multipart([b"", b"data", b"behind"])
    assert last.recv_multipart()[-1] == b"behind"
    line = server.wait_for("message refused link=h:next remote=")
    size = int(line.split("bytes=")[1].split(":")[0])
    assert 0 < size - sum(map(len, frames)) < 1000
    assert f"the peer said: {reason}" in line
    server.stop()
    counts = server.outboxes()["h:next"]
    assert counts == {"queued": 3, "sent": 2, "waiting": 0, "dropped-refused": 1}


def test_a_far_side_that_ends_in_order_at_a_message(start, dial, await_dial):
    """As a program may that reads the length of a message and hangs up."""
    server = start(SERVER)
    client = dial().greet()
    client.send(b"", b"data", b"x" * BIG)
    client.send(b"", b"data", b"behind")
    for end in range(1, 4):
        far = await_dial("PORT2").greet()
        assert len(far.sock.recv(1000, socket.MSG_WAITALL)) == 1000
        # What is not read here keeps the message from being sent as a whole.
        far.sock.shutdown(socket.SHUT_WR)
        server.wait_for_count("link down", end)
    assert await_dial("PORT2").greet().message()[-1] == b"behind"
    server.wait_for("message refused link=h:next")
    server.stop()
    counts = server.outboxes()["h:next"]
    assert counts == {"queued": 2, "sent": 1, "waiting": 0, "dropped-refused": 1}


def test_cuts_between_ends_in_order_do_not_count(start, dial, await_dial):
    server = start(SERVER)
    dial().greet().send(b"", b"data", b"x" * BIG)
    for end in range(1, 9):
        far = await_dial("PORT2").greet()
        assert len(far.sock.recv(1000, socket.MSG_WAITALL)) == 1000
        if end in (2, 5):
            far.sock.shutdown(socket.SHUT_WR)
        else:
            far.reset()
        server.wait_for_count("link down", end)
    assert await_dial("PORT2").greet().message()[-1] == b"x" * BIG
    server.stop()
    assert server.outboxes()["h:next"] == {"queued": 1, "sent": 1, "waiting": 0}


def test_a_libzmq_peer_that_refuses_by_a_reset_stops_the_link_no_longer_than_thirty(
    start, make, fill
):
    far = make(zmq.ROUTER)
    far.setsockopt(zmq.MAXMSGSIZE, 100_000)
    far.bind(fill("tcp://127.0.0.1:PORT2"))
    server = start(SERVER)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data", b"x" * BIG])
    client.send_multipart([b"", b"data", b"behind it"])
    assert far.recv_multipart()[-1] == b"behind it"
    server.stop()
    assert server.outboxes()["h:next"]["dropped-refused"] == 1
    assert server.count("message refused") == 1
