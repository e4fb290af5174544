"""PUSH and PULL sockets of libzmq through a server: turns, workers that are killed."""

import os
import signal
import subprocess
import sys

import pytest
import zmq

from ccproxy.testing import running_server

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[listen:jobs]
protocol = zmq
socket = pull
address = tcp://127.0.0.1:PORT2
type = job
[routes]
job = h:workers
[h:workers]
handler = zmq
socket = push
bind = tcp://127.0.0.1:PORT3
zmq_sndbuf = 4096
"""
DEVICES = """
[h:bus]
handler = forwarder
in = tcp://127.0.0.1:PORT4
out = tcp://127.0.0.1:PORT5
[h:streamer]
handler = streamer
in = tcp://127.0.0.1:PORT6
out = tcp://127.0.0.1:PORT7
[h:calls]
handler = queue
in = tcp://127.0.0.1:PORT8
out = tcp://127.0.0.1:PORT9
"""
SILENT_WORKER = """
import sys, zmq
sock = zmq.Context().socket(zmq.PULL)
sock.set(zmq.RCVHWM, 1)
sock.set(zmq.RCVBUF, 4096)
sock.connect(sys.argv[1])
sock.recv()
print("one", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def server():
    with running_server(INI + DEVICES) as running:
        yield running


@pytest.fixture
def sockets(server, make):
    return lambda kind, port: make(kind, connect=server.address(port))


def joined(source, *workers):
    """Send until every worker has had a message, then until none is under way."""
    missing = set(workers)
    under_way = 0
    while missing:
        source.send(b"?")
        under_way += 1
        missing -= {one for one in missing if one.poll(20)}
    while under_way:
        for one in workers:
            while one.poll(10):
                assert one.recv() == b"?"
                under_way -= 1


def test_each_worker_in_turn_and_frames_unchanged(sockets):
    source = sockets(zmq.PUSH, "PORT2")
    workers = [sockets(zmq.PULL, "PORT3") for _ in range(3)]
    joined(source, *workers)
    jobs = [[b"%d" % number, b"", b"x" * number] for number in range(300)]
    for job in jobs:
        source.send_multipart(job)
    seen = [[one.recv_multipart() for _ in range(100)] for one in workers]
    for turns in seen:
        first = int(turns[0][0])
        assert turns == jobs[first::3]


def test_jobs_wait_for_a_worker_and_large_ones_pass(sockets):
    source = sockets(zmq.PUSH, "PORT2")
    jobs = [[bytes([number]) * size, b""] for number, size in enumerate((1, 3_000_000, 0, 70_000))]
    jobs.append([b""] * 65_536)
    for job in jobs:
        source.send_multipart(job)
    worker = sockets(zmq.PULL, "PORT3")
    assert [worker.recv_multipart() for _ in jobs] == jobs


def test_a_killed_worker_that_did_not_read_holds_back_little(server, sockets):
    address = server.address("PORT3")
    command = [sys.executable, "-c", SILENT_WORKER, address]
    source = sockets(zmq.PUSH, "PORT2")
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as silent:
        source.send(b"first")
        assert silent.stdout.readline() == b"one\n"
        jobs = [b"%05d" % number + bytes(10_000) for number in range(400)]
        for job in jobs:
            source.send(job)
        worker = sockets(zmq.PULL, "PORT3")
        seen = {worker.recv() for _ in range(200)}
        os.kill(silent.pid, signal.SIGKILL)
        # All but what the kernel had, and at most one message that was sent in part.
        while len(seen) <= 360 or worker.poll(500):
            seen.add(worker.recv())
        assert seen <= set(jobs)
        silent.wait()


def test_the_devices(sockets):
    publisher, subscriber = sockets(zmq.XPUB, "PORT4"), sockets(zmq.SUB, "PORT5")
    subscriber.subscribe(b"a")
    assert publisher.recv() == b"\1a"
    publisher.send_multipart([b"b", b"1"])
    publisher.send_multipart([b"a", b"2"])
    assert subscriber.recv_multipart() == [b"a", b"2"]
    source, worker = sockets(zmq.PUSH, "PORT6"), sockets(zmq.PULL, "PORT7")
    source.send_multipart([b"job", b""])
    assert worker.recv_multipart() == [b"job", b""]
    client, service = sockets(zmq.REQ, "PORT8"), sockets(zmq.REP, "PORT9")
    client.send_multipart([b"", b"?"])
    assert service.recv_multipart() == [b"", b"?"]
    service.send(b"!")
    assert client.recv() == b"!"
