# cython: language_level=3, boundscheck=False, wraparound=False, annotation_typing=False
"""The hot function for messages with an address: delimiter, address, delimiter, payload.

As in `hot.py` it is one straight line, which Cython compiles as `_addresses`; `_addresses.pxd`
holds the types. It must never keep state between calls.
"""

from __future__ import annotations

Buffer = bytes | memoryview
LARGE = 4096
"""From this size on, in bytes, a view is cheaper than a copy: a join copies a message anyway."""


def by_address(data: bytes) -> tuple[dict[bytes, list[Buffer]], int, int, bool]:
    """Sort messages by their second frame, the address, and take three frames off each.

    By the address: an empty string and the rests of its messages, in their order. Then how many
    messages have no fourth frame, and their bytes; and True only if the first and third frame of
    all others are empty and the second one has a head of two bytes.
    """
    size = len(data)
    raw = data
    found: dict[bytes, list[Buffer]] = {}
    parts: list[Buffer] = []
    key = b""
    at = short = lost = 0
    plain = True
    while at < size:
        begun = rest = body = end = at
        flags = 1
        frames = 0
        while flags & 1:
            flags = raw[at]
            if flags & 2:
                if frames < 3:
                    plain = False
                start = at + 9
                at = start + int.from_bytes(data[at + 1 : start], "big")
            else:
                start = at + 2
                at = start + raw[at + 1]
            frames += 1
            if frames == 2:
                body = start
                end = at
            elif frames == 3:
                rest = at
                if start < at:
                    plain = False
            elif frames == 1 and start < at:
                plain = False
        if frames < 4:
            short += 1
            lost += at - begun
            continue
        address = raw[body:end]
        if not parts or address != key:
            key = address
            parts = found.setdefault(key, [])
            if not parts:
                parts.append(b"")
        if at - rest < LARGE:
            parts.append(raw[rest:at])
        else:
            parts.append(memoryview(data)[rest:at])
    return found, short, lost, plain
