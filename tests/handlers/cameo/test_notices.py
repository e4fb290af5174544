"""What is said of messages that no peer gets: named, limited in number, summed up."""

from ccproxy.testing import FakeContext
from ccproxy_handlers.cameo.notices import LINES, LOG_INTERVAL, Undelivered


def losses():
    ctx = FakeContext()
    return ctx, Undelivered(ctx)


def test_an_unknown_address_is_named_once_and_summed_up():
    ctx, found = losses()
    for _ in range(3):
        found.undelivered("host:1", b"responder-x\n:1", 2)
    [line] = ctx.lines
    assert "responder-x\\n:1: no such peer messages=2 from=host:1" in line
    ctx.advance(LOG_INTERVAL)
    ctx.advance(LOG_INTERVAL)
    assert "repeated" in ctx.lines[1] and ctx.lines[1].endswith("messages=4")
    assert found.status() == {"unknown": 6, "late": 0, "short": 0}
    ctx.close()


def test_late_answers_are_one_kind_whatever_the_ids_were():
    ctx, found = losses()
    for number in range(9):
        found.undelivered("host:1", b"\0\0\0\0%d" % number, 1)
    found.undelivered("host:1", b"", 1)
    assert [line.partition(" messages=")[0].rpartition("for ")[2] for line in ctx.lines] == [
        "a client that is gone", "an empty address: no such peer",
    ]  # fmt: skip
    assert found.status() == {"unknown": 1, "late": 9, "short": 0}
    ctx.close()


def test_addresses_that_a_client_makes_up_do_not_fill_the_log():
    ctx, found = losses()
    for number in range(3 * LINES):
        found.undelivered("host:1", b"%d" % number, 1)
    found.too_short("host:1", 4)
    assert len(ctx.lines) == LINES and found.status()["short"] == 4
    ctx.advance(LOG_INTERVAL)
    ctx.advance(LOG_INTERVAL)
    assert ctx.lines[-1].endswith(f"for many other addresses: {2 * LINES + 4}")
    ctx.close()
