import asyncio

from ccproxy.net import sweep
from ccproxy.net.sweep import Sweep


async def test_many_are_looked_at_in_slices(monkeypatch, until):
    monkeypatch.setattr(sweep, "INTERVAL", 0.001)
    members, looks = set(range(10_000)), []
    turns = 0

    def count():
        nonlocal turns
        turns += 1
        asyncio.get_running_loop().call_soon(count)

    seen_at = {}

    def look(member, now):
        looks.append(member)
        seen_at[turns] = seen_at.get(turns, 0) + 1
        members.discard(member)

    one = Sweep(lambda: members, look)
    assert not one.active
    one.start()
    one.start()
    count()
    await until(lambda: not members)
    await until(lambda: not one.active)
    assert sorted(looks) == list(range(10_000))
    assert max(seen_at.values()) <= sweep.AT_ONCE
    members.add(1)
    one.start()
    assert one.active
    one.stop()
    one.stop()
    assert not one.active
