"""Numbered runs of any form and their targets; `test_numbered` has those of CC."""

import pytest

from ccproxy.core.delivery.far_side import RememberedLink
from ccproxy.core.delivery.numbered_runs import NumberedRuns
from ccproxy.core.delivery.store import MessageNumber
from ccproxy.core.flows import Target
from ccproxy.core.runs import Run
from ccproxy.testing import message
from ccproxy.wire.zmtp.delivery import Nack
from tests.core.delivery.test_numbered import EPOCH, SOURCE, Pool
from tests.core.test_ingress import FakeSwitch


class ThreeMessages:
    """A run of three messages of one, two and three bytes."""

    messages, size = 3, 6

    def __init__(self):
        self.dropped = 0

    def envelopes(self):
        raise AssertionError("no sink here wants them")

    def run(self):
        return Run(None, 3, payloads=b"")

    def raws(self):
        return [b"1", b"22", b"333"]

    def message(self, raw):
        return message("a", raw.decode())

    def drop(self, target):
        self.dropped += 1


@pytest.fixture
def link():
    made = RememberedLink(SOURCE)
    made.begin(SOURCE, "peer", "listener")
    made.announced(MessageNumber(EPOCH, 1))
    return made


def test_each_message_has_its_own_fate_and_the_source_hears_of_those_that_are_lost(link):
    switch = FakeSwitch()
    NumberedRuns(switch, link).pass_on(Target((Pool(1),)), ThreeMessages())
    assert switch.fates() == {"forwarded": 1, "full": 2}
    assert switch.ledger.fate_bytes["full"] == 5
    assert link.tracker.take_refusals() == [Nack(EPOCH, 2, 2, "full")]


def test_an_input_counts_by_itself_what_goes_nowhere(link):
    given = ThreeMessages()
    NumberedRuns(FakeSwitch(), link).pass_on(Target(fate="unrouted"), given)
    assert given.dropped == 1 and link.tracker.acknowledged == (EPOCH, 3)
