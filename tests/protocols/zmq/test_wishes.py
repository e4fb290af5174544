"""What a publisher is told: everything, however many prefixes and however small its outbox."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.walk import cut
from ccproxy.protocols.zmq import wishes as module
from ccproxy.protocols.zmq.wishes import Wishes
from ccproxy.wire.zmtp.frames import pack, unpack


async def read(box, told):
    """All that the publisher reads until it knows everything."""
    seen = []
    while box.waiting or told.waiting:
        seen += [unpack(one)[0] for one in cut(b"".join(box.peek(99)))]
        box.advance(box.bytes)
        await asyncio.sleep(0)
    return seen


def test_a_small_outbox_loses_no_prefix():
    wanted = {b"%04d" % number for number in range(1000)}
    box = Outbox("pub", Limits(bytes=100))

    async def go():
        told = Wishes(box, wanted.__contains__)
        told.tell(sorted(wanted))
        return await read(box, told)

    assert asyncio.run(go()) == [b"\1" + one for one in sorted(wanted)] and not box.dropped


def test_many_prefixes_go_in_steps(monkeypatch):
    monkeypatch.setattr(module, "STEP", 10)
    wanted = {b"%04d" % number for number in range(95)}
    box = Outbox("pub", Limits())

    async def go():
        told = Wishes(box, wanted.__contains__)
        told.tell(sorted(wanted))
        counts = [box.waiting]
        while told.waiting:
            await asyncio.sleep(0)
            counts.append(box.waiting)
        return counts

    counts = asyncio.run(go())
    assert counts[0] == 10 and counts[-1] == 95
    assert all(after - before <= 10 for before, after in zip(counts, counts[1:], strict=False))


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c" * 30]), st.booleans())))
def test_the_publisher_knows_what_is_wanted_in_the_end(changes):
    wanted, known = set(), set()
    box = Outbox("pub", Limits(bytes=40))

    async def go():
        told = Wishes(box, wanted.__contains__)
        for prefix, more in changes:
            (wanted.add if more else wanted.discard)(prefix)
            told.tell((prefix,))
        return await read(box, told)

    for change in asyncio.run(go()):
        (known.add if change[:1] == b"\1" else known.discard)(change[1:])
    assert known == wanted


def test_a_prefix_larger_than_the_steps_goes_alone():
    large = b"x" * (module.BYTES + 1)
    box = Outbox("pub", Limits())
    Wishes(box, lambda prefix: True).tell((large,))
    assert b"".join(box.peek(9)) == pack([b"\1" + large])


def test_a_publisher_that_has_gone_is_told_nothing():
    box = Outbox("pub", Limits(bytes=10))
    told = Wishes(box, lambda prefix: True)
    told.tell((b"123", b"456", b"789"))
    waiting = box.waiting
    told.stop()
    box.advance(box.bytes)
    assert waiting and not box.waiting


def test_long_lists_are_told_once_however_often_they_come(monkeypatch):
    """A publisher that does not read, while reloads tell all prefixes again and again."""
    monkeypatch.setattr(module, "STEP", 10)
    prefixes = [b"%04d" % number for number in range(95)]
    box = Outbox("pub", Limits(messages=10))

    async def go():
        told = Wishes(box, lambda prefix: True)
        for _ in range(20):
            told.tell(prefixes)
        assert told.waiting <= (module.LISTS + 1) * len(prefixes)
        said = set()
        while told.waiting or box.waiting:
            said.update(map(bytes, box.peek(99)))
            box.advance(box.bytes)
            await asyncio.sleep(0)
        return b"".join(said)

    said = asyncio.run(go())
    assert all(pack([b"\1" + prefix]) in said for prefix in prefixes)
