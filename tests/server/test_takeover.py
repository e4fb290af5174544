"""Taking the place of a running server: what is asked for, what comes, and what goes wrong."""

import asyncio
import os
import socket
import threading
from contextlib import suppress

import pytest

from ccproxy.net.notices import ServerLog
from ccproxy.process.handover import (
    CONTROL,
    LISTENER,
    PIDFILE,
    Handed,
    HandoverError,
    HandoverLines,
    encoded,
)
from ccproxy.server import takeover
from ccproxy.server.replacement import GREETING
from ccproxy.server.takeover import NothingToReplace, Takeover, take_over


class OldServer(threading.Thread):
    """A control socket that answers one request with some bytes, and then goes on by a script."""

    def __init__(self, path, answer, script=None):
        super().__init__(daemon=True)
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(path))
        self.listener.listen()
        self.listener.settimeout(60)
        self.answer, self.script = answer, script
        self.request = b""
        self.start()

    def run(self):
        with self.listener, self.listener.accept()[0] as sock:
            sock.settimeout(60)
            while not self.request.endswith(b"\r\n\r\n"):
                self.request += sock.recv(1000)
            sock.sendall(self.answer)
            if self.script is not None:
                assert sock.recv(100) == b'{"begin": true}\n'
                self.script(sock)


@pytest.fixture
def log():
    return ServerLog(lambda: 0.0)


@pytest.fixture
def place(tmp_path):
    return tmp_path / "s"


def test_what_the_old_server_hands_over(place, tmp_path, monkeypatch):
    monkeypatch.delenv("NOTIFY_SOCKET", raising=False)
    monkeypatch.setenv("WATCHDOG_USEC", "5")
    listener = socket.create_server(("127.0.0.1", 0))
    rows = [
        [LISTENER, 3, "h:x", "tcp://a:1", "new"],
        [CONTROL, 4, "", "/c"],
        [PIDFILE, 5, "", "/p"],
    ]

    def script(sock):
        socket.send_fds(sock, [encoded({"handed": rows, "more": False})], [listener.fileno()] * 3)
        assert sock.recv(100) == b'{"got": 3}\n'
        told = {"NOTIFY_SOCKET": "/n", "WATCHDOG_USEC": "7"}
        sock.sendall(encoded({"process": 9, "environment": told, "new": 1}))

    old = OldServer(place, GREETING, script)
    found = take_over([tmp_path / "none", place], 1.5)
    old.join()
    assert b"POST /v1/replace?version=1&linger=1.5&process=" in old.request
    assert found.process == 9
    assert (os.environ["NOTIFY_SOCKET"], os.environ["WATCHDOG_USEC"]) == ("/n", "5")
    [one] = found.sockets()
    assert (one.number, one.owner, one.address) == (3, "h:x", "tcp://a:1")
    assert one.socket.getsockname() == listener.getsockname()
    number, path, control = found.control()
    assert (number, str(path)) == (4, "/c")
    assert found.journal() is None
    assert (found.sockets(), found.control()) == ([], None)
    for sock in (one.socket, control, listener):
        sock.close()
    found.close()  # the pid file, which was not taken, is closed as well


def test_no_server_is_there(tmp_path):
    dead = socket.socket(socket.AF_UNIX)
    dead.bind(str(tmp_path / "dead"))
    dead.close()
    with pytest.raises(NothingToReplace, match="none: No such file.*; .*dead: Connection refused"):
        take_over([tmp_path / "none", tmp_path / "dead"], 1.0)


def test_a_server_that_does_not_answer_is_not_replaced(place, monkeypatch):
    monkeypatch.setattr(takeover, "FIRST_ANSWER", 0.01)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen(0)
        with pytest.raises(HandoverError, match=r"does not answer within 0.01 s"):
            take_over([place], 1.0)
        with (
            socket.socket(socket.AF_UNIX) as waits,
            pytest.raises(HandoverError, match="takes no more requests"),
        ):
            waits.setblocking(False)
            with suppress(BlockingIOError):
                waits.connect(str(place))
            take_over([place], 1.0)


