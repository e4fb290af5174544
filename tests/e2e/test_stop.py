"""Start and stop: what waits is flushed, exit statuses, pid files, addresses that are in use."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import zmq

SECONDS = 60
"""How long the tests wait for an event that has to come; a busy machine takes its time."""
RESTARTS = int(os.environ.get("CCPROXY_RESTARTS", "8"))
"""How often a destination is stopped under load."""

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
pidfile = %(config_dir)s/server.pid
linger = 60 s
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
linger = 60 s
"""
REQUEST = {"req": "echo.request", "time": 1.5, "hostname": "h", "blob_hash": "", "target": "t"}
ASK = [b"", b"echo.request", json.dumps(REQUEST).encode(), b""]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_what_was_taken_arrives_before_the_end(start, make, fill, number):
    """The producer goes on while the server stops; each message counted as sent arrives."""
    far = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"), rcvhwm=0)
    server = start(SERVER)
    pid = server.directory / "server.pid"
    assert pid.read_text() == str(server.process.pid)
    client = make(zmq.DEALER, connect=fill("tcp://127.0.0.1:PORT1"), sndtimeo=100)
    going = threading.Event()

    def pump():
        one = 0
        while server.process.poll() is None:
            try:
                client.send_multipart([b"", b"data", b"%d" % one + bytes(500)])
            except zmq.Again:
                continue  # it is busy, or it has ended
            one += 1
            if one == 5000:
                going.set()

    thread = threading.Thread(target=pump)
    thread.start()
    assert going.wait(SECONDS)
    server.process.send_signal(number)
    assert server.process.wait(SECONDS) == 0
    thread.join()
    assert not pid.exists()
    server.stop()
    sent = server.outboxes()["h:next"]["sent"]
    assert sent
    assert server.ledger() == {"received": sent, "forwarded": sent}
    for one in range(sent):
        assert far.recv_multipart()[-1].rstrip(b"\0") == b"%d" % one


def test_no_stop_of_a_destination_loses_what_its_sender_counts_as_sent(start, dial, until):
    """The destination restarts under load; what it has received in all lives is what was sent."""
    first = start(f"{SERVER}reconnect-max = 100 ms\n", name="first")
    far = SERVER.replace("PORT1", "PORT2").replace("data = h:next", "data = h:drop")
    far = far[: far.index("[h:next]")] + "[h:drop]\nhandler = disposer\n"
    wire = dial().greet()
    over = threading.Event()

    def pump():
        chunk = wire.connection.send([b"", b"data", bytes(500)]) * 30
        while not over.wait(0.005):
            wire.sock.sendall(chunk)

    thread = threading.Thread(target=pump)
    thread.start()
    received = 0
    for life in range(1, RESTARTS + 1):
        second = start(far, name="second")
        first.wait_for_count("link up", life)
        time.sleep(0.1)
        second.stop()
        received += second.ledger()["received"]
    over.set()
    thread.join()
    last = start(far, name="second")
    wire.sock.shutdown(socket.SHUT_WR)
    assert wire.closed()
    first.stop()
    last.stop()
    received += last.ledger()["received"]
    assert received == first.outboxes()["h:next"]["sent"] == first.ledger()["received"] > 100


def test_replies_arrive_before_the_end(start, dial):
    """A client that sends without a pause and reads late gets every reply that was sent to it."""
    server = start(SERVER.replace("linger = 60 s", "linger = 6 s", 1))
    wire = dial(buffer=20_000).greet()

    def pump():
        chunk = wire.connection.send(ASK) * 10
        try:
            for _ in range(100_000):
                wire.sock.sendall(chunk)
        except OSError:
            return

    thread = threading.Thread(target=pump)
    thread.start()
    for _ in range(1000):
        wire.message()
    server.process.send_signal(signal.SIGTERM)
    replies = 1000
    with pytest.raises(OSError):  # noqa: PT011 - the end of the connection, one way or the other
        while wire.message():
            replies += 1
    thread.join()
    server.stop()
    assert server.outboxes()["ccserver peers gone"]["sent"] == replies


def test_linger_gives_up_in_time(start, dial):
    """The far side does not take what waits: it is dropped, counted, and the server ends."""
    server = start(SERVER.replace("linger = 60 s", "linger = 300 ms"))
    wire = dial().greet()
    for _ in range(100):
        wire.send(b"", b"data", b"x")
    wire.send(*ASK)
    wire.message()
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SECONDS) == 0
    assert time.monotonic() - begun > 0.25
    server.stop()
    assert server.outboxes()["h:next"]["dropped-stop"] == 100


def test_a_peer_that_does_not_read_does_not_hold_up_the_end(start, dial):
    server = start(SERVER.replace("linger = 60 s", "linger = 300 ms\npeer-queue = 1 MiB", 1))
    wire = dial(buffer=20_000).greet()
    while not server.count("reason=full"):
        wire.sock.sendall(wire.connection.send(ASK) * 100)
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(SECONDS) == 0
    assert time.monotonic() - begun > 0.25
    server.stop()
    assert server.outboxes()["ccserver peers gone"]["dropped-gone"] > 1000


