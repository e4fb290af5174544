"""The options of `xmsg-registrar`: where it listens, how much there may be, what is kept.

It must never hold a value that is not an option.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import ZmtpListenerOptions, kinds, option

from .actions import RegistrarLimits


@dataclass(frozen=True, slots=True)
class RegistrarOptions(ZmtpListenerOptions):
    """The address, how much there may be, and what is kept."""

    address: str = option(
        kinds.listen_address, default="tcp://*:8888",
        help="where actors register; CLARA expects it four ports above its proxy",
    )  # fmt: skip
    state: str = option(
        kinds.database, default="",
        help="SQLite file that keeps the records over a restart; empty = none",
    )  # fmt: skip
    state_sync: str = option(
        kinds.choice("full", "normal"), default="full",
        help="full: nothing is lost in a power cut; normal: the latest changes may be",
    )  # fmt: skip
    expire: float = option(
        kinds.duration("s"), default=0.0,
        help="time after which the records of a client are removed that has closed its connection, "
        "unless another one comes from its address; 0 = never",
    )  # fmt: skip
    max_records: int = option(
        kinds.between(1, 1_000_000), default=200_000, help="most records; further ones are refused"
    )
    max_record: int = option(
        kinds.size_between(100, 1 << 20), default=16 * 1024, help="most bytes of a record"
    )
    max_size: int = option(
        kinds.size_between(1024), default=64 << 20, help="most bytes of all records together"
    )
    max_unread: int = option(
        kinds.size_between(1 << 20), default=256 << 20,
        help="most bytes of answers that clients have not read, of all clients together; further "
        "large ones are refused",
    )  # fmt: skip
    max_message: int = option(
        kinds.size_between(1024, 1 << 30), default=1 << 20,
        help="longest request that is taken, in bytes on the wire; what is longer than max-record "
        "is answered by an error, and what is longer than this closes the connection",
    )  # fmt: skip
    max_frames: int = option(
        kinds.between(3, 1000), default=100, help="most frames of one request that is taken"
    )

    @property
    def listener(self) -> RegistrarOptions:
        """The options of the listener."""
        return self

    @property
    def limits_of_records(self) -> RegistrarLimits:
        """How much there may be."""
        return RegistrarLimits(self.max_records, self.max_record, self.max_size)
