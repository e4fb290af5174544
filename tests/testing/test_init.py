from dataclasses import dataclass

import pytest

from ccproxy import Discard, Forward, Handler, LinkOptions, Reply, Send, kinds, option
from ccproxy.testing import message, options_for, run_handler


class Toy(Handler):
    """A handler that uses every part of its context."""

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
