"""The options of links whose messages wait on a disk.

This module declares options and checks them; it must never touch a spool.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from ccproxy.config import kinds
from ccproxy.config.delivery import SENT, DeliveryOptions
from ccproxy.config.options import option
from ccproxy.config.plan import Plan
from ccproxy.core.delivery.spool_settings import SpoolSettings

FULL, NORMAL = "full", "normal"
LEAST_SIZE = 1024 * 1024


class Keep(NamedTuple):
    """How much of what is acknowledged stays: bytes, or seconds; none if both are 0."""

    size: int = 0
    seconds: float = 0.0


_TIME = kinds.duration("s")


def _keep(text: str) -> Keep:
    text = text.strip()
    if text.isdigit():
        return Keep(size=int(text))
    try:
        # A time first, because `10 m` could be a size as well.
        return Keep(seconds=_TIME.parse(text))
    except ValueError:
        pass
    try:
        return Keep(size=kinds.size.parse(text))
    except ValueError:
        raise kinds.wrong(text, "a size such as 1 GiB, or a time such as 12 h or 7 d") from None


def _show_keep(keep: Keep) -> str:
    return str(_TIME.show(keep.seconds) if keep.seconds else kinds.size.show(keep.size))


@dataclass(frozen=True, slots=True)
class SpoolOptions(DeliveryOptions):
    """The options of links with acknowledged delivery, whose messages may wait on a disk."""

    spool: str = option(
        kinds.file, default="",
        help="folder for all that is not acknowledged, so that no end of the server loses it; "
        "each link needs one of its own, which is made if it is missing; empty: only memory",
    )  # fmt: skip
    spool_size: int = option(
        kinds.size_between(LEAST_SIZE), default=1024 * 1024 * 1024,
        help="bytes that may wait in the spool, in the place of `queue`; then on-full holds",
    )  # fmt: skip
    spool_keep: Keep = option(
        kinds.checked("size or time", _keep, _show_keep), default=Keep(),
        help="how much of what is acknowledged stays in the spool, by its size or its age, so that "
        "`ccserver spool FILE replay` can send it again; 0 = nothing",
    )  # fmt: skip
    spool_sync: str = option(
        kinds.choice(FULL, NORMAL), default=FULL,
        help="full: a message is safe when it is on the disk; normal: when the system has it, so "
        "that a power cut may lose the last ones, but no end of the server",
    )  # fmt: skip

    @property
    def spooled(self) -> SpoolSettings | None:
        """The spool; None for a link whose messages wait in memory."""
        if not self.spool or self.delivery == SENT:
            return None
        return SpoolSettings(
            str(Path(self.spool)), self.spool_size, self.on_full, self.spool_sync == FULL,
            self.spool_keep.size, self.spool_keep.seconds,
        )  # fmt: skip


def spool_problems(section: str, plan: Plan) -> Iterator[tuple[str, str, bool]]:
    """What is wrong with the spool of a section, what to do about it, and whether it is only a
    warning."""
    folders = {
        one.section: one.options
        for one in plan.handlers
        if getattr(one.options, "spool", "") and one.section
    }
    mine = folders.get(section)
    if mine is None:
        return
    if mine.delivery == SENT:
        what = f"[{section}] has a spool, but delivery = sent puts nothing into it"
        yield what, "say delivery = acknowledged", False
    if not Path(mine.spool).is_absolute():
        what = f"spool = {mine.spool} is another folder for a server that is started elsewhere"
        yield what, "give the whole path", True
    for other, options in folders.items():
        if other < section and Path(options.spool) == Path(mine.spool):
            what = f"[{section}] and [{other}] have the same spool {mine.spool}"
            yield what, "give each of them a folder of its own", False
