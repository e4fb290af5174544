import asyncio
import os
import signal

import pytest

from ccproxy.config.build import build
from ccproxy.config.problems import Problem
from ccproxy.core.message import Message
from ccproxy.plugins import Plugins
from ccproxy.process.signals import ProcessSignals
from ccproxy.server.server import Server, serve
from ccproxy.testing import free_ports

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:{}
cc-role = remote
plugins = %(config_dir)s
{}
[routes]
echo = h:echo
{}
[h:echo]
handler = echo
"""


@pytest.fixture(autouse=True)
def signals():
    """A server leaves them ignored, because its process is at its end."""
    before = {number: signal.getsignal(number) for number in ProcessSignals.NUMBERS}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def plan_of(tmp_path):
    def plan_of(port, more="", options=""):
        (tmp_path / "x.ini").write_text(INI.format(port, options, more))
        plan, problems = build(str(tmp_path / "x.ini"), {}, Plugins())
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


class Owner:
    """The process around the server; `answers` are those of its reloads."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.is_ready = False
        self.adopted = []
        self.signals = ProcessSignals()
        self.takeover = None

    def files(self):
        return ()

    def ready(self):
        self.is_ready = True
        self.signals.release()

    def reload(self):
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def reloaded(self, adopted):
        self.adopted.append(adopted)


async def test_it_is_ready_reloads_and_stops_by_signals(plan_of, until, caplog):
    caplog.set_level("INFO")
    one, two = free_ports(2)
    owner = Owner(
        (None, [Problem("x.ini", 3, "nothing works")]),
        TypeError("unexpected"),
        (plan_of(one, "more = h:echo"), [Problem("x.ini", 4, "odd", warning=True)]),
        (plan_of(two), []),
    )
    running = asyncio.ensure_future(serve(plan_of(one), owner, Plugins()))
    await until(lambda: owner.is_ready)
    assert await reaches(one)
    for said in (
        "reload failed, the old",
        "the old configuration stays: TypeError('unexpected')",
        "reloaded: routes changed",
        "reloaded: listeners changed",
    ):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda said=said: said in caplog.text)
    assert owner.adopted == [False, False, True, True]
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
    owner = Owner()
    assert await serve(plan_of(one, more), owner, Plugins()) == 1
    assert not owner.is_ready
    assert f"cannot start: [listen:second] cannot listen on tcp://127.0.0.1:{two}" in caplog.text
    assert not await reaches(one)
    taken.close()
    await taken.wait_closed()


async def test_the_books_are_of_all_outboxes(plan_of):
    server = Server(plan_of(*free_ports(1)), Owner(), Plugins())
    await server.start()
    assert [box.name for box in server.observer.outboxes()] == ["ccserver peers gone"]
    await server.stop()


HANGING = """
import asyncio
from ccproxy import Handler
class Hanging(Handler):
    async def start(self, ctx):
        ctx.log.warning("hanging")
        await asyncio.sleep(600)
"""


async def test_a_stop_while_a_reload_hangs_leaves_nothing(plan_of, until, caplog, tmp_path):
    caplog.set_level("INFO")
    (tmp_path / "hanging.py").write_text(HANGING)
    [port] = free_ports(1)
    path = tmp_path / "socket"
    more = f"more = h:hang\n[listen:x]\nprotocol = cc\naddress = ipc://{path}\n"
    more += "[h:hang]\nhandler = hanging\n"
    owner = Owner((plan_of(port, more), []))
    running = asyncio.ensure_future(serve(plan_of(port), owner, Plugins()))
    await until(lambda: owner.is_ready)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: "hanging" in caplog.text)
    assert path.exists()
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0
    assert not path.exists()


async def test_a_start_that_takes_too_long_fails_the_reload_only(plan_of, until, caplog, tmp_path):
    caplog.set_level("INFO")
    (tmp_path / "hanging.py").write_text(HANGING)
    [port] = free_ports(1)
    bad = plan_of(port, "more = h:hang\n[h:hang]\nhandler = hanging\n", "start-timeout = 10 ms")
    owner = Owner((bad, []), (plan_of(port, "more = h:echo"), []))
    running = asyncio.ensure_future(serve(plan_of(port), owner, Plugins()))
    await until(lambda: owner.is_ready)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: owner.adopted == [False])
    assert "[h:hang]: not done within start-timeout = 0.01 s" in caplog.text
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: owner.adopted == [False, True])
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


