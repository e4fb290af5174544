"""The modes of delivery, the faults, and what each mode promises under each fault."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.faults.acts import NEEDS
from tests.faults.world import ACKNOWLEDGED, CHAIN, GROUP, HEARTBEAT, ONE, TWO, Outcome, Setting

UNBROKEN = ("stall", "slow", "freeze-far", "freeze-source", "reload", "rename")
"""Faults after which the connection is the same as before."""
BROKEN = ("cut", "reset", "stall-and-reset", "half-open", "kill-far", "replace")
"""Faults that end the connection; what the source has in memory lives on."""
SOURCE = ("kill-source", "kill-both")
"""Faults that end the source."""
DISK = ("full-disk", "quota", "protect", "remove", "read-only")
"""Faults of the disk of a spool; for the last one the source is killed."""
COPIES = ("copy", "twin", "restore")
"""Faults of operators with spools and configurations; for the last two the source is killed."""
CLOCK = ("clock",)
COMMON = (*UNBROKEN, *BROKEN, *SOURCE)
KINDS = (*COMMON, *DISK, *COPIES, *CLOCK)
MIXED = (*3 * ("cut", "reset", "stall-and-reset"), "half-open", "kill-far", *UNBROKEN[:2])
"""Faults of a line that is bad in every way, those that take long seldom."""
QUIET = frozenset(
    (*UNBROKEN, "replace", "full-disk", "quota", "protect", "remove", "copy", "clock")
)
"""Faults that do not need a heartbeat to be noticed."""
KILLS = frozenset((*SOURCE, "read-only", "twin", "restore"))
"""Faults in which the source is killed."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The servers of a mode, its faults, and those under which messages may be lost, doubled or
    reordered."""

    name: str
    about: str
    setting: Setting
    loses: frozenset[str]
    doubles: frozenset[str] = frozenset()
    reorders: frozenset[str] = frozenset()
    kinds: tuple[str, ...] = field(default=COMMON)

    def under(self, kinds: tuple[str, ...]) -> Setting:
        """The servers for a run with these faults. A heartbeat would end a connection that is only
        slow, so there is none where no connection breaks."""
        setting = self.setting
        options = setting.options + ("" if set(kinds) <= QUIET else HEARTBEAT)
        return Setting(setting.shape, options, setting.handler, setting.spooled)


DYING = frozenset(("kill-far", "kill-both"))
"""The far side is killed: what it has read may not be acknowledged yet."""
REPLACED = frozenset(("replace",))
"""Without a spool, the old server still sends what it has while the new one sends already. And a
publisher's libzmq drops what it has taken out of its queue when the connection ends."""
LOSSY = frozenset(("cut", "reset", "stall-and-reset", "half-open", "kill-far", "replace", *SOURCE))
ANY = frozenset(KINDS)
NONE: frozenset[str] = frozenset()


def group(handler: str, options: str = "") -> Setting:
    """A group of two links."""
    return Setting(GROUP, options, handler)


WAITING = f"{ACKNOWLEDGED}on-doubt = wait\n"
MODES = {
    one.name: one
    for one in (
        # What the kernel has of a connection that was cut may be read after the next one.
        Mode("sent", "`sent`", Setting(ONE), LOSSY, reorders=LOSSY),
        Mode("acknowledged", "`acknowledged`", Setting(ONE, ACKNOWLEDGED), REPLACED | {*SOURCE},
             doubles=DYING, reorders=REPLACED),
        # The publisher waits for no receipt: what a killed source has not written is lost.
        Mode("spooled", "with a spool", Setting(ONE, ACKNOWLEDGED, spooled=True),
             KILLS | REPLACED, doubles=DYING, kinds=KINDS),
        # A backup knows neither the rows nor the numbers that came after it.
        Mode("chain", "spool to spool", Setting(CHAIN, ACKNOWLEDGED, spooled=True),
             frozenset(("restore",)), doubles=frozenset(("restore",)), kinds=KINDS),
        Mode("two-spools", "two spools at once", Setting(TWO, ACKNOWLEDGED, spooled=True),
             KILLS | REPLACED, doubles=DYING, kinds=KINDS),
        # There is no order between two far sides.
        Mode("failover", "`failover`", group("failover"), LOSSY, reorders=ANY),
        Mode("balance", "`balance`", group("balance"), LOSSY, reorders=ANY),
        # What one far side may have is sent to the other, or waits for the one that may have it.
        Mode("failover-resend", "`failover`, `resend`", group("failover", ACKNOWLEDGED),
             REPLACED | {*SOURCE}, LOSSY, ANY),
        Mode("failover-wait", "`failover`, `wait`", group("failover", WAITING),
             REPLACED | {*SOURCE}, DYING, ANY),
    )
}  # fmt: skip


def usable(kinds: tuple[str, ...], missing: dict[str, str]) -> tuple[str, ...]:
    """The kinds of faults that need nothing of what is missing here."""
    return tuple(kind for kind in kinds if NEEDS.get(kind) not in missing)


def broken_promises(mode: Mode, outcome: Outcome) -> list[str]:
    """What came out otherwise than the mode promises for the faults that there were, and counts
    of the servers that do not agree with what was sent and received."""
    found, kinds, wrong = outcome.found, set(outcome.faults), []
    for word, allowed in (
        ("lost", mode.loses), ("doubled", mode.doubles), ("reordered", mode.reorders),
    ):  # fmt: skip
        if getattr(found, word) and not kinds & allowed:
            wrong.append(f"{getattr(found, word)} {word}")
    if found.broken:
        wrong.append(f"{found.broken} are not what was sent")
    return wrong + miscounts(outcome)


def miscounts(outcome: Outcome) -> list[str]:
    """Ledgers and queues that do not add up, or that do not fit to each other."""
    wrong = []
    for name, counts in outcome.ledgers.items():
        fates = dict(counts)
        if fates.pop("received") != sum(fates.values()):
            wrong.append(f"the ledger of {name}: {counts}")
    link = outcome.link
    dropped = sum(count for key, count in link.items() if key.startswith("dropped-"))
    if link["queued"] != link["sent"] + dropped + link["waiting"]:
        wrong.append(f"the counts of the link: {link}")
    lives, first = outcome.lives, outcome.first
    received = outcome.ledgers[first]["received"]
    if lives[first] == 1 and received != outcome.sent:
        wrong.append(f"{first} has received {received}, sent were {outcome.sent}")
    if all(lives[name] == 1 for name in outcome.recorders):
        ledgers = [outcome.ledgers[name] for name in outcome.recorders]
        came = sum(one["received"] - one.get("duplicate", 0) for one in ledgers)
        if came != outcome.recorded:
            wrong.append(f"the recorders have received {came}, recorded are {outcome.recorded}")
        if lives["source"] == 1 and link["sent"] < outcome.found.received:
            wrong.append(f"the link has sent {link}, and {outcome.found} came")
    return wrong
