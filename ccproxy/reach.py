"""Whether anything listens at an address, before a verb sends there.

libzmq connects again and again and never says why it could not. A server may just be starting, so
a refused connection is said at once on stderr and tried again until the time is over. This module
must never send a byte.
"""

from __future__ import annotations

import socket
import sys
import time

from ccproxy.config.address import Address

PAUSE = 0.1
"""Seconds between two attempts."""


def reach(address: str, seconds: float) -> None:
    """Return once something listens there; ValueError if that is no address to connect to,
    ConnectionError with the reason if nothing does within `seconds`."""
    place = Address.remote(address)
    end = time.monotonic() + seconds
    said = ""
    while (why := _attempt(place, max(PAUSE, end - time.monotonic()))) is not None:
        if time.monotonic() + PAUSE >= end:
            raise ConnectionError(f"{address}: {why}, nothing sent within {seconds:g} s")
        if why != said:
            said = why
            print(f"ccserver: {address}: {why}, trying for {seconds:g} s", file=sys.stderr)
        time.sleep(PAUSE)


def _attempt(place: Address, seconds: float) -> str | None:
    """Connect and close again; the reason if that fails."""
    try:
        if place.scheme == "tcp":
            socket.create_connection((place.host, place.port), seconds).close()
        else:
            with socket.socket(socket.AF_UNIX) as sock:
                sock.settimeout(seconds)
                sock.connect(place.unix)
    except OSError as error:
        return (error.strerror or str(error)).lower()
    return None
