"""What two servers say to each other when one takes the other's place, on the control socket.

The new one asks `POST /v1/replace?version=1&linger=SECONDS`, and is answered `101`. From then on
each of them sends lines of JSON:

    new  {"begin": true}
    old  {"handed": [[kind, number, owner, address], ...], "more": true}   with the descriptors
    new  {"got": 3}                                                        for each of these lines
    old  {"process": 123, "environment": {...}}
    new  {"release": ["/path/state.db"]}         stop what has these files open
    old  {"released": ["h:manager"]}
    new  {"ready": [1, 2, 5], "process": 456}    it accepts on these sockets and needs them
    old  {"over": true}                          it accepts no more, and ends what it has

`{"refused": "why"}` ends it at any time, and so does the end of the connection: before `ready` the
old server goes on, whatever became of the new one. What is not known in a line is ignored, so that
another version of the program can take over as long as VERSION is the same. This module must never
know what is handed over.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

VERSION = 1
SOCKETS_AT_ONCE = 64
"""Descriptors in one line; the kernel takes up to 253."""
LONGEST_LINE = 256 * 1024
LISTENER, CONTROL, PIDFILE, JOURNAL = "listener", "control", "pidfile", "journal"
"""Kinds of what is handed over. The owner of a listener is its section; the address of a control
socket and of a pid file is its path; a journal is where the standard error of the old one goes."""
ENVIRONMENT = ("NOTIFY_SOCKET", "WATCHDOG_USEC", "JOURNAL_STREAM")
"""What systemd told the old server, for the new one."""


class HandoverError(Exception):
    """The other server refuses, speaks something else, or has gone; the text says which."""


class OtherServerEnded(HandoverError):
    """The connection has ended: the other server has, or has given it up."""

    def __init__(self) -> None:
        super().__init__("the other server has ended")


@dataclass(frozen=True, slots=True)
class Handed:
    """One descriptor that is handed over."""

    kind: str
    number: int
    owner: str
    address: str
    descriptor: int


class HandoverLines:
    """Lines on one connection, for the loop."""

    def __init__(self, sock: socket.socket) -> None:
        self.socket = sock
        self._data = b""

    async def send(self, value: Mapping[str, Any]) -> None:
        """Send a line; OSError if the other side has gone."""
        await asyncio.get_running_loop().sock_sendall(self.socket, encoded(value))

    async def receive(self) -> dict[str, Any]:
        """The next line; HandoverError at the end of the connection, or if it is none."""
        while b"\n" not in self._data:
            if len(self._data) > LONGEST_LINE:
                raise HandoverError(f"a line has more than {LONGEST_LINE} bytes")
            data = await asyncio.get_running_loop().sock_recv(self.socket, 65536)
            if not data:
                raise OtherServerEnded
            self._data += data
        line, _, self._data = self._data.partition(b"\n")
        return decoded(line)

    async def hand(self, handed: Sequence[Handed]) -> None:
        """Send descriptors, a few at a time."""
        for start in range(0, max(1, len(handed)), SOCKETS_AT_ONCE):
            some = handed[start : start + SOCKETS_AT_ONCE]
            rows = [[one.kind, one.number, one.owner, one.address] for one in some]
            line = encoded({"handed": rows, "more": start + SOCKETS_AT_ONCE < len(handed)})
            # The other side has taken all before, so that one line always finds room.
            sent = socket.send_fds(self.socket, [line], [one.descriptor for one in some])
            await asyncio.get_running_loop().sock_sendall(self.socket, line[sent:])
            if (await self.receive()).get("got") != len(some):
                raise HandoverError("not all descriptors have arrived")

    def close(self) -> None:
        """End it."""
        self.socket.close()


def receive_handed(sock: socket.socket) -> list[Handed]:
    """All descriptors that `HandoverLines.hand` sends, on a socket that blocks; HandoverError."""
    found: list[Handed] = []
    more = True
    while more:
        line, descriptors = _line_with_descriptors(sock)
        rows = line.get("handed", ())
        if len(rows) != len(descriptors):
            for one in [*descriptors, *(one.descriptor for one in found)]:
                os.close(one)
            raise HandoverError(f"{len(descriptors)} of {len(rows)} descriptors have arrived")
        for (kind, number, owner, address, *_), descriptor in zip(rows, descriptors, strict=True):
            os.set_inheritable(descriptor, False)
            found.append(Handed(str(kind), int(number), str(owner), str(address), descriptor))
        sock.sendall(encoded({"got": len(rows)}))
        more = bool(line.get("more"))
    return found


def receive_line(sock: socket.socket) -> dict[str, Any]:
    """The next line on a socket that blocks; HandoverError at its end."""
    return _line_with_descriptors(sock)[0]


def _line_with_descriptors(sock: socket.socket) -> tuple[dict[str, Any], list[int]]:
    data, descriptors = b"", []
    while not data.endswith(b"\n"):
        some, fds, _, _ = socket.recv_fds(sock, 65536, SOCKETS_AT_ONCE)
        descriptors += fds
        data += some
        if not some or len(data) > LONGEST_LINE:
            for one in descriptors:
                os.close(one)
            raise OtherServerEnded
    return decoded(data), descriptors


def encoded(value: Mapping[str, Any]) -> bytes:
    """A line."""
    return json.dumps(value).encode() + b"\n"


def decoded(line: bytes) -> dict[str, Any]:
    """The object in a line; HandoverError if it is none, or says that the other side refuses."""
    try:
        value = json.loads(line)
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise HandoverError(f"the other server says {line[:80]!r}")
    if "refused" in value:
        raise HandoverError(str(value["refused"]))
    return value
