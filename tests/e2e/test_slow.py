"""Handlers that are slow, block, raise or lie: the others never notice, and the log names them."""

import threading
import time

import pytest
import zmq

from ccproxy.wire.zmtp import pack

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
infofile = %(config_dir)s/info
stats-period = 200 ms
plugins = %(config_dir)s/plugins
[routes]
data = h:next
compute = h:compute
sleep = h:sleep
busy = h:busy
raise = h:raise, h:next
step = h:step
tick = h:tick
hang = h:hang
log = h:log
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
[h:hang]
handler = hang
[h:log]
handler = locallogger
"""
HEAD = '''"""A plugin of a test."""
import time
from pathlib import Path
from ccproxy import Handler, Reply
'''
PLUGINS = {
    "compute": """
class Compute(Handler):
    runs = "thread"

    def handle(self, message):
        number = 0
        while number % 100_000 or not Path("enough").exists():
            number += 1
        return Reply("computed", {"number": number})
""",
    "sleep": """
class Sleep(Handler):
    runs = "thread"

    def handle(self, message):
        while not Path("enough").exists():
            time.sleep(0.1)
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
    "hang": """
class Hang(Handler):
    def handle(self, message):
        self.ctx.task(self.work())

    async def work(self):
        self.ctx.log.info("hanging")
        await self.ctx.run_blocking(time.sleep, 60)

    def status(self):
        raise RuntimeError("no status")
""",
}


@pytest.fixture
def server(start, tmp_path):
    folder = tmp_path / "server" / "plugins"
    folder.mkdir(parents=True)
    for name, text in PLUGINS.items():
        (folder / f"{name}.py").write_text(HEAD + text)
    server = start(SERVER)
    server.tracebacks = True
    return server


@pytest.fixture
def client(server, make, fill):
    return make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))


def test_slow_handlers_in_threads_hold_no_message_up(server, client, make, fill):
    """Messages pass while one handler computes and another sleeps: both end only after them."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    slow = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"))
    slow.send_multipart([b"", b"compute", b"{}"])
    slow.send_multipart([b"", b"sleep", b"{}"])
    for one in range(500):
        client.send_multipart([b"", b"data", b"%d" % one])
        assert far.recv_multipart()[-1] == b"%d" % one
    assert not slow.poll(0)
    (server.directory / "enough").touch()
    assert {slow.recv_multipart()[1] for _ in range(2)} == {b"computed", b"slept"}
    for name in ("compute", "sleep"):
        assert not server.count(f"slow handler handler=h:{name}")


def test_a_handler_that_breaks_its_word_is_named_with_its_time(server, client):
    client.send_multipart([b"", b"busy"])
    line = server.wait_for("slow handler handler=h:busy type=busy took=")
    assert int(line.partition("took=")[2].split()[0]) >= 50
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


def test_a_flood_to_a_handler_on_the_loop_leaves_time_for_others(server, client, dial, make, fill):
    """A client sends log lines as fast as it can: the others wait for a slice of them only. The
    wait is counted in processor time of the server, which is busy all the time."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    client.send_multipart([b"", b"data"])
    far.recv_multipart()
    rude = dial().greet()
    done = threading.Event()

    def flood():
        chunk = pack([b"", b"log.info", b'{"req": "log.info"}', b""]) * 1000
        while not done.is_set():
            rude.sock.sendall(chunk)

    thread = threading.Thread(target=flood)
    thread.start()
    before = server.cpu
    for _ in range(50):
        client.send_multipart([b"", b"data"])
        far.recv_multipart()
    each = (server.cpu - before) / 50
    done.set()
    thread.join()
    assert each < 0.1


def test_a_timer_that_raises_goes_on_and_does_not_fill_the_log(server, until):
    info = server.directory / "info"
    until(lambda: server.count("tick tock") and info.exists())
    written = info.stat().st_mtime_ns
    until(lambda: info.stat().st_mtime_ns > written)
    assert server.count("handler failed handler=h:tick type=(timer)") == 1


def test_a_status_that_raises_spoils_no_statistics(server, until):
    server.wait_for("handler failed handler=h:hang type=(status)")
    info = server.directory / "info"
    assert "h:next: " in until(lambda: info.exists() and info.read_text())


def test_a_call_that_hangs_does_not_hold_up_the_end(server, client):
    client.send_multipart([b"", b"hang"])
    server.wait_for("hanging")
    begun = time.monotonic()
    assert server.stop() == 0
    assert time.monotonic() - begun < 30  # the call hangs for 60 s
