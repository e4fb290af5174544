import asyncio
import logging
import signal
import sys
import time

import pytest

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.core.outbox import Limits
from ccproxy.net.threads import Pool
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.server.context import HandlerContext


class HandlerServices:
    def __init__(self):
        self.pool = Pool(2, "test")
        self.refreshed = 0

    def refresh(self):
        self.refreshed += 1

    def routes(self, section):
        return (f"route.of.{section}",)

    def handler(self, section):
        return {"h:other": "other"}[section]


@pytest.fixture
def make(kit):
    def make():
        services = HandlerServices()
        return HandlerContext("h:x", kit(), services), services

    return make


async def test_timers_run_until_the_end(make, until):
    ctx, _ = make()
    ticks = []
    ctx.every(0.005, lambda: ticks.append(ctx.now()))
    ctx.call_later(0.01, lambda: ticks.append("once"))
    await until(lambda: len(ticks) > 4 and "once" in ticks)
    ctx.call_later(0.01, lambda: ticks.append("never"))
    await ctx.close()
    count = len(ticks)
    ctx.call_later(0, lambda: ticks.append("never"))
    await asyncio.sleep(0.03)
    assert len(ticks) == count
    assert ticks.count("once") == 1


async def test_a_timer_that_raises_or_takes_long_is_named_and_goes_on(make, until, caplog):
    ctx, _ = make()
    calls = []

    def tick():
        calls.append(1)
        if len(calls) == 1:
            raise RuntimeError("on purpose")
        if len(calls) == 2:
            time.sleep(0.01)
        if len(calls) == 3:
            sys.exit(7)

    ctx.every(0.002, tick)
    await until(lambda: len(calls) > 4)
    await ctx.close()
    text = caplog.text
    assert "handler failed handler=h:x type=(timer) messages=1: RuntimeError: on purpose" in text
    assert "slow handler handler=h:x type=(timer) took=" in text
    assert "type=(timer) messages=1: PluginExit: raised SystemExit(7)" in text


async def test_tasks_end_with_the_handler_and_their_errors_are_said(make, until, caplog):
    ctx, _ = make()
    ended = []

    async def wait():
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(1)

    async def fail():
        raise RuntimeError("on purpose")

    async def leave():
        sys.exit(7)

    ctx.task(wait())
    ctx.task(fail())
    ctx.task(leave())
    await until(lambda: "on purpose" in caplog.text and "raised SystemExit(7)" in caplog.text)
    assert not ended
    await ctx.close()
    assert ended


async def test_blocking_calls_get_their_arguments(make):
    ctx, _ = make()
    assert await ctx.run_blocking(divmod, 7, 2) == (3, 1)
    with pytest.raises(ZeroDivisionError):
        await ctx.run_blocking(divmod, 7, 0)
    await ctx.close()


async def test_processes_end_with_the_handler(make):
    ctx, _ = make()
    sleeper = "import time; time.sleep(60)"
    process = await ctx.spawn([sys.executable, "-c", sleeper])
    over = await ctx.spawn([sys.executable, "-c", ""])
    await over.wait()
    await ctx.close()
    assert process.returncode == -signal.SIGTERM
    assert over.returncode == 0


@pytest.mark.parametrize("text", ["tcp://127.0.0.1:0", "ipc://{}/x"])
async def test_listeners_of_a_handler_close_with_it(make, tmp_path, text):
    ctx, _ = make()
    bound = await ctx.listen(text.format(tmp_path), asyncio.Protocol)

    async def dial():
        if bound.startswith("ipc"):
            return await asyncio.open_unix_connection(bound.removeprefix("ipc://"))
        return await asyncio.open_connection("127.0.0.1", int(bound.rpartition(":")[2]))

    _, writer = await dial()
    writer.close()
    await writer.wait_closed()
    await ctx.close()
    with pytest.raises(OSError):  # noqa: PT011
        await dial()


async def test_the_rest_is_passed_on(make, caplog):
    caplog.set_level(logging.INFO)
    ctx, services = make()
    ctx.flows_changed()
    assert services.refreshed == 1
    assert ctx.routes == ("route.of.h:x",)
    assert ctx.handler("h:other") == "other"
    ctx.count("a")
    ctx.count("a", 4)
    assert ctx.counters == {"a": 5}
    assert ctx.time() > 1_000_000_000
    ctx.log.info("hello")
    assert [(one.name, one.getMessage()) for one in caplog.records] == [("h:x", "hello")]
    await ctx.close()


async def test_who_left_is_told_until_the_end(make, caplog):
    ctx, _ = make()
    heard = []
    ctx.on_departure(sys.exit)
    ctx.on_departure(heard.append)
    ctx._kit.departed(b"a")
    assert "type=(departure) messages=1: PluginExit: raised SystemExit(b'a')" in caplog.text
    await ctx.close()
    ctx._kit.departed(b"b")
    assert heard == [b"a"]


async def test_changes_of_routes_are_told_until_the_end(make, caplog):
    ctx, _ = make()
    heard = []
    ctx.watch(sys.exit)
    ctx.watch(lambda: heard.append([one.fate for one in ctx.targets("a", below=True)]))
    ctx.watch(heard.clear)
    ctx.unwatch(heard.clear)
    ctx.unwatch(heard.clear)
    ctx._kit.switch.table.clear()
    assert "type=(flows) messages=1: PluginExit" in caplog.text
    await ctx.close()
    ctx._kit.switch.table.clear()
    assert heard == [["unrouted"]] and not ctx._kit.switch.table.watchers


async def test_a_flush_that_exits_keeps_no_other_from_its_flush(make, until, caplog):
    ctx, _ = make()
    flushed = []

    class One:
        def __init__(self, call):
            self.flush = call

    ctx.flush_later(One(lambda: sys.exit(7)))
    ctx.flush_later(One(lambda: flushed.append(True)))
    await until(lambda: flushed)
    assert "type=(flush) messages=1: PluginExit: raised SystemExit(7)" in caplog.text
    await ctx.close()


async def test_an_outbox_of_a_handler_counts_for_the_memory_of_the_server(make):
    context, _ = make()
    box = context.outbox("h:x", Limits(100, 2))
    box.offer(b"\0\1x", 1)
    assert context._kit.memory.used > 3
    assert box.limits == Limits(100, 2)


async def test_who_cannot_listen_says_where(make):
    ctx, _ = make()
    taken = await ctx.listen("tcp://127.0.0.1:0", asyncio.Protocol)
    with pytest.raises(OSError, match=f"^cannot listen on {taken}: Address already in use$"):
        await ctx.listen(taken, asyncio.Protocol)
    role = ListenerRole(b"PULL", lambda *_: None)
    with pytest.raises(OSError, match=f"^cannot listen on {taken}: Address already in use$"):
        ctx.bind(taken, ZmtpListenerOptions(), role)
    with pytest.raises(OSError, match=r"^cannot listen on tcp://no-host\.invalid:1: "):
        ctx.bind("tcp://no-host.invalid:1", ZmtpListenerOptions(), role)
    await ctx.close()
