"""The examples of a ZMTP listener with a key of its own, and of a handler whose peers are sinks.

Together they are a work queue between real PUSH and PULL sockets of libzmq.
"""

import re
from contextlib import ExitStack
from pathlib import Path

import pytest
import zmq

from ccproxy.client import Client
from ccproxy.testing import running_server

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"
INI = f"""
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
plugins = {PLUGINS}
[listen:jobs]
protocol = pull
address = tcp://127.0.0.1:PORT2
type = job
[routes]
job = h:workers
hello = h:hello
[h:hello]
handler = hello
[h:workers]
handler = push
bind = tcp://127.0.0.1:PORT3
"""
JOBS = 2000


@pytest.fixture
def sockets():
    with ExitStack() as stack:
        context = zmq.Context()
        stack.callback(context.term)

        def make(kind, address):
            made = context.socket(kind)
            stack.callback(made.close, 0)
            made.setsockopt(zmq.RCVTIMEO, 20_000)
            made.setsockopt(zmq.SNDTIMEO, 20_000)
            made.connect(address)
            return made

        yield make


def ledger_of(server):
    assert server.stop() == 0
    line = server.wait_for("ledger received=")
    return {name: int(n) for name, n in re.findall(r"(\S+)=(\d+)", line.partition("ledger ")[2])}


def test_jobs_of_push_sockets_reach_one_worker_each(sockets):
    with running_server(INI, 30) as server:
        workers = [sockets(zmq.PULL, server.address("PORT3")) for _ in range(3)]
        senders = [sockets(zmq.PUSH, server.address("PORT2")) for _ in range(2)]
        for worker in workers:
            while not worker.poll(50):  # a worker that has a job is connected
                senders[0].send(b"resize warm-up")
        for number in range(JOBS):
            senders[number % 2].send_multipart([b"resize %d" % number, b"", b"\0" * 300])
        poller = zmq.Poller()
        for worker in workers:
            poller.register(worker, zmq.POLLIN)
        seen, per_worker = [], dict.fromkeys(workers, 0)
        while len(seen) < JOBS:
            ready = dict(poller.poll(20_000))
            assert ready, f"{len(seen)} of {JOBS} jobs"
            for worker in ready:
                frames = worker.recv_multipart()
                if len(frames) == 3:
                    assert frames[1:] == [b"", b"\0" * 300]
                    seen.append(int(frames[0].split()[1]))
                    per_worker[worker] += 1
        assert sorted(seen) == list(range(JOBS))
        assert min(per_worker.values()) > 0, per_worker
        counts = ledger_of(server)
    # The first jobs may come before the first worker.
    assert counts["received"] == counts["forwarded"] + counts.get("full", 0)


def test_a_first_word_that_is_no_type_is_malformed(sockets):
    with running_server(INI, 30) as server:
        sender = sockets(zmq.PUSH, server.address("PORT2"))
        sender.send(b"\xff\xff\xff")
        server.wait_for("Invalid CC message", 20)
        assert ledger_of(server) == {"received": 1, "malformed": 1}


def test_jobs_without_a_worker_are_full_and_cc_messages_reach_workers_too(sockets):
    with running_server(INI, 30) as server:
        with Client(server.address()) as client:
            client.publish("job.a", {"x": 1})
            client.request("hello", {}, timeout=20)  # it comes behind the job
            worker = sockets(zmq.PULL, server.address("PORT3"))
            while not worker.poll(50):
                client.publish("job.b", {"x": 2})
            body, *_ = worker.recv_multipart()
            assert b'"x": 2' in body
        counts = ledger_of(server)
    assert counts["full"] >= 1 and counts["forwarded"] >= 1
