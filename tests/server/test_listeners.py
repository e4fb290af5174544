import asyncio
import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.config.options import options_of
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.server import ServerOptions
from ccproxy.core.message import NativeAnswer
from ccproxy.core.routes import Routes
from ccproxy.core.verdict import Deliver
from ccproxy.net.sockets import connect
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.values import Result, Tree
from ccproxy.server import listeners as module
from ccproxy.server.listeners import Listeners
from ccproxy.testing import free_ports
from tests.certificates import Authority

LOOPBACK = "tcp://127.0.0.1:{}"
PLUGINS = Plugins()


def listen(address, section="ccserver", protocol="cc", certificate=""):
    factory = PLUGINS.protocol(protocol)
    needed = {one.field for one in options_of(factory.Options) if one.required}
    given = {"type": "calc", "socket": "pull", "tls_certificate": certificate}
    options = factory.Options(**{name: given[name] for name in needed})
    return ListenerPlan(section, protocol, factory, address, options, 1)


def plan(*listeners):
    return Plan("x.ini", "x", ServerOptions(cc_socket="tcp://127.0.0.1:1"), listeners, (), ())


async def reaches(address):
    with suppress(OSError):
        (await connect(Address.parse(address), LinkOptions())).close()
        return True
    return False


@pytest.fixture
def open_ones(kit):
    async def open_ones(*listeners):
        made = Listeners(kit())
        await made.commit(made.prepare(plan(*listeners)), plan(*listeners))
        return made

    return open_ones


@pytest.mark.parametrize("protocol", PLUGINS.protocols())
async def test_one_is_opened_kept_and_closed(open_ones, protocol, tmp_path):
    address = LOOPBACK.format(*free_ports(1))
    one = plan(listen(address, "listen:x", protocol, Authority(tmp_path).pair()))
    listeners = await open_ones(*one.listeners)
    [before] = listeners.open.values()
    await listeners.commit(listeners.prepare(one), one)
    assert list(listeners.open.values()) == [before]
    assert await reaches(address)
    await listeners.commit(listeners.prepare(plan()), plan())
    assert listeners.open == {} and not await reaches(address)
    await listeners.close_peers(0)


async def test_all_of_a_plan_or_none(open_ones):
    first, second, taken = (LOOPBACK.format(port) for port in free_ports(3))
    listeners = await open_ones(listen(first))
    port = int(taken.rpartition(":")[2])
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    bad = plan(listen(second), listen(taken, "listen:x"))
    with pytest.raises(OSError, match=r"^\[listen:x\] cannot listen on .*: Address already in use"):
        listeners.prepare(bad)
    other.close()
    await other.wait_closed()
    assert [await reaches(one) for one in (first, second)] == [True, False]
    listeners.abandon(listeners.prepare(bad))
    assert [await reaches(one) for one in (first, second)] == [True, False]
    await listeners.close_peers(0)
    listeners.stop_reading()


async def test_listeners_that_were_never_used_follow_no_routes(kit):
    first, taken = (LOOPBACK.format(port) for port in free_ports(2))
    made = kit()
    listeners, watchers = Listeners(made), made.switch.table.watchers
    one, bad = (
        replace(found, options=replace(found.options, socket="xsub"))
        for found in (listen(first, "listen:x", "zmq"), listen(taken, "listen:y", "zmq"))
    )
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", int(taken.split(":")[2]))
    with pytest.raises(OSError, match="cannot listen"):
        listeners.prepare(plan(one, bad))
    other.close()
    await other.wait_closed()
    assert watchers == []
    listeners.abandon(listeners.prepare(plan(one, bad)))
    assert watchers == []


WIDER = [("tcp://127.0.0.1:{}", "cc", "tcp://*:{}", "cc"),
         ("tcp://*:{}", "cc", "tcp://127.0.0.1:{}", "cc"),
         ("tcp://127.0.0.1:{}", "cc", "tcp://127.0.0.1:{}", "http")]  # fmt: skip


