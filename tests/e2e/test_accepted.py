"""Handlers that say later what became of a message: the far side of an acknowledged link is killed
while some have no outcome, and nothing is lost.

The handler commits batches to a file in a thread, and only then are their messages acknowledged.
"""

import pytest
import zmq

from tests.e2e.delivery import DIRECT, FAR, in_order, settled, sink_of, source_ini

BATCH = """
import os
from dataclasses import dataclass

from ccproxy import Accepted, Handler, kinds, option


class Batch(Handler):
    @dataclass(frozen=True, slots=True)
    class Options:
        file: str = option(kinds.text, help="file to write to")

    async def start(self, ctx):
        await super().start(ctx)
        self.to = os.open(self.options.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.waiting = []
        self.committing = False

    def handle(self, message):
        if message.type == "data.wrong":
            raise ValueError("a message of this type")
        accepted = Accepted(message)
        if message.type != "data.never":
            self.waiting.append(accepted)
            if not self.committing:
                self.committing = True
                self.ctx.task(self.commit())
        return accepted

    async def commit(self):
        while self.waiting:
            batch, self.waiting = self.waiting, []
            lines = b"".join(one.message.payload[1] + b"\\n" for one in batch)
            await self.ctx.run_blocking(self.write, lines)
            for one in reversed(batch):  # the order is that of the numbers all the same
                if one.message.type == "data.refused":
                    one.refused("not this one")
                else:
                    one.done()
        self.committing = False

    def write(self, lines):
        os.write(self.to, lines)
        os.fsync(self.to)

    async def stop(self):
        os.close(self.to)
"""
THREAD = """
import os
from dataclasses import dataclass

from ccproxy import Handler, kinds, option


class Thread(Handler):
    runs = "thread"

    @dataclass(frozen=True, slots=True)
    class Options:
        file: str = option(kinds.text, help="file to write to")

    async def start(self, ctx):
        await super().start(ctx)
        self.to = os.open(self.options.file, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def handle(self, message):
        if message.type == "data.refused":
            raise ValueError("not this one")
        os.write(self.to, message.payload[1] + b"\\n")

    async def stop(self):
        os.close(self.to)
"""
FAR_SIDE = FAR.replace("h:record", "h:work").replace("handler = record", "handler = KIND")
KINDS = {"batch": BATCH, "thread": THREAD}
SOURCE = source_ini(**DIRECT)


@pytest.fixture
def worker(far):
    """Start the far side with one of these handlers."""
    return lambda kind="batch", extra="": far(extra, FAR_SIDE.replace("KIND", kind), **KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_kills_of_the_far_side_lose_nothing(start, far, worker, sender, until, kind):
    messages = 60_000
    server = worker(kind)
    source = start(SOURCE)
    sender().more(messages)
    for part in (4, 2):
        until(lambda n=messages // part: len(set(far.recorded)) > n - messages // 8)
        server.kill()
        server = worker(kind)
    until(lambda: settled(source, messages), "all acknowledgements")
    found = far.recorded
    first = in_order(found)
    print(f"{kind}: lost {messages - len(first)}, doubled {len(found) - len(first)}")
    assert first == list(range(messages))
    assert sink_of(source)["sent"] == messages
    fates = server.status()["ledger"]["fates"]
    assert set(fates) <= {"consumed", "duplicate"}


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_refused_later_is_refused_to_the_source(start, worker, make, fill, until, kind):
    server = worker(kind)
    source = start(SOURCE)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    for number, type in enumerate((b"data.x", b"data.refused", b"data.x")):
        client.send_multipart([b"", type, b"", b"%d" % number])
    until(lambda: settled(source, 3))
    sink, word = sink_of(source), "failed" if kind == "thread" else "refused"
    assert (sink["sent"], sink["dropped"]) == (2, {word: 1})
    assert server.status()["ledger"]["fates"] == {"consumed": 2, word: 1}
    server.tracebacks = True


def test_a_message_without_an_outcome_in_time_has_failed(start, far, worker, make, fill, until):
    server = worker(extra="accept-timeout = 6 s")  # enough for the other one on a busy machine
    source = start(SOURCE)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data.never", b"", b"0"])
    client.send_multipart([b"", b"data.x", b"", b"1"])
    until(lambda: settled(source, 2))
    sink = sink_of(source)
    assert (sink["sent"], sink["dropped"], far.recorded) == (1, {"failed": 1}, [1])
    assert server.status()["ledger"]["fates"] == {"consumed": 1, "failed": 1}
    assert server.wait_for("no outcome within accept-timeout = 6 s")
    server.tracebacks = True


def test_a_stop_acknowledges_nothing_that_has_no_outcome(start, worker, make, fill, until):
    server = worker()
    source = start(SOURCE)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data.x", b"", b"0"])
    client.send_multipart([b"", b"data.never", b"", b"1"])
    until(lambda: sink_of(source)["sent"] == 1)
    until(lambda: server.status()["ledger"]["received"] == 2)
    assert server.stop() == 0
    assert server.wait_for("stopped handler=h:work messages without an outcome=1")
    assert sink_of(source)["waiting"] == 1
    server = worker(extra="accept-timeout = 300 ms")
    until(lambda: settled(source, 2))
    assert sink_of(source)["dropped"] == {"failed": 1}
    server.tracebacks = True


def test_a_reload_waits_for_the_outcome_of_what_the_old_handler_has(
    start, far, worker, make, fill, until, tmp_path
):
    server = worker(extra="accept-timeout = 2 s")
    source = start(SOURCE)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    client.send_multipart([b"", b"data.never", b"", b"0"])
    until(lambda: server.status()["ledger"]["received"] == 1)
    ini = FAR_SIDE.replace("KIND", "thread").replace("EXTRA", "accept-timeout = 2 s")
    server.reload(fill(ini))
    client.send_multipart([b"", b"data.x", b"", b"1"])
    until(lambda: far.recorded == [1])
    until(lambda: settled(source, 2))
    assert sink_of(source)["dropped"] == {"failed": 1}
    server.tracebacks = True
