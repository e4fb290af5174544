import asyncio
import sys
from dataclasses import dataclass

import pytest

from ccproxy import Discard, Forward, Handler, LinkOptions, Reply, Send, kinds, option
from ccproxy.client import Client
from ccproxy.testing import (
    TIME,
    FakeContext,
    free_ports,
    message,
    options_for,
    run_handler,
    running_server,
)


class Toy(Handler):
    """Does a little of everything."""

    @dataclass(frozen=True, slots=True)
    class Options:
        number: int = option(kinds.natural, help="required")
        words: tuple[str, ...] = option(kinds.names, default=(), aliases=("old",), help="a list")
        delay: float = option(kinds.duration("s"), default=0.0, help="a time")

    stopped = False

    async def start(self, ctx) -> None:
        self.ctx = ctx
        self.link = ctx.link("tcp://far:1", LinkOptions(), self.receive)
        self.came: list[str] = []

    def receive(self, message) -> None:
        self.came.append(message.type)

    def decide(self, type: str):
        if type == "forward":
            return Forward((self.link.outbox,))
        return Discard() if type == "discard" else super().decide(type)

    def handle(self, message):
        if message.type == "fail":
            raise KeyError("why")
        if message.type == "send":
            return Send(self.link, "sent", {"n": self.options.number}, b"blob")
        return [Reply("one"), Reply("two", message.value())]

    async def stop(self) -> None:
        self.stopped = True


@pytest.fixture
def ctx():
    made = FakeContext()
    yield made
    made.close()


def test_replies_come_back_encoded_with_their_route():
    with run_handler(Toy, "number = 5") as toy:
        one, two = toy.give(message("ask", {"x": 1}, route=(b"id", b"Q1")))
        assert (one.type, two.type, two.route) == ("one", "two", (b"id", b"Q1"))
        assert two.value()["x"] == 1
        assert toy.send("ask")[0].route == (b"client",)


def test_what_is_forwarded_or_sent_can_be_taken_from_the_link():
    with run_handler(Toy, {"number": 5}) as toy:
        assert toy.send("forward", {"x": 1}, b"b") == []
        toy.send("send")
        forwarded, sent = toy.ctx.links[0].take()
        assert (forwarded.type, forwarded.route) == ("forward", (b"client",))
        assert (sent.type, sent.route, sent.value()["n"]) == ("sent", (), 5)
        assert sent.payload[2] == b"blob"
        assert toy.ctx.links[0].take() == []
        assert toy.handler.link.outbox.sent == 2


def test_the_far_side_can_answer():
    with run_handler(Toy, "number = 5") as toy:
        toy.ctx.links[0].receive(message("back", route=()))
        assert toy.handler.came == ["back"]


def test_discarded_messages_are_gone():
    with run_handler(Toy, "number = 5") as toy:
        assert toy.send("discard") == []


def test_an_exception_comes_out_and_the_handler_is_stopped():
    with pytest.raises(KeyError, match="why"), run_handler(Toy, "number = 5") as toy:
        toy.send("fail")
    assert toy.handler.stopped


def test_options_are_read_as_from_an_ini():
    toy = options_for(Toy, "number = 7\nwords = a, b\ndelay = 500 ms")
    assert toy == Toy.Options(number=7, words=("a", "b"), delay=0.5)
    assert options_for(Toy, {"number": "7", "old": ("x",)}).words == ("x",)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("", "'number' is missing"),
        ("number = 1\nnumbr = 2", "unknown options: 'numbr'"),
        ("number = x", "whole number"),
    ],
)
def test_wrong_options_are_value_errors(options, complaint):
    with pytest.raises(ValueError, match=complaint):
        options_for(Toy, options)


def test_the_clock_moves_only_by_hand_and_calls_come_in_order(ctx):
    seen = []
    ctx.every(1.0, lambda: seen.append(("every", ctx.now())))
    ctx.call_later(2.5, lambda: seen.append(("later", ctx.now())))
    ctx.call_later(0.5, lambda: ctx.call_later(0.1, lambda: seen.append(("nested", ctx.now()))))
    ctx.advance(3.0)
    assert seen == [("nested", 0.6), ("every", 1.0), ("every", 2.0), ("later", 2.5), ("every", 3.0)]
    assert (ctx.now(), ctx.time()) == (3.0, TIME + 3.0)


def test_log_and_counters_are_recorded(ctx):
    ctx.log.debug("a %s", "b")
    ctx.count("x")
    ctx.count("x", 4)
    ctx.flows_changed()
    assert (ctx.lines, ctx.counters, ctx.flow_changes) == (["DEBUG a b"], {"x": 5}, 1)


def test_tasks_run_when_the_clock_moves(ctx):
    seen = []

    async def work() -> None:
        await asyncio.sleep(0)
        seen.append(await ctx.run_blocking(max, 1, 2))

    ctx.task(work())
    ctx.advance(0.0)
    assert seen == [2]


def test_a_task_that_fails_is_seen(ctx):
    async def work() -> None:
        raise ValueError("oops")

    ctx.task(work())
    with pytest.raises(ValueError, match="oops"):
        ctx.settle()


def test_tasks_and_processes_that_are_left_are_ended():
    ctx = FakeContext()
    ended = []

    async def work() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(True)

    ctx.task(work())
    process = ctx.run(ctx.spawn([sys.executable, "-c", "input()"]))
    ctx.settle()
    ctx.close()
    assert ended == [True]
    assert process.returncode is not None


def test_listeners_are_recorded(ctx):
    assert ctx.run(ctx.listen("tcp://127.0.0.1:9", asyncio.Protocol)) == "tcp://127.0.0.1:9"
    assert ctx.listeners == {"tcp://127.0.0.1:9": asyncio.Protocol}


def test_ports_are_different():
    assert len(set(free_ports(5))) == 5


SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
echo = h:echo
[h:echo]
handler = echo
"""


def test_a_server_runs_and_ends():
    with running_server(SERVER) as server, Client(server.address()) as client:
        answer = client.request("echo.request", {"target": "me"})
        assert (answer.type, answer.value["orig_target"]) == ("echo.response", "me")
    assert server.process.returncode == 0


def test_a_server_that_does_not_start_shows_its_log():
    with pytest.raises(RuntimeError, match=r"(?s)ended without 'ready'.*cc-sockte"):
        running_server(SERVER.replace("socket", "sockte")).__enter__()
