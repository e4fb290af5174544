"""Peers of ZeroMQ sockets that do their worst: what they cost is bounded and named, and the others
go on."""

import threading
from contextlib import suppress

import pytest
import zmq

from ccproxy.wire.zmtp import pack

KIB, MIB = 1024, 1 << 20
WORKERS, SERVICES = 1000, 200
HEAD = """
[ccserver]
control = sock
memory = 64 MiB
"""
JOBS = """
[listen:jobs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT1
type = job
[routes]
job = h:workers
[h:workers]
handler = zmq
socket = push
bind = tcp://127.0.0.1:PORT2
on-full = block
queue = 1 MiB
zmq_sndbuf = 4096
"""
CALLS = """
[listen:calls]
protocol = zmq
socket = router
address = tcp://127.0.0.1:PORT1
type = call
peer-queue = 256 KiB
zmq_sndbuf = 4096
[routes]
call = h:services
[h:services]
handler = zmq
socket = dealer
bind = tcp://127.0.0.1:PORT2
"""
BUS = """
[listen:publishers]
protocol = zmq
socket = xsub
address = tcp://127.0.0.1:PORT1
type = bus
[routes]
bus = h:subscribers
[h:subscribers]
handler = zmq
socket = xpub
bind = tcp://127.0.0.1:PORT2
zmq_sndbuf = 65536
"""


@pytest.fixture
def in_thread():
    """Call again and again in a thread, until the test ends; a socket belongs to one thread."""
    over, threads = threading.Event(), []

    def in_thread(call):
        def again():
            while not over.is_set():
                call()

        threads.append(threading.Thread(target=again))
        threads[-1].start()

    yield in_thread
    over.set()
    for one in threads:
        one.join()


def answering(service, size=0):
    """An answer of this size to a request that is there."""

    def call():
        if service.poll(20):
            service.send_multipart([*service.recv_multipart(), bytes(size)])

    return call


