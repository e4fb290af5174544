"""What the sides that answer over HTTP have in common, whatever their bodies are.

It must never know what a request asks for; a subclass reads requests and writes answers.
"""

from __future__ import annotations

from ccproxy.protocols.jolie.http.messages import Limits, Refused
from ccproxy.protocols.jolie.http.server import Server


class WebCaller:
    """One connection of a caller, as far as HTTP goes; see `CallerSide` of `jolie.values`."""

    def __init__(self, limits: Limits) -> None:
        self._server = Server(limits)
        self._limits = limits

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on."""
        return self._server.broken

    @property
    def too_big(self) -> bool:
        """True if that is because of the size of a body."""
        return self._server.too_big

    @property
    def closing(self) -> bool:
        """No further call is read."""
        return self._server.closing

    @property
    def crowded(self) -> bool:
        """So much waits for the answer to an earlier call that no more should be fed."""
        return self._server.crowded

    def eof(self) -> None:
        """The caller sends no more."""
        self._server.eof()

    def leave(self, reason: str) -> None:
        """Read no further call; the next response is the last, and says so."""
        refused = self._server.leave(reason)
        if refused is not None:
            self.refuse(refused)

    def refuse(self, refused: Refused) -> None:
        """Respond to a request that is not read to its end, as HTTP has it."""
        raise NotImplementedError

    def out(self) -> bytes:
        """The bytes to be written since the last time."""
        return self._server.out()
