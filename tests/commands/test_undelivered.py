"""What keeps messages at a link with acknowledged delivery."""

from dataclasses import replace

import pytest

from ccproxy.commands.undelivered import delivery_findings, refused_at
from tests.server.test_delivery_metrics import IN_MEMORY, LINK, OTHER
from tests.server.test_delivery_values import DELIVERY, SPOOL

EVIL = "\x1b[2J\nfake: line"


def said(**changed):
    link = replace(LINK, delivery=replace(DELIVERY, **changed))
    return [(one.reason, one.messages, one.text) for one in delivery_findings("h:far", [link])]


def test_messages_that_wait_long_for_their_acknowledgement():
    late = "the acknowledgement of the far side, the oldest for 8 s"
    assert said() == [("unacknowledged", 3, f"h:far: 3 messages wait for {late}")]
    assert said(unacknowledged=1)[0][2] == f"h:far: 1 message waits for {late}"


@pytest.mark.parametrize("changed", [{"age": 4.9}, {"acknowledging": False}])
def test_messages_under_way_are_in_nobodys_way(changed):
    assert said(**changed) == []


def test_a_link_that_is_not_up_has_a_finding_of_its_own():
    assert list(delivery_findings("h:far", [OTHER])) == []


def test_a_spool_that_takes_no_messages():
    assert said(age=0.0, spool=replace(SPOOL, bytes=1000)) == [
        ("spool-full", 3, "h:far: its spool is full, 1000 of 1000 bytes wait")
    ]
    failing = replace(SPOOL, bytes=1000, problem=f"disk full {EVIL}")
    [(reason, _, text)] = said(age=0.0, spool=failing)
    assert reason == "spool-failed" and text.startswith("h:far cannot write its spool: disk full")
    assert "\x1b" not in text and "\n" not in text


def test_other_sections_and_links_that_only_send_have_nothing():
    assert list(delivery_findings("h:else", [LINK])) == []
    assert list(delivery_findings("h:far", [replace(LINK, delivery=None)])) == []


def test_what_far_sides_have_not_taken_is_summed_up():
    both = [LINK, replace(LINK, delivery=replace(IN_MEMORY, refused={"failed": 2, "old": 1}))]
    assert refused_at("h:far", both) == {"failed": 7, "old": 1}
    assert refused_at("h:else", both) == {}
