"""The socket on which a program says that it is ready, as sd_notify(3) has it.

It has no file: only the program that was told its name knows it, and it vanishes with the process
that listens. This module must never act on what a program says.
"""

from __future__ import annotations

import socket

_MAX_SIZE = 4096
"""Bytes of one notice that are read."""


class NoticeSocket:
    """Non-blocking; `name` is what the variable NOTIFY_SOCKET of the program says."""

    def __init__(self, name: str) -> None:
        self.name = f"@{name}"
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._sock.setblocking(False)
            self._sock.bind(f"\0{name}")
        except OSError:
            self._sock.close()
            raise

    def fileno(self) -> int:
        """The descriptor to wait for."""
        return self._sock.fileno()

    def read(self) -> list[str]:
        """The lines of all notices that have come."""
        lines: list[str] = []
        while True:
            try:
                data = self._sock.recv(_MAX_SIZE)
            except BlockingIOError:
                return lines
            lines += data.decode("utf-8", "replace").split("\n")

    def close(self) -> None:
        """Listen no more."""
        self._sock.close()