class Starting:
    """A server that was just started; how far it is, its processor time says, busy cores or not."""

    def __init__(self, file):
        self.said = []
        self.process = subprocess.Popen(
            [sys.executable, "-m", "ccproxy", str(file)], stderr=subprocess.PIPE, text=True
        )
        self.ready = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def used(self):
        """Seconds of processor time so far; see clock_getcpuclockid(3)."""
        return time.clock_gettime((~self.process.pid << 3) | 2)

    def end(self):
        """Wait for its end; all it said."""
        try:
            self.process.wait(SECONDS)
        finally:
            self.process.kill()  # if it has not ended; else this does nothing
            self.process.wait()
        self._reader.join()
        self.process.stderr.close()
        return "".join(self.said)

    def _read(self):
        for line in self.process.stderr:
            self.said.append(line)
            if "ready data-path" in line:
                self.ready.set()


def test_a_signal_at_any_moment_of_the_start(tmp_path, fill, until):
    """Before, while and after the server begins to listen: it ends cleanly, no pid file stays."""
    dice = random.Random(1)
    file = tmp_path / "server.ini"
    file.write_text(fill(SERVER))
    first = Starting(file)
    assert first.ready.wait(SECONDS)
    whole = first.used()
    first.process.terminate()
    assert "ledger received=0" in first.end()
    for _ in range(12):
        moment = dice.uniform(0, whole)
        one = Starting(file)
        until(lambda one=one, moment=moment: one.used() >= moment or one.ready.is_set())
        one.process.send_signal(dice.choice([signal.SIGTERM, signal.SIGINT]))
        said = one.end()
        assert not (tmp_path / "server.pid").exists(), said
        # A signal that comes before Python and this program are loaded ends the process at once.
        assert one.process.returncode == 0 or "New route" not in said, said
    assert first.process.returncode == 0


def test_asked_to_stop_again_and_again(start):
    """Signals that come during the stop change nothing: exit status 0, and no pid file stays."""
    for _ in range(5):
        server = start(SERVER)
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.002)
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        assert server.process.returncode == 0
        assert not (server.directory / "server.pid").exists()


SIGNALS_AT_EACH_CHANGE = """
import os, signal, sys, threading
from ccproxy import cli
from ccproxy.server.server import Server

def changing(number, action):
    before = change(number, action)
    if stopping.is_set():
        for one in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT):
            os.kill(os.getpid(), one)
    return before

async def stop(server):
    stopping.set()
    await end(server)

change, signal.signal = signal.signal, changing
end, Server.stop = Server.stop, stop
stopping = threading.Event()
threading.Thread(target=threading.Event().wait, daemon=True).start()
sys.exit(cli.main([sys.argv[1]]))
"""


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
def test_no_signal_has_its_default_action_while_the_server_stops(tmp_path, fill, loop):
    """Once a process died here: a second thread took a signal that was blocked in the first only.

    Each change of what a signal does is followed by all of the signals at once.
    """
    file = tmp_path / "server.ini"
    file.write_text(fill(SERVER))
    without = "import sys; sys.modules['uvloop'] = None\n" if loop == "asyncio" else ""
    program = [sys.executable, "-c", without + SIGNALS_AT_EACH_CHANGE, str(file)]
    with subprocess.Popen(program, stderr=subprocess.PIPE, text=True) as process:
        for line in process.stderr:
            if "ready data-path" in line:
                process.terminate()
        assert process.wait(SECONDS) == 0
    assert not (tmp_path / "server.pid").exists()


def test_an_address_in_use_stops_the_start_and_leaves_nothing(start, ports):
    ini = SERVER + "[listen:second]\nprotocol = cc\naddress = tcp://127.0.0.1:PORT3\n"
    with socket.create_server(("127.0.0.1", ports["PORT3"])):
        server = start(ini, ready=False)
        assert server.process.wait(SECONDS) == 1
        server.stop()
    assert not (server.directory / "server.pid").exists()
    reason = f"[listen:second] cannot listen on tcp://127.0.0.1:{ports['PORT3']}"
    assert server.count(reason) == 1
    assert server.count("Address already in use") == 1
    assert not server.count("listening name=")
    server.killed = True  # exit 1 was asked for
    second = start(ini)
    assert (second.directory / "server.pid").exists()


def test_a_second_server_of_the_same_pid_file_does_not_start(start):
    first = start(SERVER)
    second = start(SERVER.replace("PORT1", "PORT3"), ready=False)
    assert second.process.wait(SECONDS) == 1
    second.stop()
    second.killed = True
    assert second.count(f"process {first.process.pid} is alive")
    assert (first.directory / "server.pid").read_text() == str(first.process.pid)


def test_a_stale_pid_file_is_ignored(start):
    first = start(SERVER)
    first.kill()
    second = start(SERVER)
    assert second.count("ignoring stale pid file")


def test_the_socket_file_of_ipc_is_removed(start, make, tmp_path):
    path = tmp_path / "cc.sock"
    ini = SERVER.replace("tcp://127.0.0.1:PORT1", f"ipc://{path}")
    for life in range(3):
        server = start(ini)
        client = make(zmq.REQ, connect=f"ipc://{path}")
        client.send_multipart(ASK[1:])
        assert client.recv_multipart()[0] == b"echo.response"
        if life == 1:
            server.kill()
            assert path.is_socket()
            continue
        server.stop()
        assert not path.exists()


def test_signals_by_pid_file(start, forks):
    server = start(SERVER)
    file = str(server.directory / "server.ini")
    assert forks.run("-r", file, folder=server.directory).returncode == 0
    server.wait_for("reloaded: ")
    assert forks.run("-s", file, folder=server.directory).returncode == 0
    assert server.process.wait(SECONDS) == 0
    again = forks.run("-k", file)
    assert (again.returncode, "the server is not running" in again.stderr) == (0, True), again
    assert not Path(server.directory / "server.pid").exists()
