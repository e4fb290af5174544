"""Start and stop: what waits is flushed, exit statuses, pid files, addresses that are in use."""

import json
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

SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
pidfile = %(config_dir)s/server.pid
linger = 5 s
[routes]
data = h:next
echo = h:echo
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
linger = 5 s
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
        for one in range(10**9):
            try:
                client.send_multipart([b"", b"data", b"%d" % one + bytes(500)])
            except zmq.Again:
                return
            if one == 5000:
                going.set()

    thread = threading.Thread(target=pump)
    thread.start()
    assert going.wait(10)
    server.process.send_signal(number)
    assert server.process.wait(10) == 0
    thread.join()
    assert not pid.exists()
    server.stop()
    sent = server.outboxes()["h:next"]["sent"]
    assert sent
    assert server.ledger() == {"received": sent, "forwarded": sent}
    for one in range(sent):
        assert far.recv_multipart()[-1].rstrip(b"\0") == b"%d" % one


def test_replies_arrive_before_the_end(start, dial):
    """A client that sends without a pause and reads late gets every reply that was sent to it."""
    server = start(SERVER.replace("linger = 5 s", "linger = 1 s", 1))
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
    """Nobody takes what waits: it is dropped, counted, and the server ends."""
    server = start(SERVER.replace("linger = 5 s", "linger = 300 ms"))
    wire = dial().greet()
    for _ in range(100):
        wire.send(b"", b"data", b"x")
    wire.send(*ASK)
    wire.message()
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert 0.25 < time.monotonic() - begun < 3
    server.stop()
    assert server.outboxes()["h:next"]["dropped-stop"] == 100


def test_a_peer_that_does_not_read_does_not_hold_up_the_end(start, dial):
    server = start(SERVER.replace("linger = 5 s", "linger = 300 ms\npeer-queue = 1 MiB", 1))
    wire = dial(buffer=20_000).greet()
    while not server.count("reason=full"):
        wire.sock.sendall(wire.connection.send(ASK) * 100)
    begun = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(10) == 0
    assert 0.25 < time.monotonic() - begun < 5
    server.stop()
    assert server.outboxes()["ccserver peers gone"]["dropped-gone"] > 1000


def test_a_signal_at_any_moment_of_the_start(tmp_path, fill):
    """Before, while and after the server begins to listen: it ends cleanly, no pid file stays."""
    dice = random.Random(1)
    file = tmp_path / "server.ini"
    file.write_text(fill(SERVER))
    processes = []
    for _ in range(12):
        process = subprocess.Popen(
            [sys.executable, "-m", "ccproxy", str(file)], stderr=subprocess.PIPE, text=True
        )
        time.sleep(dice.uniform(0.0, 0.35))
        process.send_signal(dice.choice([signal.SIGTERM, signal.SIGINT]))
        _, said = process.communicate(timeout=10)
        processes.append((process.returncode, said))
        assert not (tmp_path / "server.pid").exists(), said
        # Before Python itself has started nobody can obey.
        assert process.returncode == 0 or "New route" not in said, said
    assert any(status == 0 for status, _ in processes)


def test_asked_to_stop_again_and_again(start):
    """Also while it is on its way out: it ends as it would have, and no pid file stays."""
    for _ in range(5):
        server = start(SERVER)
        while server.process.poll() is None:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.002)
            server.process.send_signal(signal.SIGINT)
            time.sleep(0.002)
        assert server.process.returncode == 0
        assert not (server.directory / "server.pid").exists()


def test_an_address_in_use_stops_the_start_and_leaves_nothing(start, ports):
    ini = SERVER + "[listen:second]\nprotocol = cc\naddress = tcp://127.0.0.1:PORT3\n"
    with socket.create_server(("127.0.0.1", ports["PORT3"])):
        server = start(ini, ready=False)
        assert server.process.wait(10) == 1
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
    assert second.process.wait(10) == 1
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


def test_signals_by_pid_file(start):
    server = start(SERVER)
    program = [sys.executable, "-m", "ccproxy"]
    file = str(server.directory / "server.ini")
    subprocess.run([*program, "-r", file], check=True, timeout=10, cwd=server.directory)
    server.wait_for("reloaded: ")
    subprocess.run([*program, "-s", file], check=True, timeout=10, cwd=server.directory)
    assert server.process.wait(10) == 0
    again = subprocess.run(
        [*program, "-k", file], check=True, timeout=10, stderr=subprocess.PIPE, text=True
    )
    assert "the server is not running" in again.stderr
    assert not Path(server.directory / "server.pid").exists()
