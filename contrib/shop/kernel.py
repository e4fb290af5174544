"""The kernel's own table of connections: what is really open between some addresses (Linux).

It is compared with what the Manager says, so it must never ask the Manager.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

End = tuple[str, int]
ESTABLISHED, LISTEN = "01", "0A"


def connections(nodes: Iterable[str], least: int = 1) -> set[tuple[End, End]]:
    """Source and destination of each open connection between these addresses, to a port of `least`
    or more on which a process listens."""
    own = set(nodes)
    ends = listeners(own)
    return {
        (here, there)
        for here, there, state in _rows()
        if state == ESTABLISHED and here[0] in own and there in ends and there[1] >= least
    }


def listeners(nodes: Iterable[str]) -> set[End]:
    """The ports of these addresses on which a process listens."""
    own = set(nodes)
    return {here for here, _, state in _rows() if state == LISTEN and here[0] in own}


def _rows() -> Iterator[tuple[End, End, str]]:
    for line in Path("/proc/net/tcp").read_text("ascii").split("\n")[1:]:
        fields = line.split()
        if fields:
            yield _end(fields[1]), _end(fields[2]), fields[3]


def _end(text: str) -> End:
    address, _, port = text.partition(":")
    return socket.inet_ntoa(struct.pack("<I", int(address, 16))), int(port, 16)
