"""Which members of a group get messages, from what is known of their connections and from the time.

    not up    a member leaves when it has not been up for `leave_after` seconds
    up        it comes back when it has been up for `back_after` seconds without a pause; at once if
              it was never up before, or if no other member is there
    start     it is waited for: a member that is only connecting leaves after `START_GRACE`

It must never read a clock or look at a member: it is told.
"""

from __future__ import annotations

from dataclasses import dataclass

START_GRACE = 1.0
"""Seconds for the first connection of a member, while another is up already: a primary that is
slower by a moment at the start would otherwise be passed over until `back_after` is over."""


@dataclass(slots=True)
class _Known:
    up: bool
    present: bool
    due: float
    """When the other value of `present` is right, if `up` stays as it is."""
    was_up: bool = False


class Presence:
    """The members by their numbers, in the order of the configuration."""

    def __init__(self, count: int, leave_after: float, back_after: float, now: float) -> None:
        """Times are seconds. All members are present at first, connecting."""
        self._leave_after = leave_after
        self._back_after = back_after
        grace = now + max(leave_after, START_GRACE)
        self._known = [_Known(False, True, grace) for _ in range(count)]

    def told(self, number: int, up: bool, now: float) -> None:
        """A member is up now, or is not; the same news twice change nothing."""
        known = self._known[number]
        if up == known.up:
            return
        wait = self._back_after if known.was_up else 0.0
        known.up = up
        known.was_up = known.was_up or up
        known.due = now + (wait if up else self._leave_after)

    def refused(self, number: int, now: float) -> None:
        """The first attempt to connect to a member has failed: it is not waited for any more."""
        known = self._known[number]
        if not known.up:
            known.due = min(known.due, now + self._leave_after)

    def look(self, now: float) -> float | None:
        """Do what is due; in how many seconds to look again, None: not before there are news."""
        for known in self._known:
            if known.present != known.up and known.due <= now:
                known.present = known.up
        if not any(one.present for one in self._known):
            for known in self._known:
                known.present = known.up
        if not any(one.up for one in self._known):
            return None
        left = [one.due - now for one in self._known if one.present != one.up]
        return min(left, default=None)

    def up(self, number: int) -> bool:
        """True if a member is up."""
        return self._known[number].up

    @property
    def present(self) -> list[int]:
        """The members that get messages; empty while all have left."""
        return [number for number, one in enumerate(self._known) if one.present]

    def is_present(self, number: int) -> bool:
        """True if a member gets messages because it is up, or may soon be."""
        return self._known[number].present
