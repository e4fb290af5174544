import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy import Full, Handler, NoOptions
from ccproxy.testing import message, run_handler
from ccproxy_handlers.delay import MAX_BATCH, MESSAGE_OVERHEAD, Delay

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
SEEN = json.loads((VECTORS / "filter_delay_queue.json").read_text("utf-8"))["delay"]


class Sink(Handler):
    """A handler that records when it sees which message."""

    def __init__(self) -> None:
        super().__init__("h:sink", NoOptions())
        self.seen: list[tuple[float, str]] = []
        self.now = lambda: 0.0

    def handle(self, message) -> None:
        self.seen.append((self.now(), message.type))


def delaying(options: str, sink: Sink):
    return run_handler(Delay, f"forward-to = h:sink\n{options}", {"h:sink": sink})


def test_three_messages_as_with_the_original():
    sink = Sink()
    with delaying("delay = 2", sink) as delay:
        sink.now = delay.ctx.now
        for number, _ in enumerate(SEEN["measured"]):
            delay.send(f"m{number}")
            delay.ctx.advance(0.3)
        delay.ctx.advance(5.0)
        assert sink.seen == [
            (pytest.approx(2.0 + 0.3 * number), f"m{number}") for number in range(3)
        ]
        counted = {"delay.count": 3, "delay.count.ok": 3}
        assert {name: delay.ctx.counters[name] for name in counted} == counted
        assert delay.ctx.counters["delay.bytes"] == delay.ctx.counters["delay.bytes.ok"] > 0
        assert (delay.handler.bytes, len(delay.handler.waiting)) == (0, 0)


def test_fractions_of_a_second_work():
    sink = Sink()
    with delaying("delay = 500 ms", sink) as delay:
        delay.send("a")
        delay.ctx.advance(0.49)
        assert sink.seen == []
        delay.ctx.advance(0.02)
        assert len(sink.seen) == 1


def test_without_a_delay_a_message_goes_on_in_the_next_turn():
    sink = Sink()
    with delaying("", sink) as delay:
        delay.send("a")
        assert sink.seen == []
        delay.ctx.advance(0.0)
        assert len(sink.seen) == 1


def test_what_finds_no_room_is_full_and_said_once_with_the_sum():
    size = message("a").size + MESSAGE_OVERHEAD
    with delaying(f"delay = 60\nqueue = {2 * size}", Sink()) as delay:
        delay.send("a")
        delay.send("a")
        for _ in range(3):
            with pytest.raises(Full):
                delay.send("a")
        assert delay.ctx.lines == []
        delay.ctx.advance(10.0)
        assert delay.ctx.lines == [f"WARNING queue full dropped=3 queue={2 * size}"]
        assert delay.ctx.counters["delay.count.full"] == 3
        delay.ctx.advance(50.0)
        delay.send("a")
        assert delay.ctx.counters["delay.count.ok"] == 2


def test_a_crowd_is_passed_on_in_turns_and_in_order():
    sink = Sink()
    with delaying("delay = 1", sink) as delay:
        for number in range(3 * MAX_BATCH):
            delay.send(f"m{number}")
        delay.ctx.advance(1.0)
        assert [type for _, type in sink.seen] == [f"m{number}" for number in range(3 * MAX_BATCH)]


def test_what_waits_at_stop_is_lost_and_counted():
    with delaying("delay = 60", Sink()) as delay:
        delay.send("a")
    assert delay.ctx.counters["delay.count.lost"] == 1
    assert delay.ctx.lines[0].startswith("WARNING stopped lost=1 bytes=")


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 3), max_size=12), st.floats(0, 2))
def test_order_is_kept_and_no_message_waits_less_than_the_delay(pauses, seconds):
    sink = Sink()
    options = {"forward-to": "h:sink", "delay": seconds}
    with run_handler(Delay, options, {"h:sink": sink}) as delay:
        sink.now = delay.ctx.now
        sent = []
        for number, pause in enumerate(pauses):
            sent.append((delay.ctx.now(), f"m{number}"))
            delay.send(f"m{number}")
            delay.ctx.advance(pause)
        delay.ctx.advance(10.0)
        assert [type for _, type in sink.seen] == [type for _, type in sent]
        for (begin, _), (end, _) in zip(sent, sink.seen, strict=True):
            assert end - begin == pytest.approx(seconds)


def test_it_says_how_long_a_message_waits():
    with delaying("delay = 1500 ms", Sink()) as delay:
        assert delay.handler.explain("a", None) == "waits 1.5 s, then goes to h:sink"
