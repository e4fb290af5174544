"""The addresses that the parts of one configuration listen on: each can be had once only.

Values only; this module must never open a socket.
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy.config.address import Address
from ccproxy.config.problems import Problem


@dataclass(frozen=True, slots=True)
class TakenAddress:
    """The address of a section, and the line that says so."""

    section: str
    line: int
    address: Address


class TakenAddresses:
    """The address of each section that listens, in the order of the calls."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._taken: list[TakenAddress] = []

    def holder(self, address: Address) -> TakenAddress | None:
        """The first section that has the address, or one that cannot be had beside it."""
        return next((one for one in self._taken if address.clashes(one.address)), None)

    def take(self, section: str, line: int, text: str) -> list[Problem]:
        """The section in this line listens on an address; a problem if that is taken already."""
        address = Address.listening(text)
        found = self.holder(address)
        self._taken.append(TakenAddress(section, line, address))
        if found is None:
            return []
        what = f"[{section}] listens on {address}"
        hint = f"[{found.section}] in line {found.line} has {found.address}"
        return [Problem(self._file, line, what, hint)]
