"""The two programs: their arguments, what they write, and when they end."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import zmq

from ccproxy.testing import free_ports
from ccproxy_handlers.cameo import programs

FOLDER = Path(sys.executable).parent
SECONDS = 60


def started(name, *ports, **environment):
    command = [str(FOLDER / name), *map(str, ports)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        env={**os.environ, **environment},
    )  # fmt: skip


def until_it_listens(port):
    end = time.monotonic() + SECONDS
    while time.monotonic() < end:
        with socket.socket() as one:
            if one.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


@pytest.fixture
def run():
    """Start programs, kill them at the end; nothing may be in the pipe."""
    processes = []

    def start(name, *ports, **environment):
        processes.append(started(name, *ports, **environment))
        for port in ports[:2]:
            until_it_listens(int(port))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        assert process.communicate()[0] == ""


def test_requests_and_answers(run):
    [port] = free_ports(1)
    run("cameo-rep-proxy", port)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as server:
        server.routing_id, server.rcvtimeo, server.linger = b"0:0", 1000 * SECONDS, 0
        server.connect(f"tcp://127.0.0.1:{port}")
        with context.socket(zmq.DEALER) as client:
            client.rcvtimeo, client.linger = 200, 0
            client.connect(f"tcp://127.0.0.1:{port}")
            client.send_multipart([b"", b"unknown", b"", b"1"])
            client.send_multipart([b"", b"0:0", b""])
            end = time.monotonic() + SECONDS
            while not server.poll(100):
                client.send_multipart([b"", b"0:0", b"", b"1"])
                assert time.monotonic() < end
            server.send_multipart(server.recv_multipart())
            client.rcvtimeo = 1000 * SECONDS
            assert client.recv_multipart() == [b"", b"0:0", b"", b"1"]


def test_publications_and_further_arguments(run):
    ports = free_ports(2)
    run("cameo-pub-proxy", *ports, "and", "more")
    with zmq.Context() as context, context.socket(zmq.SUB) as sub, context.socket(zmq.PUB) as pub:
        pub.linger, sub.rcvtimeo = 0, 1000 * SECONDS
        pub.connect(f"tcp://127.0.0.1:{ports[1]}")
        sub.connect(f"tcp://127.0.0.1:{ports[0]}")
        sub.subscribe("status")
        end = time.monotonic() + SECONDS
        while not sub.poll(50):
            pub.send_multipart([b"status", b"1"])
            assert time.monotonic() < end
        assert sub.recv_multipart() == [b"status", b"1"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("cameo-rep-proxy", []), ("cameo-pub-proxy", ["1"]), ("cameo-rep-proxy", ["port"])],
)
def test_what_cannot_start_says_why_in_one_line(name, words):
    process = started(name, *words)
    said = process.communicate(timeout=SECONDS)[0]
    assert process.returncode == 1 and said.count("\n") == 1
    assert said.startswith(("usage: cameo-", "cannot listen on tcp://0.0.0.0:port: "))


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        process = started("cameo-rep-proxy", taken.getsockname()[1])
        assert "already in use" in process.communicate(timeout=SECONDS)[0]
        assert process.returncode == 1


@pytest.mark.parametrize("asked", [True, False])
def test_it_ends_with_its_parent_if_that_is_asked_for(asked):
    [port] = free_ports(1)
    child = f"""import subprocess, time
command = [{str(FOLDER / "cameo-rep-proxy")!r}, "{port}"]
print(subprocess.Popen(command, stdout=subprocess.DEVNULL).pid, flush=True)
time.sleep({SECONDS})"""
    extra = {programs.ENDS_WITH_PARENT: "1"} if asked else {}
    with subprocess.Popen(
        [sys.executable, "-c", child],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **extra},
    ) as parent:
        pid = int(parent.stdout.readline())
        until_it_listens(port)
        parent.kill()
    try:
        if asked:
            until_ended(port)
        else:
            time.sleep(2 * programs.LOOK_INTERVAL)
            until_it_listens(port)
    finally:
        if not asked:
            os.kill(pid, signal.SIGKILL)


def until_ended(port):
    end = time.monotonic() + SECONDS
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        while True:
            try:
                one.bind(("127.0.0.1", port))
                return
            except OSError:
                assert time.monotonic() < end
                time.sleep(0.05)


def test_a_burst_reaches_a_subscriber_whole(run):
    ports = free_ports(2)
    run("cameo-pub-proxy", *ports)
    with zmq.Context() as context, context.socket(zmq.SUB) as sub, context.socket(zmq.XPUB) as pub:
        pub.linger, pub.sndhwm, sub.rcvhwm, sub.rcvtimeo = 0, 0, 0, 1000 * SECONDS
        pub.connect(f"tcp://127.0.0.1:{ports[1]}")
        sub.connect(f"tcp://127.0.0.1:{ports[0]}")
        sub.subscribe("a")
        assert pub.recv() == b"\1a"
        for number in range(20_000):
            pub.send_multipart([b"a", b"%d" % number])
        assert [int(sub.recv_multipart()[1]) for _ in range(20_000)] == list(range(20_000))


def test_it_behaves_as_the_programs_of_cameo():
    found = programs.options({"responder": "tcp://0.0.0.0:1"})
    assert found.identity_conflict == "unserved" and not found.type
    assert found.max_message == found.limits.bytes == programs.QUEUE and not found.limits.messages
