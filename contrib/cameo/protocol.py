"""What CAMEO programs say to each other, as far as the examples need it."""

from __future__ import annotations

import json
import time
from typing import Any

import zmq

SERVER = b"0:0"
"""The routing id of every CAMEO server, and the address of requests to it."""
RESPONDER_KEY = "responder-676e576d-6102-42d8-ae24-222a7000dfa0-"
PUBLISHER_KEY = "publisher-55845880-56e9-4ad6-bea1-e84395c90b32-"
TIMEOUT = 20.0
"""Seconds after which a program gives up."""


class Type:
    """The numbers in the field `type`. A CAMEO server takes 36 for RESPONDER_PORT, a responder for
    PING."""

    SYNC, SYNC_STREAM, STATUS, PUBLISHER_PORT, SUBSCRIBER_PORT = 1, 2, 13, 17, 18
    REQUEST, RESPONSE, VERSION, STORE, GET = 21, 22, 25, 26, 27
    STREAM, STREAM_END, PING, PONG, SUBSCRIBE = 34, 35, 36, 37, 100
    RESPONDER_PORT = 36


def packed(type: int, **fields: Any) -> bytes:
    """One JSON message."""
    return json.dumps({"type": type, **fields}, separators=(",", ":")).encode()


def answer(value: int, message: str = "OK") -> bytes:
    """The general answer of a CAMEO server."""
    return json.dumps({"value": value, "message": message}, separators=(",", ":")).encode()


class Caller:
    """One DEALER that asks one address, such as a Requester; requests may be under way together."""

    def __init__(self, context: zmq.Context[Any], endpoint: str, address: bytes) -> None:
        self.address = address
        self._context = context
        self._endpoint = endpoint
        self._open()

    def _open(self) -> None:
        self.socket = self._context.socket(zmq.DEALER)
        self.socket.linger = 0
        self.socket.connect(self._endpoint)

    def send(self, *payload: bytes) -> None:
        """Send a request and do not wait."""
        self.socket.send_multipart([b"", self.address, b"", *payload])

    def receive(self, seconds: float) -> list[bytes] | None:
        """The payload of the next answer; None if none comes in time."""
        if not self.socket.poll(int(1000 * seconds)):
            return None
        first, sender, second, *payload = self.socket.recv_multipart()
        assert (first, sender, second) == (b"", self.address, b""), sender
        return payload

    def ask(self, *payload: bytes, every: float = 0.2) -> list[bytes]:
        """Send a request until it is answered: what is not delivered is dropped in silence.

        Each attempt has a socket of its own, as in CAMEO, so that no late answer is taken for that
        to another request.
        """
        end = time.monotonic() + TIMEOUT
        while time.monotonic() < end:
            self.send(*payload)
            if found := self.receive(every):
                return found
            self.close()
            self._open()
            every += 0.2
        raise TimeoutError(f"{self.address.decode()} does not answer")

    def close(self) -> None:
        """Close the socket."""
        self.socket.close()


def value_of(payload: list[bytes]) -> Any:
    """The JSON of the first frame."""
    return json.loads(payload[0])
