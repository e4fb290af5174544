import asyncio

import pytest

from ccproxy.net.zmtp.commands import RUN, CommandHandler
from ccproxy.wire.zmtp import Heartbeat, ZmtpError, command
from ccproxy.wire.zmtp.commands import COMMAND_MAX, error, ping, pong


class Sent:
    """A sender that remembers; `answered` is called soon after each command."""

    closed = False

    def __init__(self):
        self.commands = []
        self.answered = lambda: None

    def command(self, data):
        if data:
            self.commands.append(data)
            asyncio.get_running_loop().call_soon(self.answered)

    command_later = command


@pytest.fixture
def make():
    made = []

    def make(interval=0.0, timeout=0.0, ttl=0.0, version=(3, 1)):
        sent, closed = Sent(), []
        heartbeat = Heartbeat(interval, timeout, ttl, version)
        made.append(CommandHandler(heartbeat, sent, closed.append, closed.append))
        return made[-1], sent, closed

    yield make
    for handler in made:
        handler.stop()


async def test_pings_are_answered_with_their_context(make):
    handler, sent, closed = make()
    handler.handle(ping(0, b"abc"))
    assert (sent.commands, closed) == ([pong(b"abc")], [])


async def test_commands_behind_each_other_are_obeyed_at_once(make):
    handler, sent, closed = make()
    one, other = ping(0, b"abc"), command(b"ODD")
    data = b"xx" + (one + other) * (RUN // 2 + 1)
    end = handler.obey(data, 2)
    assert end == 2 + RUN // 2 * (len(one) + len(other)) and not closed
    assert sent.commands == [pong(b"abc")] * (RUN // 2)
    assert handler.obey(data, end) == len(data)
    for rest in (b"", b"\0\1x", one[:-1], one[:1]):
        assert handler.obey(rest, 0) == 0
    with pytest.raises(ZmtpError, match="command of"):
        handler.obey(b"\6" + (COMMAND_MAX + 1).to_bytes(8, "big"), 0)


async def test_a_command_that_ends_the_connection_is_the_last_one(make):
    handler, sent, closed = make()
    sent.closed = True
    one = error("no")
    assert handler.obey(one * 3, 0) == len(one) and closed == ["the peer said: no"]


async def test_the_timer_is_set_by_the_ttl_and_not_by_each_ping(make):
    handler, _, _ = make()
    handler.handle(ping(100, b""))
    first = handler._timer
    handler.handle(ping(100, b""))
    assert first is not None and handler._timer is first
    handler.handle(ping(50, b""))
    assert handler._timer is not first


async def test_pings_go_out_in_time(make, until):
    handler, sent, _ = make(interval=0.05, timeout=5)
    await until(lambda: len(sent.commands) == 2)
    assert set(sent.commands) == {ping(0, b"")}
    assert handler


async def test_a_peer_that_does_not_answer_is_given_up(make, until):
    _, _, closed = make(interval=0.05, timeout=0.05)
    await until(lambda: closed)
    assert closed == ["no answer to PING in 0.05 s"]


async def test_a_peer_that_answers_anything_is_not(make, until):
    handler, sent, closed = make(interval=0.05, timeout=0.05)
    sent.answered = handler.heard
    await until(lambda: len(sent.commands) > 5)
    assert closed == []


async def test_a_peer_that_is_not_read_is_not_given_up(make):
    handler, _, closed = make(interval=0.05, timeout=0.05)
    handler.paused = True
    await asyncio.sleep(0.3)
    assert closed == []


async def test_a_peer_is_held_to_its_own_ttl(make, until):
    handler, _, closed = make()
    handler.handle(ping(1, b""))
    await until(lambda: closed)
    assert closed == ["silent for its own TTL of 0.1 s"]


@pytest.mark.parametrize(
    ("unit", "reason"),
    [
        (error("go away"), "the peer said: go away"),
        (command(b"SUBSCRIBE", b"x"), "SUBSCRIBE is for publishers' sockets"),
        (command(b"CANCEL"), "CANCEL is for publishers' sockets"),
        (pong(b"x"), None),
        (command(b"NEWER", b"stuff"), None),
    ],
)
async def test_other_commands(make, unit, reason):
    handler, _, closed = make()
    handler.handle(unit)
    assert closed == ([reason] if reason else [])


async def test_a_peer_is_told_why_it_is_refused_if_it_understands_that(make):
    """libzmq 4.2 knows commands but announces 3.0: a PING of it shows that."""
    handler, sent, closed = make()
    handler.refuse("too big")
    older, quiet, _ = make(version=(3, 0))
    older.refuse("too big")
    assert (sent.commands, quiet.commands, closed) == ([error("too big")], [], [])
    older.handle(ping(0, b""))
    older.refuse("too big")
    assert quiet.commands == [pong(b""), error("too big")]


async def test_nothing_happens_after_the_end(make):
    handler, sent, closed = make(interval=0.05, timeout=0.05)
    handler.stop()
    await asyncio.sleep(0.2)
    assert (sent.commands, closed) == ([], [])
