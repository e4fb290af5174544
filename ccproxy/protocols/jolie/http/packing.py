"""Answers that are gzipped, where the caller takes that: those of a middle size, in spare time.

    under 1 KiB      not: the frame around it costs as much as is saved
    to 64 KiB        at once: 0.3 ms on the machine of the benchmarks
    over 64 KiB      not: it would hold the loop for too long

The original gzips every body, and those of a quality of 0 too. A burst of answers is gzipped for
2 ms, then the rest goes as it is: no turn of the loop gets longer by more. It must never gzip what
the caller has not said that it takes.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping
from dataclasses import replace

from ccproxy.protocols.jolie.http.messages import Sending
from ccproxy.protocols.jolie.pieces import Pieces

LEAST, MOST = 1024, 64 * 1024
"""Bytes of a body that is gzipped."""
BURST = 0.002
"""Seconds for which is gzipped without a pause."""
SHARE = 0.25
"""Of all time, at most, over longer."""
LEVEL = 1
"""Of 1 to 9: the others take two to three times as long, and save 7 % of what this one leaves."""
_GZIP_WRAPPER = 31
_NEVER = re.compile(r"q=0(\.0*)?$")


def takes_gzip(headers: Mapping[str, str]) -> bool:
    """True if Accept-Encoding allows gzip (RFC 9110, 12.5.3); a quality of 0 forbids it."""
    asked = headers.get("accept-encoding", "").lower().replace(" ", "")
    codings = dict(one.partition(";")[::2] for one in asked.split(","))
    quality = codings.get("gzip", codings.get("x-gzip", codings.get("*")))
    return quality is not None and not _NEVER.match(quality)


class Packing:
    """The time that the answers of one listener have; `clock` gives seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._spent = 0.0
        """Seconds that were spent, less what has become free since."""
        self._last = clock()

    def packed(self, sending: Sending, headers: Mapping[str, str]) -> Sending:
        """The answer to a request with these headers, gzipped if that is possible and saves."""
        plain = sending.body
        if isinstance(plain, Pieces) or not LEAST <= len(plain) <= MOST or not takes_gzip(headers):
            return sending
        begun = self._clock()
        self._spent = max(0.0, self._spent - SHARE * (begun - self._last))
        self._last = begun
        if self._spent >= BURST:
            return sending
        packer = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP_WRAPPER)
        body = packer.compress(plain) + packer.flush()
        self._spent += self._clock() - begun
        if len(body) >= len(plain):
            return sending
        more = (("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
        return replace(sending, headers=(*sending.headers, *more), body=body)
