import asyncio
import os
import signal

import pytest

from ccproxy.config.build import build
from ccproxy.config.problems import Problem
from ccproxy.net.server import SIGNALS, Server, serve
from ccproxy.plugins import Plugins
from ccproxy.testing import free_ports

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:{}
cc-role = remote
[routes]
echo = h:echo
{}
[h:echo]
handler = echo
"""


@pytest.fixture(autouse=True)
def signals():
    """A server leaves them ignored, because its process is at its end."""
    before = {number: signal.getsignal(number) for number in SIGNALS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def plan_of(tmp_path):
    def plan_of(port, more=""):
        (tmp_path / "x.ini").write_text(INI.format(port, more))
        plan, problems = build(str(tmp_path / "x.ini"), {}, Plugins().find)
        assert plan is not None, problems
        return plan

    return plan_of


async def reaches(port):
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    await writer.wait_closed()
    return True


async def test_it_is_ready_reloads_and_stops_by_signals(plan_of, until, caplog):
    caplog.set_level("INFO")
    one, two = free_ports(2)
    answers = [
        (None, [Problem("x.ini", 3, "nothing works")]),
        (plan_of(one, "more = h:echo"), [Problem("x.ini", 4, "odd", warning=True)]),
        (plan_of(two), []),
    ]
    ready = []
    running = asyncio.ensure_future(
        serve(plan_of(one), lambda: answers.pop(0), lambda: ready.append(1))
    )
    await until(lambda: ready)
    assert await reaches(one)
    for said in (
        "reload failed, the old",
        "reloaded: routes changed",
        "reloaded: listeners changed",
    ):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda said=said: said in caplog.text)
    assert "x.ini:3: nothing works" in caplog.text
    assert (await reaches(one), await reaches(two)) == (False, True)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert not await reaches(two)
    assert caplog.records[-1].getMessage() == "ledger received=0"
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN


async def test_an_address_in_use_leaves_nothing(plan_of, caplog):
    one, two = free_ports(2)
    taken = await asyncio.start_server(lambda *_: None, "127.0.0.1", two)
    more = f"[listen:second]\nprotocol = cc\naddress = tcp://127.0.0.1:{two}"
    never = pytest.fail
    assert await serve(plan_of(one, more), never, never) == 1
    assert f"cannot start: [listen:second] cannot listen on tcp://127.0.0.1:{two}" in caplog.text
    assert not await reaches(one)
    taken.close()
    await taken.wait_closed()


async def test_the_books_are_of_all_outboxes(plan_of):
    server = Server(plan_of(*free_ports(1)))
    await server.start()
    assert [box.name for box in server.outboxes()] == ["ccserver peers gone"]
    await server.stop()
