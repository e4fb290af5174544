"""The measurement of a bus that grows: who wants what, and that it sees every message arrive."""

import importlib
import sys
from collections import Counter
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "contrib" / "bench"
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the scripts read /proc")


@pytest.fixture(scope="module")
def bus():
    names = ("bus", "growth", "subscriptions", "turns", "mesh")
    # Another test may have loaded the module `mesh` of the shop.
    others = {name: sys.modules.pop(name) for name in names if name in sys.modules}
    sys.path.insert(0, str(BENCH))
    try:
        yield importlib.import_module("bus")
    finally:
        sys.path.remove(str(BENCH))
        for name in names:
            sys.modules.pop(name, None)
        sys.modules.update(others)


def test_each_message_has_the_subscribers_that_the_row_says(bus):
    assert {case.group for case in bus.CASES} == {"topics", "subscribers", "all", "churn"}
    for case in bus.CASES:
        wanted = Counter(one for n in range(case.subscribers) for one in case.prefixes(n))
        if case.group == "all":
            assert wanted == {b"": case.subscribers} and case.deliveries == case.subscribers
        else:
            assert wanted == dict.fromkeys(map(bus.topic, range(case.topics)), 1)


@pytest.mark.parametrize("group", ["subscribers", "all"])
def test_a_row_is_measured(bus, group):
    rate, used = bus.measure(bus.Case(group, topics=10, subscribers=3, changes=200), 3000)
    assert rate > 0 and used > 0
