"""One server follows another: both in this process, on the same loop."""

import asyncio
import os
import socket

import pytest

from ccproxy.config.build import build
from ccproxy.plugins import Plugins
from ccproxy.process.signals import ProcessSignals
from ccproxy.server.server import Server
from ccproxy.server.takeover import take_over
from ccproxy.testing import free_ports

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = remote
control = x.sock
http = 127.0.0.1:0
infofile = {folder}/info
{options}
[listen:file]
protocol = cc
address = ipc://{folder}/in
[routes]
echo = h:echo
[h:echo]
handler = echo
"""


class Process:
    """The process around a server."""

    def __init__(self, takeover=None):
        self.takeover = takeover
        self.signals = ProcessSignals()
        self.said = []

    def claim(self):
        self.said.append("claim")
        return []

    def own(self):
        self.said.append("own")

    def files(self):
        return ()

    def kept(self):
        self.said.append("kept")

    def surrendered(self, to):
        self.said.append(to)

    def reload(self):
        raise AssertionError


@pytest.fixture
def make(tmp_path):
    [port] = free_ports(1)

    def make(takeover=None, options=""):
        text = INI.format(port=port, folder=tmp_path, options=options)
        (tmp_path / "x.ini").write_text(text)
        plan, problems = build(str(tmp_path / "x.ini"), {}, Plugins())
        assert plan is not None, problems
        return Server(plan, Process(takeover), Plugins())

    make.port = port
    return make


async def connects(place):
    try:
        if isinstance(place, int):
            _, writer = await asyncio.open_connection("127.0.0.1", place)
        else:
            _, writer = await asyncio.open_unix_connection(str(place))
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def follow(make, tmp_path, linger=0.0, options=""):
    """A server that is about to take the place of the one that runs."""
    takeover = await asyncio.to_thread(take_over, [tmp_path / "x.sock"], linger)
    return make(takeover, options)


async def test_files_and_sockets_belong_to_one_server_at_any_time(make, tmp_path, until):
    old = make()
    await old.start()
    running = asyncio.ensure_future(old.run())
    new = await follow(make, tmp_path)
    assert old.succession.in_charge and not new.succession.in_charge
    assert "replacing this server" in (await old.reloads.outcome()).text
    await new.start()
    await running
    [to] = old.owner.said
    assert (to.process, to.kinds) == (os.getpid(), {"listener", "control"})
    assert new.owner.said == ["claim", "own"]
    assert new.succession.in_charge and not old.succession.in_charge
    await old.stop()
    assert await connects(make.port) and await connects(tmp_path / "in")
    assert await connects(tmp_path / "x.sock")
    await new.stop()
    assert not (tmp_path / "in").exists() and not (tmp_path / "x.sock").exists()
    assert not await connects(make.port)


async def test_connections_stay_until_they_end(make, tmp_path, until, caplog):
    caplog.set_level("INFO")
    old = make()
    await old.start()
    running = asyncio.ensure_future(old.run())
    with socket.create_connection(("127.0.0.1", make.port)):
        await until(lambda: old.observer.listeners()[0].acceptor.silent)
        new = await follow(make, tmp_path, linger=60.0)
        await new.start()
        await until(lambda: "connections stay for at most 60 s" in caplog.text)
        assert not running.done()
    await running
    assert "stops after its replacement: connections=0 waiting=0" in caplog.text
    await old.stop()
    await new.stop()


async def test_a_start_that_fails_leaves_everything(make, tmp_path, until):
    """Another section has an address that is taken: the old server goes on."""
    old = make()
    await old.start()
    running = asyncio.ensure_future(old.run())
    with socket.create_server(("127.0.0.1", 0)) as taken:
        other = f"[listen:other]\nprotocol = cc\naddress = tcp://127.0.0.1:{taken.getsockname()[1]}"
        new = await follow(make, tmp_path, options=other)
        with pytest.raises(OSError, match="Address already in use"):
            await new.start()
        await new.stop()
        new.owner.takeover.close()
    await until(lambda: old.owner.said == ["kept"])
    assert await connects(make.port) and await connects(tmp_path / "in")
    assert await connects(tmp_path / "x.sock")
    old.ask_to_stop()
    await running
    await old.stop()
    assert not (tmp_path / "in").exists()


async def test_what_the_new_server_does_not_need_is_closed(make, tmp_path):
    old = make(options=f"[listen:x]\nprotocol = cc\naddress = ipc://{tmp_path}/x")
    await old.start()
    running = asyncio.ensure_future(old.run())
    assert await connects(tmp_path / "x")
    new = await follow(make, tmp_path)
    await new.start()
    await running
    await old.stop()
    assert not (tmp_path / "x").exists()
    assert await connects(tmp_path / "in")
    await new.stop()