def test_a_server_that_a_signal_has_stopped_is_not_waited_for(place, monkeypatch):
    monkeypatch.setattr(takeover, "stopped_process", lambda sock: 77)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(place))
        listener.listen()
        with pytest.raises(HandoverError, match="a signal has stopped the server; `kill -CONT 77`"):
            take_over([place], 1.0)


@pytest.mark.parametrize(
    ("code", "body", "why"),
    [
        ("409 Conflict", b'{"error": "not now"}', "not now"),
        ("404 Not Found", b'{"error": "nothing"}', "this version of the server cannot be replaced"),
        ("500 Oh", b"[]", "the server answered 500"),
        ("200 OK", b"no json", "Expecting value"),
    ],
)
def test_the_old_server_refuses(place, code, body, why):
    head = f"HTTP/1.1 {code}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    old = OldServer(place, head + body)
    with pytest.raises(HandoverError, match=f"{place}: .*{why}"):
        take_over([place], 1.0)
    old.join()


@pytest.mark.parametrize(
    ("said", "why"),
    [
        (b'{"refused": "another user"}\n', "another user"),
        (b"", "the other server has ended"),
        (b'{"handed": [["listener", "x"]], "more": false}\n', "0 of 1 descriptors"),
    ],
)
def test_it_refuses_later(place, said, why):
    old = OldServer(place, GREETING, lambda sock: sock.sendall(said))
    with pytest.raises(HandoverError, match=why):
        take_over([place], 1.0)
    old.join()


@pytest.fixture
def two(pair):
    """A takeover, and the side of the old server."""
    ours, theirs = pair()
    return Takeover(ours, [], 9), HandoverLines(theirs)


async def test_files_are_released_and_the_old_server_lets_go(two, log, caplog):
    caplog.set_level("INFO")
    takeover, old = two

    async def answers():
        assert await old.receive() == {"release": ["/a.db"]}
        await old.send({"released": ["h:x", "h:y"]})
        assert await old.receive() == {"ready": [1, 2], "process": os.getpid()}
        await old.send({"over": True, "stranded": 7})

    answering = asyncio.ensure_future(answers())
    await takeover.release(["/a.db"], log)
    await takeover.ready([1, 2], log)
    await answering
    assert "released by process=9: h:x, h:y" in caplog.text
    assert "replaced process=9" in caplog.text
    assert takeover.stranded == 7
    assert "7 messages wait in the memory of the replaced process=9" in caplog.text
    takeover.close()


async def test_the_old_server_has_ended(two, log, caplog):
    takeover, old = two
    old.close()
    await takeover.release(["/a.db"], log)
    await takeover.ready([], log)
    assert "process=9 has ended before it let go, this server goes on" in caplog.text
    takeover.close()


async def test_the_old_server_was_told_to_stop(two, log):
    takeover, old = two
    await old.send({"refused": "told to stop"})
    old.close()
    with pytest.raises(HandoverError, match="told to stop"):
        await takeover.ready([], log)
    takeover.close()


async def test_the_old_server_does_not_answer(two, log, caplog, monkeypatch):
    monkeypatch.setattr("ccproxy.server.takeover.RELEASE_TIMEOUT", 0.01)
    monkeypatch.setattr("ccproxy.server.takeover.LAST_ANSWER", 0.01)
    takeover, old = two
    with pytest.raises(HandoverError, match="does not let go of its state files"):
        await takeover.release(["/a.db"], log)
    await takeover.ready([], log)
    assert "process=9 does not answer" in caplog.text
    takeover.close()
    old.close()


def test_what_is_not_taken_is_closed(pair):
    ours, _ = pair()
    descriptor = os.dup(0)
    takeover = Takeover(ours, [Handed(LISTENER, 0, "", "", descriptor)], 9)
    takeover.close()
    with pytest.raises(OSError):
        os.fstat(descriptor)
