"""Families of metrics: the sum and the highest of the links of a section; none without samples."""

from ccproxy.server.metric_families import gauges, highest, nested, sums
from ccproxy.server.status import LinkStatus, SinkStatus

LINKS = [
    LinkStatus(section, "", "up", "", number, SinkStatus(section, 0, 0, 0, 0, {}))
    for section, number in (("h:a", 2), ("h:b", 5), ("h:a", 3))
]


def test_the_links_of_a_section_are_one_sample():
    assert sums(LINKS, lambda one: one.reconnects) == [(("h:a",), 5), (("h:b",), 5)]
    assert highest(LINKS, lambda one: one.reconnects) == [(("h:a",), 3), (("h:b",), 5)]


def test_a_family_without_samples_is_left_out():
    assert list(gauges("x", "about", ("section",), [])) == []
    [family] = gauges("x", "about", ("section",), [(("h:a",), 1)])
    assert [(one.name, one.value) for one in family.samples] == [("ccserver_x", 1)]


def test_counts_by_section_and_reason():
    assert nested({"h:a": {"full": 1}}) == [(("h:a", "full"), 1)]
