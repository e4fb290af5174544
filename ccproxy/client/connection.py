"""What the events of libzmq say of a client's connection: whether it is there, and if not, why.

libzmq tries again by itself, except after what it takes for a breach of the protocol, such as an
ERROR of the server, or another mechanism than its own: then it never does, so that somebody else
has to. This module must never touch a socket.
"""

from __future__ import annotations

import random

import zmq

from ccproxy.core.backoff import Backoff

EVENTS = (
    zmq.EVENT_CONNECTED | zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED
    | zmq.EVENT_DISCONNECTED | zmq.EVENT_HANDSHAKE_SUCCEEDED | zmq.EVENT_HANDSHAKE_FAILED_AUTH
    | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL | zmq.EVENT_CLOSED
)  # fmt: skip
"""What a monitor has to be asked for."""
SHORTEST_WAIT, LONGEST_WAIT = 2.0, 5.0
"""Seconds (or half of them) until a connection that libzmq has given up is tried again."""
MISMATCH = zmq.PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH
NO_CONNECTION = "there is no connection to the server"
_OTHER_MECHANISM = {
    "NULL": "the server asks for a key or a password, and the client was given neither",
    "PLAIN": "the server does not speak PLAIN, as the client does, which was given a password",
    "CURVE": "the server does not speak CURVE, as the client does, which was given a key",
}
_HINTS = {
    "NULL": "it may ask for a key or a password, and the client was given neither",
    "PLAIN": "it may not speak PLAIN, or not know the user with this password; its log says which",
    "CURVE": "it may not speak CURVE, not allow the client's key, or not have the key that the"
    " client expects (curve_server); its log says which",
}


class ConnectionWatch:
    """What is known of one connection and of those that come after it."""

    def __init__(self, mechanism: str) -> None:
        """`mechanism` is what the client speaks: NULL, PLAIN or CURVE."""
        self.problem = NO_CONNECTION
        """Why messages cannot be sent now; empty if nothing is known to prevent that."""
        self.again_at: float | None = None
        """When the connection has to be made anew, because libzmq does not; None if it does."""
        self._mechanism = mechanism
        self._backoff = Backoff(SHORTEST_WAIT, LONGEST_WAIT, random.random)
        self._failed = self._handshaking = False

    def see(self, event: int, value: int, now: float) -> None:
        """The monitor has told an event."""
        match event:
            case zmq.EVENT_HANDSHAKE_SUCCEEDED:
                self.works()
            case zmq.EVENT_DISCONNECTED:
                self._ended(now)
            case zmq.EVENT_CONNECTED:
                self._begun()
            case zmq.EVENT_CONNECT_DELAYED | zmq.EVENT_CONNECT_RETRIED:
                self.again_at = None
            case zmq.EVENT_CLOSED:  # nothing listens there
                self.problem, self._failed = NO_CONNECTION, False
            case _:
                self._fail(event, value)

    def works(self) -> None:
        """The handshake is over: libzmq says so, or a message has come, as with ZMTP 2.0, of whose
        handshakes it says nothing."""
        self.problem, self._failed, self._handshaking = "", False, False
        self._backoff.reset()

    def _begun(self) -> None:
        self.again_at, self._handshaking = None, True
        if not self._failed:  # the reason of the last failure says more
            hint = _HINTS[self._mechanism]
            self.problem = f"the handshake with the server is not done: {hint}"

    def _ended(self, now: float) -> None:
        if self._handshaking and not self._failed:
            self._fail(zmq.EVENT_HANDSHAKE_FAILED_AUTH, 0)  # by an ERROR, which has no event
        elif not self._failed:
            self.problem = NO_CONNECTION
        self._handshaking = False
        self.again_at = now + self._backoff.next()

    def _fail(self, event: int, value: int) -> None:
        self._failed = True
        if event == zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL and value == MISMATCH:
            self.problem = _OTHER_MECHANISM[self._mechanism]
            return
        what = "has refused the client"
        if event == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL:
            what = "has ended the handshake"
        self.problem = f"the server {what}: {_HINTS[self._mechanism]}"
