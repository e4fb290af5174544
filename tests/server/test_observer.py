"""What is seen of real parts: listeners, links, handlers that misbehave, sinks, the ledger."""

import asyncio
import os
from dataclasses import dataclass
from pathlib import Path

import pytest
import zmq

from ccproxy import Forward, Handler, LinkOptions, Onward, kinds, option
from ccproxy.config.address import Address
from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import HandlerPlan, ListenerPlan, Plan, RoutePlan
from ccproxy.config.server import ServerOptions
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.net.zmtp.role import ListenerRole, NoMessages
from ccproxy.plugins import Plugins
from ccproxy.server.handlers import HandlerSet
from ccproxy.server.listeners import Listeners
from ccproxy.server.observer import WORST_SINKS, Observer, sinks_status
from ccproxy.testing import free_ports


class Linked(Handler):
    @dataclass(frozen=True)
    class Options(LinkOptions):
        to: int = option(kinds.positive, default=9, help="port")

    async def start(self, ctx):
        await super().start(ctx)
        self.link = ctx.link(f"tcp://127.0.0.1:{self.options.to}", self.options)
        ctx.count("seen", 2)

    def decide(self, type):
        return Forward((self.link.outbox,))

    def status(self):
        return {"state": self.link.state, "what": (1, 2.5, None, {"deep": Address})}


class Binding(Handler):
    async def start(self, ctx):
        await super().start(ctx)
        role = ListenerRole(b"PUSH", NoMessages)
        self.address = ctx.bind("tcp://127.0.0.1:0", ZmtpListenerOptions(), role)


class Raising(Handler):
    def status(self):
        raise self.wrong


def plan(*kinds_):
    [port] = free_ports(1)
    address = f"tcp://127.0.0.1:{port}"
    listener = ListenerPlan(
        "ccserver", "cc", Plugins().protocol("cc"), address, ZmtpListenerOptions(), 1
    )
    plans = tuple(
        HandlerPlan(f"h:{kind.__name__.lower()}", "word", kind, kind.Options(), 1)
        for kind in kinds_
    )
    routes = tuple(RoutePlan(one.section[2:], (one.section,), 1) for one in plans)
    return Plan("x.ini", "x", ServerOptions(cc_socket=address), (listener,), routes, plans)


@pytest.fixture
def observe(kit):
    """Everything a server has, and what ends it."""
    made = []

    async def observe(plan):
        shared = kit()
        handlers, listeners = HandlerSet(shared, Plugins()), Listeners(shared)
        await handlers.apply(plan)
        await listeners.commit(listeners.prepare(plan), plan)

        async def end():
            listeners.stop_reading()
            await handlers.stop(0)
            await listeners.close_peers(0)

        made.append(shared)
        return Observer(shared, handlers, listeners, Path(plan.file)), shared, end

    return observe


