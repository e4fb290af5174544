"""The ledger counts; the tests of the switch show that it balances."""

from __future__ import annotations

from ccproxy.core.ledger import FATES, RANK, Ledger


def test_the_line_names_what_occurred_in_order_of_precedence() -> None:
    ledger = Ledger()
    assert ledger.line() == "received=0"
    ledger.receive(5, 500)
    ledger.end("unrouted", 1, 100)
    ledger.end("forwarded", 4, 400)
    ledger.end("full", 0, 0)
    assert ledger.line() == "received=5 forwarded=4 unrouted=1"
    assert ledger.fate_bytes == {"forwarded": 400, "unrouted": 100, "full": 0}
    assert ledger.bytes == 500


def test_the_balance_is_what_has_no_fate_yet() -> None:
    ledger = Ledger()
    ledger.receive(3, 30)
    assert ledger.balance() == 3
    ledger.end("consumed", 2, 20)
    ledger.end("failed", 1, 10)
    assert ledger.balance() == 0


def test_success_ranks_before_loss_and_every_fate_has_a_meaning() -> None:
    assert sorted(FATES, key=RANK.__getitem__) == list(FATES)
    assert list(FATES)[:3] == ["forwarded", "replied", "consumed"]
    assert all(FATES.values())
