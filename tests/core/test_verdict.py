"""Verdicts are values; a refusal has a fate."""

from __future__ import annotations

import pytest

from ccproxy.core.ledger import FATES
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.verdict import Deliver, Discard, Forward, Full, Refuse, Verdict


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