async def test_every_section_is_filled(observe, until, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = plan(Linked)
    observer, kit, end = await observe(planned)
    kit.switch.ledger.receive(2, 20, planned.listeners[0].section)
    kit.switch.ledger.receive(1, 10)
    kit.switch.ledger.end("forwarded", 3, 30)
    kit.switch.miss(b"linked")
    port = Address.parse(planned.listeners[0].address).port
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    await until(lambda: observer.status(planned).listeners[0].counts.get("accepted"))
    await until(lambda: observer.status(planned).links[0].state == "refused")
    status = observer.status(planned)
    process = status.process
    assert (process.name, process.pid, process.user) == ("x", os.getpid(), os.geteuid())
    assert process.file == str(tmp_path / "x.ini")
    assert process.started <= process.time
    assert (status.listeners[0].protocol, status.listeners[0].received) == ("cc", 2)
    assert status.listeners[0].address == planned.listeners[0].address
    assert status.links[0].address == "tcp://127.0.0.1:9"
    assert "refused" in status.links[0].reason
    [handler] = status.handlers
    assert (handler.section, handler.handler, handler.counters) == ("h:linked", "word", {"seen": 2})
    assert handler.facts == {
        "state": "refused", "what": [1, 2.5, None, {"deep": str(Address)}],
    }  # fmt: skip
    assert [(one.prefix, one.sections) for one in status.routes] == [("linked", ("h:linked",))]
    assert (status.ledger.received, status.ledger.fates) == (3, {"forwarded": 3})
    assert (status.peers, status.flows, status.sinks.count) == (0, 1, 2)
    writer.close()
    await writer.wait_closed()
    await end()


async def test_the_listener_of_a_handler_is_shown_with_its_peers(observe, until, caplog):
    caplog.set_level("INFO")
    planned = plan(Binding)
    observer, _, end = await observe(planned)
    found = observer.status(planned).listeners[1]
    assert (found.section, found.protocol) == ("h:binding", "word")
    assert f"listening name=h:binding address={found.address}" in caplog.text
    with zmq.Context() as context, context.socket(zmq.PULL) as pulling:
        pulling.connect(found.address)
        await until(lambda: observer.status(planned).listeners[1].peers == 1)
        page = await observer.peers("", 10)
        assert [one.listener for one in page.items] == ["h:binding"]
        assert observer.status(planned).peers == 1
    await end()


@pytest.mark.parametrize("wrong", [
    RuntimeError("on purpose"), SystemExit(3), KeyError("x"), KeyboardInterrupt(),
    asyncio.CancelledError(),
])  # fmt: skip
async def test_a_handler_whose_status_fails_costs_its_own_entry(observe, caplog, wrong):
    Raising.wrong = wrong
    planned = plan(Linked, Raising)
    observer, _, end = await observe(planned)
    good, bad = observer.status(planned).handlers
    assert good.facts["state"] and not good.error
    assert bad.facts == {}
    assert bad.error.startswith(wrong.__class__.__name__)
    assert "handler failed handler=h:raising type=(status)" in caplog.text
    await end()


class Following(Handler):
    def follow(self, type):
        if type == "wrong":
            raise ValueError("no way")
        return Onward(f"takes {type}", ("h:b",))


async def test_what_a_handler_does_with_a_type(observe, caplog):
    observer, _, end = await observe(plan(Following, Linked))
    said = observer.onward("a.b", "h:following")
    assert (said.text, said.sections, said.wrong) == ("takes a.b", ("h:b",), False)
    assert observer.onward("a.b", "h:linked") == Onward()
    assert observer.onward("a.b", "h:nope") is None
    assert observer.onward("wrong", "h:following").text == ""
    assert "no way" in caplog.text
    await end()


async def test_a_status_needs_no_directory(observe, tmp_path, monkeypatch):
    """The server's working directory may be gone."""
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    planned = plan(Linked)
    observer, _, end = await observe(planned)
    (tmp_path / "gone").rmdir()
    assert observer.status(planned).process.file == str(tmp_path / "gone" / "x.ini")
    await end()


async def test_a_slow_status_is_named(observe, caplog, monkeypatch):
    monkeypatch.setattr("ccproxy.server.observer.SLOW_HANDLER_AFTER", -1.0)
    planned = plan(Linked)
    observer, _, end = await observe(planned)
    observer.status(planned)
    assert "slow handler handler=h:linked type=(status)" in caplog.text
    await end()


async def test_pages_are_of_this_server(observe, until):
    planned = plan(Linked)
    observer, kit, end = await observe(planned)
    kit.switch.miss(b"linked.a").count = 5
    kit.switch.miss(b"nowhere").count = 7
    page = await observer.flows("", 10)
    assert [(one.type, one.links, one.fate) for one in page.items] == [
        ("linked.a", ("h:linked",), "discarded"), ("nowhere", (), "unrouted"),
    ]  # fmt: skip
    assert [one.type for one in (await observer.types(1)).items] == ["nowhere"]
    assert len(await observer.all_types()) == 3
    assert (await observer.peers("", 10)).items == ()
    await end()


def test_the_worst_sinks_are_shown_the_others_summed_up():
    boxes = [Outbox(f"box {number}", Limits()) for number in range(WORST_SINKS + 10)]
    for number, box in enumerate(boxes):
        box.dropped["full"] += number
    boxes[0].waiting, boxes[0].bytes = 3, 300
    boxes.append(Outbox("idle", Limits()))
    found = sinks_status(boxes)
    assert (found.count, found.waiting, found.bytes) == (len(boxes), 3, 300)
    assert found.dropped == {"full": sum(range(WORST_SINKS + 10))}
    assert len(found.worst) == WORST_SINKS
    assert found.worst[0].name == f"box {WORST_SINKS + 9}"
    assert "idle" not in {one.name for one in found.worst}


def test_losses_are_named_by_destination_and_reason():
    """Peers of a listener count together; the message may be `forwarded` all the same."""
    boxes = [Outbox(name, Limits()) for name in (
        "h:two", "ccserver 1.2.3.4:5", "ccserver peers gone", "h:one", "ccserver 1.2.3.4:6",
    )]  # fmt: skip
    boxes[0].dropped.update({"full": 3, "old": 0})
    boxes[1].dropped.update({"full": 1, "refused": 2})
    boxes[2].dropped.update({"gone": 4})
    boxes[4].dropped.update({"full": 1})
    assert sinks_status(boxes).losses == {
        "ccserver": {"full": 2, "refused": 2, "gone": 4}, "h:two": {"full": 3},
    }  # fmt: skip


async def test_ten_thousand_sinks_are_summed_up_quickly(observe):
    """The work grows with the number of sinks and with nothing else: no sink is touched twice."""
    touched = []

    class Counted(Outbox):
        @property
        def waiting(self):
            touched.append(1)
            return 0

        @waiting.setter
        def waiting(self, value):
            pass

    boxes = [Counted(str(number), Limits()) for number in range(10_000)]
    touched.clear()
    sinks_status(boxes)
    assert len(touched) <= 2 * len(boxes)
    await asyncio.sleep(0)
