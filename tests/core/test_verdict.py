"""Verdicts are values; a refusal has a fate."""

from __future__ import annotations

import pytest

from ccproxy.core.ledger import FATES
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.verdict import Accepted, Deliver, Discard, Forward, Full, Refuse, Verdict
from ccproxy.testing import message


def test_verdicts_are_compared_by_what_they_say() -> None:
    box = Outbox("box", Limits())
    assert Forward((box,)) == Forward((box,)) != Forward((box, box))
    assert Deliver() == Deliver(())
    assert Discard() == Discard("discarded")


@pytest.mark.parametrize("verdict", [Forward(()), Deliver(), Discard()])
def test_every_verdict_is_one(verdict: Verdict) -> None:
    assert isinstance(verdict, Verdict)


@pytest.mark.parametrize("refusal", [Refuse, Full])
def test_a_refusal_has_a_fate_of_the_ledger(refusal: type[Refuse]) -> None:
    assert issubclass(refusal, Refuse)
    assert refusal.fate in FATES


def test_an_outcome_is_said_once_and_told_to_whom_it_is_bound() -> None:
    told: list[object] = []
    accepted = Accepted(message("a"))
    accepted.bind(lambda outcome: told.append(outcome) is None)
    assert accepted.done()
    assert told == [None]
    for say in (accepted.refused, accepted.failed):
        with pytest.raises(RuntimeError, match="was said before"):
            say("again")
    with pytest.raises(TypeError, match="twice"):
        accepted.bind(bool)


def test_an_outcome_may_be_said_before_handle_returns() -> None:
    told: list[object] = []
    accepted = Accepted(message("a"))
    assert accepted.refused("no")
    accepted.bind(lambda outcome: told.append(str(outcome)) is None)
    assert told == ["no"]


def test_an_outcome_that_comes_too_late_or_cannot_be_told_is_known() -> None:
    accepted = Accepted(message("a"))
    accepted.bind(lambda outcome: False)
    assert not accepted.failed("too late")

    def raising(outcome: object) -> bool:
        raise RuntimeError("in a thread")

    accepted = Accepted(message("a"))
    accepted.bind(raising)
    for _ in range(2):
        with pytest.raises(RuntimeError, match="in a thread"):
            accepted.done()
