"""The options of links with acknowledged delivery."""

import pytest

from ccproxy.config.delivery import DeliveryOptions
from ccproxy.core.delivery.source import SourceLimits
from tests.config.test_links import MIB, read


def test_a_link_only_sends_unless_it_is_told_otherwise():
    options, problems = read(DeliveryOptions)
    assert problems == []
    assert (options.source, options.mode, options.must_acknowledge) == (None, "sent", False)
    assert options.pings.interval == 0.0


def test_options_of_acknowledged_delivery():
    options, problems = read(
        DeliveryOptions, "delivery = acknowledged", "window = 1 MiB", "on-doubt = wait",
        "attempts = 3",
    )  # fmt: skip
    assert problems == []
    assert options.source == SourceLimits(MIB, 3, "wait")
    assert (options.mode, options.must_acknowledge) == ("acknowledged", True)


def test_a_link_that_waits_for_acknowledgements_pings():
    options, _ = read(DeliveryOptions, "delivery = acknowledged-if-possible")
    assert not options.must_acknowledge
    assert (options.pings.interval, options.pings.timeout) == (5.0, 5.0)
    options, _ = read(DeliveryOptions, "delivery = acknowledged", "heartbeat = 1 s")
    assert (options.pings.interval, options.pings.timeout) == (1.0, 1.0)


@pytest.mark.parametrize(
    "line", ["delivery = often", "on-doubt = never", "attempts = 0", "window = 3"]
)
def test_wrong_values_are_named(line):
    _, problems = read(DeliveryOptions, line)
    assert len(problems) == 1
