"""Losses: sums, times, and that no stranger makes them many."""

from ccproxy.net.losses import MOST_LOSSES, Loss, Losses


def test_sums_and_times():
    now = [100.0]
    losses = Losses(lambda: now[0])
    losses.add("h:x", "full", 3)
    now[0] += 5
    losses.add("a.b", "unrouted", 1)
    losses.add("h:x", "full", 4)
    now[0] += 2
    assert losses.latest() == [
        Loss("h:x", "full", 7, 7.0, 2.0), Loss("a.b", "unrouted", 1, 2.0, 2.0),
    ]  # fmt: skip


def test_the_latest_kinds_stay():
    losses = Losses(lambda: 0.0)
    losses.add("h:x", "full", 1)
    for number in range(MOST_LOSSES - 1):
        losses.add(f"type.{number}", "unrouted", 1)
    losses.add("h:x", "full", 1)
    losses.add("one.more", "unrouted", 1)
    found = {one.place: one.messages for one in losses.latest()}
    assert len(found) == MOST_LOSSES and found["h:x"] == 2 and "type.0" not in found
