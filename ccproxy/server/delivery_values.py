"""What a status says of acknowledged delivery: at links, and of links that send here.

It must never hold anything but values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ccproxy.spool.counts import SpoolStatus


@dataclass(frozen=True, slots=True)
class DeliveryStatus:
    """What a link with acknowledgements has under way.

    It is not `acknowledging` while the far side gets messages plainly. It may have `unacknowledged`
    messages; `in_flight` are their bytes, and the oldest one came `age` seconds ago at least.
    Since the start of this server it has `acknowledged` so many and not taken those that are
    `refused`, by reason; `resent` were sent once more, `duplicates` came here more than once and
    were taken once. `doubts` counts other servers that were found at the address meanwhile, `ends`
    the connections in a row that the far side has ended at one message. `link`, `opening` and
    `server` are the ids of the link, of its store's opening and of the far side, in hexadecimal
    digits. `spool` is None if the messages wait in memory.
    """

    mode: str
    acknowledging: bool
    unacknowledged: int
    in_flight: int
    doubts: int
    ends: int
    link: str
    opening: str
    server: str
    spool: SpoolStatus | None = None
    age: float = 0.0
    acknowledged: int = 0
    resent: int = 0
    duplicates: int = 0
    refused: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RememberedStatus:
    """A link that sends here with acknowledgements, or a client with receipts: where it came from
    last, and the `last` number of its present epoch.

    `incomplete` messages are here and not acknowledged, `gaps` were dropped at its source,
    `duplicates` came again, `replayed` ones came once more because an operator wanted that, and
    `refused` ones were not taken.
    """

    link: str
    listener: str
    peer: str
    connected: bool
    last: int
    incomplete: int
    gaps: int
    duplicates: int
    replayed: int
    refused: int


@dataclass(frozen=True, slots=True)
class ClientTotals:
    """Clients with receipts that are `remembered`, at most `limit`: how many of them are
    `connected`, and of how many messages are here that have no receipt yet (`waiting`)."""

    remembered: int = 0
    limit: int = 0
    connected: int = 0
    waiting: int = 0


@dataclass(frozen=True, slots=True)
class ReceivedStatus:
    """The `links` that are remembered, and the counts of RememberedStatus of all there have been,
    since the start."""

    links: int = 0
    gaps: int = 0
    duplicates: int = 0
    refused: int = 0
