"""What systemd is told about the state of the process.

It sends one datagram, and must never wait for systemd or fail because of it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import time


def notify(state: str) -> None:
    """Send READY=1, RELOADING=1, STOPPING=1 or WATCHDOG=1 to systemd, if it set NOTIFY_SOCKET.

    Source: sd_notify(3); an address that starts with @ is an abstract one.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("@", "/")):
        return
    if state == "RELOADING=1":
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.sendto(state.encode(), address)


def watchdog_interval() -> float:
    """Seconds between two WATCHDOG=1 that systemd wants of this process; 0 = it wants none.

    Source: sd_watchdog_enabled(3); a third of the time, so that one that is late does no harm.
    """
    meant = os.environ.get("WATCHDOG_PID", str(os.getpid()))
    wanted = os.environ.get("WATCHDOG_USEC", "")
    if meant != str(os.getpid()) or not wanted.isdecimal():
        return 0.0
    return int(wanted) / 3_000_000


async def tell_watchdog() -> None:
    """Tell systemd again and again that the loop turns: it restarts a process whose loop hangs."""
    interval = watchdog_interval()
    while interval:
        notify("WATCHDOG=1")
        await asyncio.sleep(interval)


def is_journal(descriptor: int) -> bool:
    """True if systemd connected this descriptor to its journal.

    Source: systemd.exec(5), JOURNAL_STREAM: device and inode, since the descriptor may have been
    redirected afterwards.
    """
    wanted = os.environ.get("JOURNAL_STREAM", "")
    if not wanted:
        return False
    with contextlib.suppress(OSError):
        found = os.fstat(descriptor)
        return wanted == f"{found.st_dev}:{found.st_ino}"
    return False