@pytest.mark.parametrize(("cc_stats", "lines", "types"), [(0, 0, 0), (1, 1, 0), (2, 1, 1)])
async def test_statistics_are_written_as_asked(
    plan_of, until, caplog, tmp_path, monkeypatch, cc_stats, lines, types
):
    monkeypatch.setattr("ccproxy.server.reporting.SAMPLE_INTERVAL", 0.001)
    caplog.set_level("INFO")
    info = tmp_path / "info"
    server = Server(
        plan_of(*free_ports(1), "", f"cc-stats = {cc_stats}\nstats-period = 0.1 s\n"
                f"infofile = {info}\ninfofile-level = 3"),
        Owner(), Plugins(),
    )  # fmt: skip
    await server.start()
    flow = server.switch.miss(b"echo.x")

    def averaged():
        """What moves within the windows is shown, so something moves all the time."""
        flow.count += 1
        server.switch.ledger.receive(1, 10)
        server.switch.ledger.end("consumed", 1, 10)
        return info.exists() and "[avg:60]\nbytes: " in info.read_text()

    running = asyncio.ensure_future(server.run())
    if lines:
        await until(averaged)
    server.ask_to_stop()
    await running
    await server.stop()
    written = [one for one in caplog.messages if one.startswith("{count")]
    assert bool(written) == bool(lines) == info.exists()
    assert any("count.msg.echo.x: " in one for one in written) == bool(types)


async def test_a_fault_in_the_background_is_said(plan_of, until, caplog, monkeypatch):
    async def broken():
        raise RuntimeError("on purpose")

    server = Server(plan_of(*free_ports(1)), Owner(), Plugins())
    monkeypatch.setattr(server, "_watch", broken)
    await server.start()
    running = asyncio.ensure_future(server.run())
    await until(lambda: "ended by a fault, needs a restart: watch" in caplog.text)
    server.ask_to_stop()
    await running
    await server.stop()


async def test_a_plugin_that_ignores_sigterm_cannot_prevent_the_stop(plan_of, until, caplog):
    owner = Owner()
    running = asyncio.ensure_future(serve(plan_of(*free_ports(1)), owner, Plugins()))
    await until(lambda: owner.is_ready)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await until(lambda: "ours are back: SIGTERM" in caplog.text)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


@pytest.mark.parametrize("wrong", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError()])
async def test_a_plugin_that_exits_costs_one_reload(plan_of, until, caplog, wrong):
    """`check` of a plugin is called while the configuration is read."""
    caplog.set_level("INFO")
    [port] = free_ports(1)
    owner = Owner(wrong, (plan_of(port, "more = h:echo"), []))
    running = asyncio.ensure_future(serve(plan_of(port), owner, Plugins()))
    await until(lambda: owner.is_ready)
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: owner.adopted == [False])
    assert f"reload failed, the old configuration stays: {wrong!r}" in caplog.text
    os.kill(os.getpid(), signal.SIGHUP)
    await until(lambda: owner.adopted == [False, True])
    os.kill(os.getpid(), signal.SIGTERM)
    assert await running == 0


async def test_what_one_of_two_destinations_lost_is_said_although_it_was_forwarded(plan_of, caplog):
    caplog.set_level("INFO")
    one, two, port = free_ports(3)
    plan = plan_of(
        port,
        f"both = h:small, h:large\n[h:small]\nhandler = proxy\nremote-cc = tcp://127.0.0.1:{one}\n"
        "queue-messages = 1\n"
        f"[h:large]\nhandler = proxy\nremote-cc = tcp://127.0.0.1:{two}\n",
        "linger = 0",
    )
    server = Server(plan, Owner(), Plugins())
    await server.start()
    message = Message("both", (b"peer",), (b"{}", b""), server.switch.codec)
    assert [server.switch.take(message) for _ in range(3)] == ["forwarded"] * 3
    losses = server.status().sinks.losses
    assert losses == {"h:small": {"full": 2}}
    await server.stop()
    lines = caplog.messages
    assert lines[-2] == "dropped destination=h:small full=2 stop=1"
    assert lines[-1] == "ledger received=3 forwarded=3"
