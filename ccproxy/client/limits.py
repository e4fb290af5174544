"""The bounds of a client. This module must never hold anything but numbers."""

from __future__ import annotations

from dataclasses import dataclass

MAX_ANSWERS = 10_000
"""Answers to one request that may wait to be read; further ones are ignored."""


@dataclass(frozen=True, slots=True)
class ClientLimits:
    """Bounds of one client: messages and bytes that may wait; the others are seconds.

    `queue` is how many messages may wait to be sent. `unconfirmed` is how many may wait for their
    receipts, sent or not, and `unconfirmed_bytes` how many bytes these may have. `linger` is how
    long `close` may go on sending and wait for receipts. `heartbeat` is how often the connection is
    tested (0 = never, for servers that speak ZMTP 3.0 or older). `greeting` is how long a server
    may be silent after it is connected until it is asked, by a second connection, whether it gives
    receipts at all: it may ask for 2 s first whether an earlier connection with the same spool
    still lives.
    """

    queue: int = 1000
    linger: float = 1.0
    heartbeat: float = 15.0
    unconfirmed: int = 10_000
    unconfirmed_bytes: int = 64 * 1024 * 1024
    greeting: float = 3.0