@pytest.mark.parametrize(("old", "was", "new", "is_"), WIDER)
async def test_the_same_port_in_another_way(open_ones, old, was, new, is_):
    """The old listener is in the way: it lets go, and comes back if the rest fails."""
    [port] = free_ports(1)
    here = LOOPBACK.format(port)
    listeners = await open_ones(listen(old.format(port), protocol=was))
    [before] = listeners.open.values()
    wanted = plan(listen(new.format(port), protocol=is_))
    listeners.abandon(listeners.prepare(wanted))
    assert list(listeners.open.values()) == [before] and await reaches(here)
    await listeners.commit(listeners.prepare(wanted), wanted)
    [after] = listeners.open.values()
    assert after is not before and await reaches(here)
    listeners.stop_reading()
    await listeners.close_peers(0)
    assert not await reaches(here)


@pytest.mark.skipif(os.getuid() != 0, reason="only root can become somebody else")
async def test_a_folder_that_may_not_be_written_to(open_ones):
    listeners = await open_ones()
    with TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        os.seteuid(65534)
        try:
            with pytest.raises(OSError, match="Permission denied") as error:
                listeners.prepare(plan(listen(f"ipc://{folder}/x", "listen:x", "sodep")))
        finally:
            os.seteuid(0)
    said = f"[listen:x] cannot listen on ipc://{folder}/x: Permission denied"
    assert str(error.value) == said


async def test_one_that_is_kept_has_the_name_of_its_section(open_ones):
    address = LOOPBACK.format(*free_ports(1))
    listeners = await open_ones(listen(address, "listen:x", "sodep"))
    renamed = plan(listen(address, "listen:y", "sodep"))
    await listeners.commit(listeners.prepare(renamed), renamed)
    [one] = listeners.open.values()
    assert one.name == one.acceptor.name == "listen:y"
    listeners.stop_reading()
    await listeners.close_peers(0)


async def test_one_that_moves_leaves_no_file(open_ones, tmp_path):
    before, after = (listen(f"ipc://{tmp_path}/{name}", "listen:x", "http") for name in "ab")
    listeners = await open_ones(before)
    await listeners.commit(listeners.prepare(plan(after)), plan(after))
    assert [one.name for one in tmp_path.iterdir()] == ["b"]
    assert await reaches(after.address) and not await reaches(before.address)
    listeners.stop_reading()
    assert list(tmp_path.iterdir()) == []
    await listeners.close_peers(0)


async def test_all_that_a_drain_has_closed_are_opened_again_or_none(open_ones, tmp_path):
    [port] = free_ports(1)
    first, second = listen(LOOPBACK.format(port)), listen(f"ipc://{tmp_path}/x", "listen:x")
    third = listen(f"ipc://{tmp_path}/new", "listen:new")
    listeners = await open_ones(first, second)
    listeners.stop_reading()
    await listeners.commit(
        listeners.prepare(plan(first, second, third)), plan(first, second, third)
    )
    before = dict(listeners.open)
    assert not await reaches(first.address) and await reaches(third.address)
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    with pytest.raises(OSError, match=r"\[ccserver\] .*Address already in use"):
        await listeners.reopen(plan(first, second, third))
    assert listeners.open == before and not await reaches(second.address)
    other.close()
    await other.wait_closed()
    await listeners.reopen(plan(first, second, third))
    for one in (first, second, third):
        assert await reaches(one.address)
    kept = [key for key, one in listeners.open.items() if before[key] is one]
    assert [listeners.open[key].name for key in kept] == ["listen:new"]
    listeners.stop_reading()
    await listeners.close_peers(0)


async def test_a_drain_gives_back_the_port_that_the_system_chose(open_ones):
    chosen = listen(LOOPBACK.format(0))
    listeners = await open_ones(chosen)
    [before] = listeners.open.values()
    listeners.stop_reading()
    await listeners.reopen(plan(chosen))
    [after] = listeners.open.values()
    assert after is not before and after.acceptor.bound == before.acceptor.bound
    assert await reaches(after.acceptor.bound)
    listeners.stop_reading()
    await listeners.close_peers(0)


async def test_an_address_that_is_lost_meanwhile_is_said(open_ones, caplog):
    [port] = free_ports(1)
    listeners = await open_ones(listen(LOOPBACK.format(port)))
    prepared = listeners.prepare(plan(listen(f"tcp://*:{port}")))
    [made] = prepared.values()
    made.acceptor.close()
    other = await asyncio.start_server(lambda *_: None, "127.0.0.1", port)
    listeners.abandon(prepared)
    assert "lost after a failed reload: [ccserver]: Address already in use" in caplog.text
    other.close()
    await other.wait_closed()


