"""The addresses that the parts of one configuration listen on: each can be had once only.

Values only; this module must never open a socket.
"""

from __future__ import annotations

from ccproxy.config.address import Address
from ccproxy.config.problems import Problem


class TakenAddresses:
    """The address of each section that listens, in the order of the calls."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._taken: list[tuple[str, int, Address]] = []

    def take(self, section: str, line: int, text: str) -> list[Problem]:
        """The section in this line listens on an address; a problem if that is taken already."""
        address = Address.listening(text)
        found = next((one for one in self._taken if address.clashes(one[2])), None)
        self._taken.append((section, line, address))
        if found is None:
            return []
        other, at, taken = found
        what = f"[{section}] listens on {address}"
        return [Problem(self._file, line, what, f"[{other}] in line {at} has {taken}")]
