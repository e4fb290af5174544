"""Handlers that are slow, block, raise or lie: the others never notice, and the log names them."""

import statistics
import threading
import time

import pytest
import zmq

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = %(config_dir)s/plugins
[routes]
data = h:next
compute = h:compute
sleep = h:sleep
busy = h:busy
raise = h:raise, h:next
step = h:step
tick = h:tick
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
[h:compute]
handler = compute
[h:sleep]
handler = sleep
[h:busy]
handler = busy
[h:raise]
handler = raise
[h:step]
handler = step
[h:tick]
handler = tick
"""
PLUGINS = {
    "compute": """
class Compute(Handler):
    runs = "thread"

    def handle(self, message):
        end = time.perf_counter() + 0.1
        number = 0
        while time.perf_counter() < end:
            number += 1
        return Reply("computed", {"number": number})
""",
    "sleep": """
class Sleep(Handler):
    runs = "thread"

    def handle(self, message):
        time.sleep(1)
        return Reply("slept")
""",
    "busy": """
class Busy(Handler):
    def handle(self, message):
        time.sleep(0.05)
""",
    "step": """
class Step(Handler):
    def handle(self, message):
        yield Reply("one")
        time.sleep(0.05)
        yield Reply("two")
""",
    "raise": """
class Raise(Handler):
    def handle(self, message):
        raise RuntimeError("on purpose")
""",
    "tick": """
class Tick(Handler):
    async def start(self, ctx):
        await super().start(ctx)
        ctx.every(0.1, self.tick)

    def tick(self):
        raise RuntimeError("tick tock")
""",
}


@pytest.fixture
def server(start, tmp_path):
    folder = tmp_path / "server" / "plugins"
    folder.mkdir(parents=True)
    for name, text in PLUGINS.items():
        head = '"""A plugin of a test."""\nimport time\nfrom ccproxy import Handler, Reply\n'
        (folder / f"{name}.py").write_text(head + text)
    server = start(SERVER)
    server.tracebacks = True
    return server


@pytest.fixture
def client(server, make, fill):
    return make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))


def test_slow_handlers_in_threads_hold_nobody_up(server, client, make, fill):
    """2,000 messages a second pass while one handler computes and another sleeps."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    slow = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    done = threading.Event()

    def bother():
        while not done.wait(0.2):
            slow.send_multipart([b"", b"compute", b"{}"])
            slow.send_multipart([b"", b"sleep", b"{}"])

    thread = threading.Thread(target=bother)
    thread.start()
    took = []
    begun = time.perf_counter()
    for one in range(6000):
        due = begun + one / 2000
        while (left := due - time.perf_counter()) > 0:
            time.sleep(left)
        sent = time.perf_counter()
        client.send_multipart([b"", b"data", b"%d" % one])
        assert far.recv_multipart()[-1] == b"%d" % one
        took.append(time.perf_counter() - sent)
    done.set()
    thread.join()
    assert statistics.quantiles(took, n=100)[98] < 0.025
    kinds = {slow.recv_multipart()[1] for _ in range(10)}
    assert kinds == {b"computed", b"slept"}
    assert not server.count("slow handler")


def test_a_handler_that_breaks_its_word_is_named_with_its_time(server, client):
    client.send_multipart([b"", b"busy"])
    line = server.wait_for("slow handler handler=h:busy type=busy took=")
    assert 50 <= int(line.partition("took=")[2].split()[0]) < 500
    client.send_multipart([b"", b"step"])
    server.wait_for("slow handler handler=h:step type=step took=")
    assert [client.recv_multipart()[1] for _ in range(2)] == [b"one", b"two"]


def test_a_handler_that_raises_is_isolated(server, client, make, fill):
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    for one in range(100):
        client.send_multipart([b"", b"raise", b"%d" % one])
    for one in range(100):
        assert far.recv_multipart()[-1] == b"%d" % one
    server.wait_for(
        "handler failed handler=h:raise type=raise messages=1: RuntimeError: on purpose"
    )
    assert server.count("on purpose") <= 4
    server.stop()
    assert server.ledger() == {"received": 100, "forwarded": 100}


def test_a_timer_that_raises_goes_on_and_does_not_fill_the_log(server, client, until):
    until(lambda: server.count("tick tock") >= 1)
    time.sleep(1)
    assert server.count("timer failed") <= 3
