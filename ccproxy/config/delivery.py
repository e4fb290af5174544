"""The options of links with acknowledged delivery.

This module declares options; it must never open a link.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.config import kinds
from ccproxy.config.links import HeartbeatTimes, LinkOptions
from ccproxy.config.options import option
from ccproxy.core.delivery.source import RESEND, WAIT, SourceLimits

SENT, ACKNOWLEDGED, IF_POSSIBLE = "sent", "acknowledged", "acknowledged-if-possible"
ALIVE_INTERVAL = 5.0
"""Seconds between the pings of a link that waits for acknowledgements, unless `heartbeat` says
otherwise: a line that is cut without a word is found in twice this time."""


@dataclass(frozen=True, slots=True)
class DeliveryOptions(LinkOptions):
    """The options of links to another ccserver, which may acknowledge what it gets."""

    delivery: str = option(
        kinds.choice(SENT, ACKNOWLEDGED, IF_POSSIBLE), default=SENT,
        help="sent: a message is done when the system has taken it, and a cut may lose it; "
        "acknowledged: it is kept until the far side is responsible for it, and sent again after a "
        "cut; acknowledged-if-possible: the same, and as `sent` to a far side that cannot",
    )  # fmt: skip
    window: int = option(
        kinds.size_between(1024), default=4 * 1024 * 1024,
        help="bytes that may be under way without an acknowledgement; they are kept besides those "
        "in the queue",
    )  # fmt: skip
    on_doubt: str = option(
        kinds.choice(RESEND, WAIT), default=RESEND,
        help="when another server answers at the address while messages are not acknowledged: "
        "resend them, so that none is lost and some may arrive twice, or wait for the old one",
    )  # fmt: skip
    attempts: int = option(
        kinds.positive, default=5,
        help="connections in a row that the far side ends by an ERROR at the same message, after "
        "which the message is dropped as refused",
    )  # fmt: skip

    @property
    def source(self) -> SourceLimits | None:
        """What the engine of an acknowledged link is made with; None for one that only sends."""
        if self.delivery == SENT:
            return None
        return SourceLimits(self.window, self.attempts, self.on_doubt)

    @property
    def mode(self) -> str:
        """The option `delivery`."""
        return self.delivery

    @property
    def must_acknowledge(self) -> bool:
        """True if nothing may be sent to a far side that does not acknowledge."""
        return self.delivery == ACKNOWLEDGED

    @property
    def pings(self) -> HeartbeatTimes:
        """When to ping the far side; a link that waits for acknowledgements always does."""
        interval = self.heartbeat or (0.0 if self.delivery == SENT else ALIVE_INTERVAL)
        return HeartbeatTimes(interval, self.heartbeat_timeout or interval, self.heartbeat_ttl)
