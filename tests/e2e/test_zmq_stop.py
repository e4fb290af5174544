"""SIGTERM while programs send to ZeroMQ sockets: what a sender takes for delivered is not lost."""

import signal
import threading

import pytest
import zmq

SERVER = """
[ccserver]
linger = 60 s
[listen:LISTENER]
protocol = zmq
socket = LISTENER
address = tcp://127.0.0.1:PORT1
linger = 60 s
type = x
[routes]
x = h:out
[h:out]
handler = zmq
socket = SINK
bind = tcp://127.0.0.1:PORT2
linger = 60 s
"""
SENDERS = 3
BATCH = 30


def sent_until_the_end(wire, message, counts, going):
    """Send without a pause until the server says that it reads no more, and count the messages.

    The kernel of the server has acknowledged them all: it has not reset the connection.
    """
    chunk, sent = wire.connection.send(message) * BATCH, 0
    wire.sock.setblocking(True)
    over = threading.Event()

    def drain():
        while wire.sock.recv(1 << 16):
            pass
        over.set()

    reading = threading.Thread(target=drain)
    reading.start()
    while not over.wait(0.002):
        wire.sock.sendall(chunk)
        sent += BATCH
        if sent > 50 * BATCH:
            going.set()
    wire.sock.close()
    reading.join()
    counts.append(sent)


@pytest.mark.parametrize(
    ("listener", "kind", "sink", "reader"),
    [
        ("pull", b"PUSH", "push", zmq.PULL),
        ("xsub", b"PUB", "xpub", zmq.SUB),
        ("router", b"DEALER", "dealer", zmq.ROUTER),
        ("rep", b"DEALER", "dealer", zmq.ROUTER),
    ],
)
def test_what_was_sent_arrives(start, make, dial, fill, listener, kind, sink, reader):
    server = start(SERVER.replace("LISTENER", listener).replace("SINK", sink))
    out = make(reader, connect=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    if reader == zmq.SUB:
        out.subscribe(b"")
        watch = make(zmq.XPUB, connect=fill("tcp://127.0.0.1:PORT1"))
        assert watch.recv() == b"\1"
    counts, threads = [], []
    going = [threading.Event() for _ in range(SENDERS)]
    for one in going:
        given = dial("PORT1", kind).greet(), [b"", bytes(500)], counts, one
        threads.append(threading.Thread(target=sent_until_the_end, args=given))
        threads[-1].start()
    assert all(one.wait(60) for one in going)
    server.process.send_signal(signal.SIGTERM)
    for one in threads:
        one.join()
    assert server.process.wait(60) == 0
    server.stop()
    assert server.ledger() == {"received": sum(counts), "forwarded": sum(counts)}
    for _ in range(sum(counts)):
        assert len(out.recv_multipart()[-1]) == 500
    assert not out.poll(50)


def test_calls_are_answered_before_the_end(start, make, dial, fill):
    """Requests in lock-step: only that one loses its answer which comes in with the end, and the
    server says so."""
    text = SERVER.replace("LISTENER", "rep").replace("SINK", "req")
    server = start(text)
    service = make(zmq.REP, connect=fill("tcp://127.0.0.1:PORT2"))
    answered, going, over = [], threading.Event(), threading.Event()

    def serve():
        while not over.is_set():
            if service.poll(20):
                service.send(service.recv())
                answered.append(None)
                if len(answered) == 200:
                    going.set()

    serving = threading.Thread(target=serve)
    serving.start()
    wire = dial("PORT1", b"REQ").greet()
    came = []

    def ask():
        try:
            while True:
                wire.send(b"", b"?")
                came.append(wire.message())
        except OSError:
            wire.sock.close()

    asking = threading.Thread(target=ask)
    asking.start()
    assert going.wait(60)
    server.process.send_signal(signal.SIGTERM)
    asking.join()
    assert server.process.wait(60) == 0
    over.set()
    serving.join()
    server.stop()
    ledger = server.ledger()
    lost = ledger["replied"] - len(came)
    assert lost in (0, 1) and ledger["forwarded"] - ledger["replied"] in (0, 1)
    assert ledger["received"] == sum(ledger.values()) - ledger["received"]
    dropped = [one.get("dropped-gone", 0) for one in server.outboxes().values()]
    assert sum(dropped) >= lost
