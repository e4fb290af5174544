"""Logs and files that are stuck: peers are answered, and SIGTERM ends the server."""

import fcntl
import os
import signal
import subprocess
import sys
import time

import pytest
import zmq

from ccproxy.testing.server import free_ports

ANSWERED = 60.0
"""Seconds; an answer takes a few milliseconds on a machine with nothing else to do."""
ENDED = 60.0
"""Seconds; a stop takes about two with a log that is stuck."""

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = local
stats-period = 100 ms
infofile = {folder}/info
{more}
[routes]
echo = h:echo
[h:echo]
handler = echo
"""
REQUEST = b'{"req": "echo.request", "time": 1, "hostname": "h", "target": "t", "blob_hash": ""}'


@pytest.fixture
def started(tmp_path, until):
    """Starts a server whose stderr is this descriptor, and waits until it answers."""
    running = []

    def start(stderr, *flags, environment=None, more=""):
        [port] = free_ports(1)
        ini = tmp_path / "server.ini"
        ini.write_text(INI.format(port=port, folder=tmp_path, more=more))
        command = [sys.executable, "-m", "ccproxy", *flags, str(ini)]
        made = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stderr=stderr, env=environment and dict(environment)
        )
        running.append(made)
        return made, port

    yield start
    for one in running:
        one.kill()
        one.wait()


@pytest.fixture
def client():
    """Connects a DEALER to a port."""
    with zmq.Context() as context:
        made = []

        def connect(port):
            socket = context.socket(zmq.DEALER)
            socket.linger = 0
            socket.connect(f"tcp://127.0.0.1:{port}")
            made.append(socket)
            return socket

        yield connect
        for one in made:
            one.close()


def answered(socket, seconds=ANSWERED):
    socket.send_multipart([b"", b"echo.request", REQUEST, b""])
    assert socket.poll(int(seconds * 1000)), "no answer"
    return socket.recv_multipart()


def end(process):
    process.send_signal(signal.SIGTERM)
    return process.wait(ENDED)


def test_stderr_that_nobody_reads_stops_nobody(started, client):
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    process, port = started(writer, "-v", "-v")
    os.close(writer)
    socket = client(port)
    answered(socket, 60)
    for number in range(100):  # the first 50 make a line each of 200 characters
        socket.send_multipart([b"", b"no.route." + b"x" * 200 + b"%d" % number, b"{}", b""])
        fresh = client(port)  # each connection makes two lines
        answered(fresh)
        fresh.close()
    answered(socket)
    assert end(process) == 0
    os.close(reader)


@pytest.mark.parametrize("which", ["logfile", "infofile", "infofile.new"])
def test_a_fifo_without_a_reader_stops_nobody(started, client, tmp_path, which):
    more = ""
    if which == "logfile":
        os.mkfifo(tmp_path / "log")
        more = f"logfile = {tmp_path}/log"
    else:
        os.mkfifo(tmp_path / which.replace("infofile", "info"))
    with (tmp_path / "stderr").open("wb") as stderr:
        process, port = started(stderr, more=more)
    socket = client(port)
    answered(socket, 60)
    time.sleep(0.3)  # the file is written each 100 ms
    answered(socket)
    assert end(process) == 0
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert " ledger " in lines[-1]
    said = sum("it is no regular file" in line for line in lines)
    assert said == (which == "infofile")


def test_a_type_of_megabytes_is_one_short_line(started, client, tmp_path):
    with (tmp_path / "stderr").open("wb") as stderr:
        process, port = started(stderr, more="max-message = 40 MiB")
    socket = client(port)
    answered(socket, 60)
    socket.send_multipart([b"", b"t" * 30_000_000, b"{}", b""])
    answered(socket, 60)
    assert end(process) == 0
    text = (tmp_path / "stderr").read_text()
    [line] = [line for line in text.splitlines() if "no route" in line]
    assert line.endswith("ttt... (30000000 characters)") and len(text) < 10_000


def test_the_journal_of_systemd_gets_priorities(started, client, tmp_path):
    with (tmp_path / "stderr").open("wb") as stderr:
        found = os.fstat(stderr.fileno())
        stream = f"{found.st_dev}:{found.st_ino}"
        environment = {**os.environ, "JOURNAL_STREAM": stream}
        process, port = started(stderr, environment=environment)
    answered(client(port), 60)
    assert end(process) == 0
    lines = (tmp_path / "stderr").read_text().splitlines()
    assert "<6>CCServer: New route: echo = h:echo" in lines
    assert all(line.startswith(("<6>", "<4>")) for line in lines)
