"""What is seen of a spool from outside, as of any queue.

It must never change what waits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from ccproxy.core.sinks import MovedRun
from ccproxy.spool.intake import Intake


@dataclass(frozen=True, slots=True)
class SpoolStatus:
    """The spool of a link: `bytes` of at most `limit` wait in `folder`, and about `kept` bytes are
    there for a replay.

    It is not `opened` before its file can be read. `problem` says why the file cannot be written
    now, `damage` what of it was lost. `commits` counts how often it was written, `failures` how
    often that, or reading it, went wrong.
    """

    folder: str
    opened: bool
    bytes: int
    limit: int
    kept: int
    problem: str
    damage: str
    commits: int = 0
    failures: int = 0

    @property
    def full(self) -> bool:
        """True if no more fits."""
        return self.bytes >= self.limit


class SpoolCounts:
    """The counts of a spool: `queued == sent + sum(dropped) + waiting`."""

    def __init__(self, name: str, intake: Intake) -> None:
        self.name = name
        self.intake = intake
        self.queued = self.sent = self.waiting = 0
        self.duplicates = 0
        self.unacknowledged = 0
        self.dropped: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.commits = self.failures = 0
        """Times that the file was written, and that it could not be written or read."""
        self.kept = 0
        """Bytes that are acknowledged and kept for a replay, about."""
        self.damage = ""
        """What of the file was lost, and where the rest of it is."""
        self.on_problem: Callable[[str], None] = _unheard
        """Called with what went wrong, or with "" when the spool works again."""
        self.on_damage: Callable[[str], None] = _unheard
        """Called with what became of a file that was damaged or removed in use."""

    @property
    def destination(self) -> str:
        """The section that it belongs to."""
        return self.name.partition(" ")[0]

    @property
    def may_block(self) -> bool:
        """True: with any policy senders wait for a disk that is slower than they are."""
        return True

    @property
    def blocked(self) -> bool:
        """True while senders have to wait."""
        return self.intake.blocked

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when there is room again."""
        self.intake.waiters.append(call)

    @property
    def fill(self) -> float:
        """How much of its limit waits."""
        return self.intake.size / self.intake.limits.size

    def has_room(self, size: int, messages: int) -> bool:
        """True if so many bytes can wait here as well, and the file can be written."""
        intake = self.intake
        fits = intake.size + size <= intake.limits.size
        return fits and intake.opened and not (intake.problem or intake.blocked)

    def take_unsent(self, most: int) -> list[MovedRun]:
        """Nothing: what is in a file goes to no other link, because a kill in the middle of that
        would lose or double it."""
        return []

    def take_doubtful(self) -> list[MovedRun]:
        """Nothing either, for the same reason."""
        return []

    def sample(self, now: float) -> None:
        """Does nothing: rows have the time at which they were written."""

    def note_round(self, commits: int, failures: int, kept: int) -> None:
        """The thread has written the file so often, and so often it could not."""
        self.commits += commits
        self.failures += failures
        self.kept = kept

    def note_problem(self, problem: str, damage: str) -> None:
        """The thread has these troubles with the file, or none; new ones are said."""
        if damage != self.damage:
            self.damage = damage
            self.on_damage(damage)
        if problem != self.intake.problem:
            self.intake.problem = problem
            self.on_problem(problem)

    def rename(self, name: str) -> None:
        """Belong to another section from now on."""
        self.name = name


def _unheard(_: str) -> None:
    """Does nothing: nothing asked to be told."""
