"""Runs: both forms of the same messages, and the best fate of each."""

from ccproxy.core.runs import MessageSource, Run, best, offered, singles
from ccproxy.wire.zmtp.frames import pack

HEAD = pack([b"me", b"", b"bus", b""])[:-2]
BODIES = [pack([b"a", b"1"]), pack([b"b"])]


def test_a_run_of_payloads_gets_envelopes():
    run = Run(MessageSource(b"me", "peer", "in"), 2, payloads=b"".join(BODIES), head=HEAD)
    assert run.envelopes == pack([b"me", b"", b"bus", b"a", b"1"]) + pack(
        [b"me", b"", b"bus", b"b"]
    )
    assert run.payloads == b"".join(BODIES) and not run.has_envelopes


def test_envelopes_are_taken_off():
    chunk = pack([b"me", b"far", b"", b"bus", b"a", b"1"]) + pack([b"me", b"", b"bus", b"b"])
    run = Run(None, 2, envelopes=chunk)
    assert run.payloads == b"".join(BODIES) and run.has_envelopes and run.envelopes == chunk


def test_what_an_outbox_took():
    assert offered(3, 3) == (("forwarded", 3),)
    assert offered(3, 0) == (("full", 3),)
    assert offered(3, 1) == (("forwarded", 1), ("full", 2))


def test_the_best_fate_of_each_message_counts():
    some = [("unsubscribed", 1), ("forwarded", 2)]
    assert best([some]) is some
    assert best([some, [("forwarded", 3)]]) == [("forwarded", 3)]
    assert list(singles(best([some, [("forwarded", 1), ("full", 2)]]))) == ["forwarded"] * 3
    assert list(singles(best([some, [("full", 3)]]))) == ["full", "forwarded", "forwarded"]
