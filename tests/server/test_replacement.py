"""Another process takes the place of this server, or fails to."""

import asyncio
import os
import socket

import pytest

from ccproxy.config.address import Address
from ccproxy.net.listening import ListeningSockets
from ccproxy.net.notices import ServerLog
from ccproxy.process.control_socket import ControlSocket
from ccproxy.process.handover import HandoverLines, receive_handed, receive_line
from ccproxy.server import replacement as module
from ccproxy.server.replacement import GREETING, Replaceable, Replacement
from ccproxy.server.requests import RequestError

GOOD = {"version": "1", "linger": "2.5", "process": "77"}


class Old:
    """A server that is replaced: what is done with it."""

    def __init__(self, tmp_path):
        self.listening = ListeningSockets()
        self.first = self.listening.open("h:x", Address.parse("tcp://127.0.0.1:0"), 5)
        self.second = self.listening.open("h:y", Address.parse(f"ipc://{tmp_path}/y"), 5)
        self.place = ControlSocket(tmp_path / "c", socket.socket(socket.AF_UNIX))
        self.file = os.open(tmp_path / "p", os.O_CREAT | os.O_RDWR)
        self.done, self.busy = [], ""
        self.replacement = Replacement(
            Replaceable(
                self.listening, lambda: self.busy, lambda: self.place,
                lambda: [("pidfile", "/p", self.file)], self.release, self.restore,
                self.surrender,
            ),
            ServerLog(lambda: 0.0),
        )  # fmt: skip

    async def release(self, files):
        self.done.append(files)
        return ["h:x"]

    async def restore(self):
        self.done.append("restored")

    def surrender(self, to):
        self.done.append(to)
        return 7

    def close(self):
        for one in self.listening.all():
            self.listening.close(one.socket)
        self.place.socket.close()
        os.close(self.file)


@pytest.fixture
def old(tmp_path):
    made = []

    def old():
        made.append(Old(tmp_path))
        return made[-1]

    yield old
    for one in made:
        one.close()


async def begun(old, pair):
    """A replacement that has begun, and the lines of the new server."""
    ours, theirs = pair()
    answer = await old.replacement.answer(GOOD)
    assert answer.code == 101
    answer.upgrade(ours)
    assert await asyncio.get_running_loop().sock_recv(theirs, len(GREETING)) == GREETING
    return HandoverLines(theirs)


def blocking(lines, call):
    """Call with the socket, which blocks as that of a new server at its start."""
    copy = lines.socket.dup()
    copy.settimeout(60)
    try:
        return call(copy)
    finally:
        copy.setblocking(False)
        copy.close()


async def taken(lines):
    """Everything that is handed over, and the line behind it."""
    await lines.send({"begin": True})
    handed = await asyncio.to_thread(blocking, lines, receive_handed)
    last = await asyncio.to_thread(blocking, lines, receive_line)
    lines.socket.setblocking(False)
    for one in handed:
        os.close(one.descriptor)
    return handed, last


async def test_everything_is_handed_over_and_given_up(old, pair, until):
    server = old()
    lines = await begun(server, pair)
    handed, last = await taken(lines)
    assert [(one.kind, one.owner) for one in handed] == [
        ("listener", "h:x"), ("listener", "h:y"), ("control", ""), ("pidfile", ""),
    ]  # fmt: skip
    assert last["process"] == os.getpid()
    assert server.replacement.under_way == "process 77 is replacing this server"
    await lines.send({"release": ["/a.db"], "unknown": 1})
    assert await lines.receive() == {"released": ["h:x"]}
    assert server.done == [["/a.db"]]
    await lines.send({"ready": [1, 2], "process": 78})
    assert await lines.receive() == {"over": True, "stranded": 7}
    surrender = server.done[-1]
    assert (surrender.kinds, surrender.process, surrender.linger) == (
        {"listener", "control"}, 78, 2.5,
    )  # fmt: skip
    assert server.place.lent
    lent = {one.owner: one.lent for one in server.listening.all()}
    assert lent == {"h:x": False, "h:y": True}
    assert server.replacement.under_way
    await server.replacement.close()
    lines.close()


async def test_the_new_server_ends_before_it_is_ready(old, pair, until, caplog):
    server = old()
    lines = await begun(server, pair)
    await taken(lines)
    lines.close()
    await until(lambda: not server.replacement.under_way)
    assert server.done == ["restored"]
    assert "not replaced by process=77: the other server has ended" in caplog.text
    assert not server.place.lent
    assert (await server.replacement.answer(GOOD)).code == 101


async def test_the_new_server_says_something_else(old, pair, until, caplog):
    server = old()
    lines = await begun(server, pair)
    await taken(lines)
    await lines.send({"ready": ["x"]})
    await until(lambda: not server.replacement.under_way)
    assert server.done == ["restored"]
    lines.close()


async def test_this_server_stops_meanwhile(old, pair):
    server = old()
    lines = await begun(server, pair)
    await taken(lines)
    await server.replacement.close()
    with pytest.raises(Exception, match="the old server was told to stop"):
        await lines.receive()
    lines.close()


async def test_another_user_gets_nothing(old, pair, until, monkeypatch, caplog):
    monkeypatch.setattr(module, "peer_user", lambda sock: os.geteuid() + 1)
    server = old()
    lines = await begun(server, pair)
    await lines.send({"begin": True})
    with pytest.raises(Exception, match=f"only user {os.geteuid()} may replace this server"):
        await lines.receive()
    await until(lambda: not server.replacement.under_way)
    lines.close()


@pytest.mark.parametrize(
    ("query", "code", "why"),
    [
        ({}, 409, "version '' of the handover is not known, expected 1"),
        ({**GOOD, "version": "2"}, 409, "stop this server, then start the other one"),
        ({**GOOD, "linger": "long"}, 400, "linger is no number"),
    ],
)
async def test_what_is_refused(old, query, code, why):
    with pytest.raises(RequestError, match=why) as refused:
        await old().replacement.answer(query)
    assert refused.value.code == code


async def test_one_at_a_time(old, pair):
    server = old()
    server.busy = "a reload is under way"
    with pytest.raises(RequestError, match="a reload is under way"):
        await server.replacement.answer(GOOD)
    server.busy = ""
    lines = await begun(server, pair)
    with pytest.raises(RequestError, match="process 77 is replacing this server"):
        await server.replacement.answer(GOOD)
    await server.replacement.close()
    lines.close()