async def test_ports_chosen_by_the_system_are_each_its_own(open_ones):
    two = [listen("tcp://127.0.0.1:*", name) for name in ("ccserver", "listen:x")]
    listeners = await open_ones(*two)
    assert len({one.acceptor.bound for one in listeners.open.values()}) == 2
    assert len(listeners.outboxes()) == 2
    listeners.stop_reading()
    await listeners.close_peers(0)


class Service:
    """A handler that keeps calls."""

    name = "h:test"
    exclusive = False

    def __init__(self):
        self.messages = []

    def decide(self, type):
        return Deliver()

    def handle(self, message):
        self.messages.append(message)


@pytest.fixture
def calling(kit, until):
    """A listener of calls that a reload takes away while one call is under way."""

    async def calling():
        shared, service = kit(), Service()
        shared.switch.configure(Routes([("calc", ("h:test",))]), {"h:test": service}, {})
        address = LOOPBACK.format(*free_ports(1))
        one = listen(address, "listen:c", "http")
        before = plan(replace(one, options=replace(one.options, linger=0.05)))
        listeners = Listeners(shared)
        await listeners.commit(listeners.prepare(before), before)
        reader, writer = await asyncio.open_connection(*address.removeprefix("tcp://").split(":"))
        writer.write(b"GET /add HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await until(lambda: service.messages)
        await listeners.commit(listeners.prepare(plan()), plan())
        assert listeners.open == {} and not await reaches(address)
        return listeners, service, (reader, writer), before

    return calling


async def test_calls_under_way_are_answered_when_their_listener_goes(calling, until):
    listeners, service, (reader, writer), before = await calling()
    # Its address is free at once, also for the same again.
    again = listeners.prepare(before)
    await listeners.commit(again, before)
    [message] = service.messages
    assert message.origin.answer(message, NativeAnswer(Result(Tree(7)))) == "replied"
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 200") and b"Connection: close" in answer
    writer.close()
    await until(lambda: not listeners._retired)
    [past, *_] = listeners.outboxes()
    assert (past.name, past.sent) == ("listeners gone", 1)
    listeners.stop_reading()
    await listeners.close_peers(0)


async def test_who_takes_too_long_gets_a_fault(calling, until, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_TIMEOUT", 0.02)
    listeners, _, (reader, writer), _ = await calling()
    assert b"its listener is no longer configured" in await reader.read()
    await until(lambda: not listeners._retired)
    writer.close()


async def test_a_server_that_stops_waits_for_listeners_on_their_way_out(calling):
    listeners, service, (reader, writer), _ = await calling()
    loop = asyncio.get_running_loop()
    loop.call_later(0.02, lambda: answer(service.messages[0]))
    await listeners.settle()
    assert b" 200 " in await reader.readline()
    await listeners.close_peers(0)
    assert not listeners._retired
    writer.close()


async def test_a_server_that_stops_waits_no_longer_than_it_may(calling, monkeypatch):
    monkeypatch.setattr(module, "ANSWER_TIMEOUT", 60.0)
    listeners, _, (reader, writer), _ = await calling()
    began = asyncio.get_running_loop().time()
    await listeners.close_peers(0)
    assert asyncio.get_running_loop().time() - began < 30  # otherwise it would be 60 s
    assert b"its listener is no longer configured" in await reader.read()
    writer.close()


def answer(message):
    message.origin.answer(message, NativeAnswer(Result(Tree(7))))


async def test_each_lingers_as_long_as_it_says_and_the_server_does(open_ones, monkeypatch):
    seen = []

    async def close_peers(self, reason, seconds):
        seen.append(seconds)

    monkeypatch.setattr("ccproxy.net.zmtp.listener.ZmtpListener.close_peers", close_peers)
    for own in (0.1, 0.7):
        one = listen("tcp://127.0.0.1:*")
        listeners = await open_ones(replace(one, options=ZmtpListenerOptions(linger=own)))
        listeners.stop_reading()
        await listeners.close_peers(0.5)
    assert seen == [0.1, 0.5]