def test_a_thousand_workers_that_come_and_go(start, make, dial, fill, until):
    server = start(HEAD + JOBS)
    source = make(zmq.PUSH, connect=fill("tcp://127.0.0.1:PORT1"))
    numbers, over = [], threading.Event()

    def pump():
        while not over.is_set():
            source.send(b"%08d" % len(numbers) + bytes(192))
            numbers.append(len(numbers))

    thread = threading.Thread(target=pump)
    thread.start()
    came, present = set(), []
    for number in range(WORKERS):
        worker = dial("PORT2", b"PULL", buffer=4096).greet()
        present.append(worker)
        came.add(int(worker.message()[0][:8]))
        if len(present) > 20:
            first = present.pop(0)
            first.reset() if number % 2 else first.sock.close()
    over.set()
    steady = make(zmq.PULL, connect=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    while present:
        present.pop().sock.close()
    until(lambda: server.facts("h:workers")["workers"] == 1)
    thread.join()
    source.send(b"end")
    while (job := steady.recv()) != b"end":
        came.add(int(job[:8]))
    assert came <= set(numbers) and max(came) == numbers[-1]
    server.stop()
    assert server.ledger() == {"received": len(numbers) + 1, "forwarded": len(numbers) + 1}


def test_services_that_come_and_go(start, make, dial, fill, until):
    """Some have a request when they go, and take the answer with them; the others are answered."""
    server = start(HEAD + CALLS)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    answers = 0
    for number in range(SERVICES):
        client.send(b"%d" % number)
        service = dial("PORT2", b"REP" if number % 3 else b"ROUTER").greet()
        asked = service.message()
        if number % 2:
            service.send(*asked, b"!")
            assert client.recv_multipart() == [asked[-1], b"!"]
            answers += 1
        service.reset() if number % 5 else service.sock.close()
        until(lambda: server.facts("h:services")["workers"] == 0)
    server.stop()
    assert server.ledger() == {
        "received": SERVICES + answers,
        "forwarded": SERVICES,
        "replied": answers,
    }


def test_clients_that_never_read_their_answers(start, make, dial, fill, in_thread):
    server = start(HEAD + CALLS)
    service = make(zmq.ROUTER, connect=fill("tcp://127.0.0.1:PORT2"))
    in_thread(answering(service, 64 * KIB))
    good = make(zmq.REQ, connect=fill("tcp://127.0.0.1:PORT1"))
    deaf = [dial("PORT1", b"REQ", buffer=4096).greet() for _ in range(50)]
    before = server.memory
    for _ in range(40):
        for one in deaf:
            one.send(b"", b"?")
        good.send(b"?")
        assert len(good.recv_multipart()) == 2
    assert server.memory - before < 64 * MIB
    server.stop()
    dropped = server.ledger()["full"]
    assert 50 * 20 < dropped < 50 * 40
    boxes = server.outboxes()
    assert sum(counts.get("dropped-full", 0) for counts in boxes.values()) == dropped


def test_a_service_that_never_answers(start, make, fill):
    text = CALLS.replace("socket = dealer", "socket = req\nanswer-timeout = 6 s\nresend = yes")
    server = start(HEAD + text.replace("socket = router", "socket = rep"))
    stuck = make(zmq.REP, connect=fill("tcp://127.0.0.1:PORT2"))
    client = make(zmq.REQ, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send(b"1")
    assert stuck.recv_multipart()[-1] == b"1"
    # Its time is over before there is another one.
    other = make(zmq.REP, connect=fill("tcp://127.0.0.1:PORT2"))
    assert other.recv_multipart()[-1] == b"1"
    other.send(b"answer")
    assert client.recv() == b"answer"
    stuck.send(b"too late")
    client.send(b"2")
    poller = zmq.Poller()
    poller.register(stuck, zmq.POLLIN)
    poller.register(other, zmq.POLLIN)
    [(one, _)] = poller.poll(60_000)
    one.recv_multipart()
    one.send(b"second")
    assert client.recv() == b"second"
    assert server.facts("h:services")["unanswered"] >= 1
    server.stop()
    assert server.ledger()["gone"] == 1


def test_200_subscribers_that_do_not_read(start, make, dial, fill):
    """The queues of all share the memory; a subscriber that reads gets what is published now."""
    server = start(HEAD + BUS)
    deaf = [dial("PORT2", b"SUB", buffer=4096).greet() for _ in range(200)]
    for one in deaf:
        one.send(b"\1")
    good = make(zmq.SUB, connect=fill("tcp://127.0.0.1:PORT2"))
    good.subscribe(b"")
    publisher = make(zmq.XPUB, connect=fill("tcp://127.0.0.1:PORT1"))
    assert publisher.recv() == b"\1"
    before = server.memory
    for number in range(200):
        publisher.send(b"%d " % number + bytes(16 * KIB))
        assert good.recv().split(b" ")[0] == b"%d" % number
    assert server.memory - before < 2 * 64 * MIB
    for one in deaf:
        one.sock.close()
    server.stop()
    boxes = server.outboxes()
    assert sum(counts.get("dropped-memory", 0) for counts in boxes.values()) > 1000


@pytest.mark.parametrize(
    ("size", "options", "reason"),
    [
        (0, "max-subscriptions = 1000", "more than max-subscriptions = 1000 prefixes"),
        (1000, "max-subscriptions = 1000000", "prefixes of more than"),
        (MIB, "", "a prefix of 1048585 bytes, max-prefix = 1024"),
    ],
)
def test_subscriptions_without_end(start, make, dial, fill, size, options, reason):
    """A million prefixes, and prefixes of a MiB: the peer is closed, the bus goes on meanwhile."""
    server = start(HEAD + BUS + options)
    good = make(zmq.SUB, connect=fill("tcp://127.0.0.1:PORT2"))
    good.subscribe(b"x")
    publisher = dial("PORT1", b"PUB").greet()  # libzmq needs 100 bytes for each byte of a prefix
    assert publisher.message() == [b"\1x"]
    bad = dial("PORT2", b"SUB").greet()
    before = server.memory

    def flood():
        with suppress(OSError):
            for first in range(0, 1_000_000, 100):
                some = range(first, first + 100)
                bad.sock.sendall(b"".join(pack([b"\1p%08d" % one + bytes(size)]) for one in some))

    thread = threading.Thread(target=flood)
    thread.start()
    for number in range(200):
        publisher.send(b"x%d" % number)
        assert good.recv() == b"x%d" % number
    thread.join()
    server.wait_for(reason)
    assert server.memory - before < 64 * MIB
    publisher.send(b"x")
    assert good.recv() == b"x"
