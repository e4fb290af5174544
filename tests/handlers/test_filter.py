import json
from pathlib import Path

import pytest

from ccproxy import Deliver, Discard, Forward, Handler, NoOptions
from ccproxy.testing import run_handler
from ccproxy_handlers.disposer import Disposer
from ccproxy_handlers.filter import Filter

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
CASES = json.loads((VECTORS / "filter_delay_queue.json").read_text("utf-8"))["filter"]


class Sink(Handler):
    """A handler that sees every message."""

    def __init__(self) -> None:
        super().__init__("h:sink", NoOptions())
        self.seen: list[str] = []

    def handle(self, message) -> None:
        self.seen.append(message.type)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_every_case_of_the_original(case):
    sink = Sink()
    options = "\n".join(["forward-to = h:sink", *case["options"]])
    with run_handler(Filter, options, {"h:sink": sink}) as passing:
        for type in case["passed"]:
            passing.send(type)
        assert sink.seen == [type for type, passed in case["passed"].items() if passed]


def test_the_verdict_is_that_of_the_target():
    class Proxy(Sink):
        def decide(self, type: str) -> Forward:
            return Forward(())

    target = Proxy()
    with run_handler(Filter, "forward-to = h:x\nexclude = log", {"h:x": target}) as passing:
        assert passing.handler.decide("a") == Forward(())
        assert passing.handler.decide("log") == Discard("filtered")


def test_a_bare_deliver_means_the_target():
    sink = Sink()
    with run_handler(Filter, "forward-to = h:sink", {"h:sink": sink}) as passing:
        assert passing.handler.decide("a") == Deliver((sink,))


def test_what_the_handler_behind_it_raises_is_counted():
    sink = Sink()
    with run_handler(Filter, "forward-to = h:sink", {"h:sink": sink}) as second:
        assert second.handler.decide("a").crashes == ("filter.{}",)
        with run_handler(Filter, "forward-to = h:2", {"h:2": second.handler}) as first:
            verdict = first.handler.decide("a")
            assert verdict.crashes == ("filter.{}",) * 2
            assert verdict.counters.count("filter.{}.ok") == 2


def test_filters_can_stand_in_a_row():
    sink = Sink()
    with run_handler(Filter, "forward-to = h:sink\ninclude = a*", {"h:sink": sink}) as second:
        handlers = {"h:2": second.handler}
        with run_handler(Filter, "forward-to = h:2\nexclude = ab", handlers) as first:
            decide = first.handler.decide
            assert decide("aa") == Deliver((sink,))
            assert decide("ab") == decide("b") == Discard("filtered")


def test_what_passes_may_be_disposed_of():
    handlers = {"h:d": Disposer("h:d", NoOptions())}
    with run_handler(Filter, "forward-to = h:d", handlers) as passing:
        assert passing.handler.decide("a") == Discard("disposed")


@pytest.mark.parametrize(
    ("options", "type", "said"),
    [
        ("", "log", "passes to h:sink: no exclude pattern matches"),
        ("include = b*, l*", "log", "passes to h:sink: include l*"),
        ("include = b*", "log", "does not pass: no include pattern matches"),
        ("include = l*\nexclude = a, lo?", "log", "does not pass: exclude lo?"),
    ],
)
def test_the_pattern_that_decides_is_named(options, type, said):
    with run_handler(Filter, f"forward-to = h:sink\n{options}", {"h:sink": Sink()}) as passing:
        assert passing.handler.explain(type, None) == said
