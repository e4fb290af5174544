# cython: language_level=3, boundscheck=False, wraparound=False, annotation_typing=False
"""Hot functions for messages of any ZeroMQ socket: find whole ones, sort them, change their heads.

Here a message is any number of frames, and nothing is known of their meaning. As in `hot.py` each
function is one straight line, which Cython compiles as `_walk`; `_walk.pxd` holds the types. All
but `whole` take chunks of whole messages only. They must never keep state between calls.
`text` is the same as `data`: compiled it is a pointer, see `hot.py`.
"""

from __future__ import annotations

from typing import Any, Protocol

from ccproxy.core.stops import BROKEN, COMMAND, MORE, TOO_BIG

Span = tuple[Any, int, int, int]
"""Something that holds for a series of messages of a chunk; where they start and end; how many."""
Share = tuple[bytes, int, list[int]]
"""Messages of a chunk one behind the other; how many; the numbers of their spans."""
MISS = 64
"""What it costs to ask for a key, or to pass on a span, in the unit of weights: a peer of an
audience."""


class KeyTable(Protocol):
    """What `by_topic` looks up: entries by the keys of messages.

    An entry has a `version`, and a `place` with a `weight`: what a span for it costs.
    """

    longest: int
    version: int
    entries: dict[bytes, Any]

    def resolve(self, key: bytes) -> Any:
        """The entry of a key that has none, or one of another version."""


def whole(data: bytes, limits: tuple[int, int]) -> tuple[int, int, int]:
    """Where the whole messages at the beginning of a read end, how many there are, and why the
    search stopped there: MORE, COMMAND, BROKEN or TOO_BIG.

    `limits` are the size in bytes and the number of frames of the largest message.
    """
    size = len(data)
    last = size - 2
    limit, most = limits
    start = messages = 0
    while start <= last:
        at = start
        flags = 1
        frames = 0
        while flags & 1:
            if at > last:
                return start, messages, MORE if at - start <= limit else TOO_BIG
            flags = data[at]
            if flags < 2:
                at += 2 + data[at + 1]
            elif flags < 4:
                if at + 9 > size:
                    return start, messages, MORE
                length = int.from_bytes(data[at + 1 : at + 9], "big")
                if length > limit:
                    return start, messages, TOO_BIG
                at += 9 + length
            elif at == start and (flags == 4 or flags == 6):
                return start, messages, COMMAND
            else:
                return start, messages, BROKEN
            frames += 1
            if frames > most:
                return start, messages, BROKEN
        if at - start > limit:
            return start, messages, TOO_BIG
        if at > size:
            break
        start = at
        messages += 1
    return start, messages, MORE


def cut(data: bytes) -> list[bytes]:
    """Each message of a chunk by itself."""
    size = len(data)
    found: list[bytes] = []
    at = start = 0
    while at < size:
        flags = data[at]
        if flags & 2:
            at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
        else:
            at += 2 + data[at + 1]
        if not flags & 1:
            found.append(data[start:at])
            start = at
    return found


def skip(data: bytes, start: int, most: int) -> tuple[int, int]:
    """Where up to `most` messages of a chunk end that begin at `start`, and how many there are."""
    size = len(data)
    at = start
    messages = 0
    while at < size and messages < most:
        flags = data[at]
        if flags & 2:
            at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
        else:
            at += 2 + data[at + 1]
        if not flags & 1:
            messages += 1
    return at, messages


def payloads(data: bytes) -> bytes:
    """Messages of CC without their envelopes: what stands behind the type of each.

    A message that ends with its type becomes one empty frame.
    """
    size = len(data)
    parts: list[bytes] = []
    at = body = 0
    behind = 0
    while at < size:
        flags = 1
        behind = 0
        while flags & 1:
            flags = data[at]
            if flags & 2:
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
                empty = False
            else:
                empty = data[at + 1] == 0
                at += 2 + data[at + 1]
            if behind == 0 and empty:
                behind = 1
            elif behind == 1:
                behind = 2
                body = at
        parts.append(data[body:at] if behind == 2 and body < at else b"\0\0")
    return b"".join(parts)


def deal(
    data: bytes, at: int, slots: list[int], rooms: list[int]
) -> tuple[int, int, list[list[bytes]]]:
    """Hand out the messages of a chunk from `at` on, one to each place in turn.

    Place `n` has room as long as `slots[n]` messages and `rooms[n]` bytes are above 0; both lists
    are changed. Returns where it ended, because of the end or because no place had room, the place
    whose turn is next, and the messages of each place.
    """
    text = data
    size = len(data)
    places = len(slots)
    shares: list[list[bytes]] = [[] for _ in slots]
    turn = skipped = 0
    while at < size and skipped < places:
        slot = slots[turn]
        room = rooms[turn]
        if slot <= 0 or room <= 0:
            skipped += 1
        else:
            skipped = 0
            start = at
            flags = 1
            while flags & 1:
                flags = data[at]
                if flags & 2:
                    at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
                else:
                    at += 2 + data[at + 1]
            shares[turn].append(text[start:at])
            slots[turn] = slot - 1
            rooms[turn] = room - (at - start)
        turn += 1
        if turn == places:
            turn = 0
    return at, turn, shares


def parted(data: bytes) -> list[tuple[bytes, bytes, bytes]]:
    """Each message of CC in three: route and empty frame, type, and what stands behind it.

    A message that ends with its type has nothing behind it. One without an empty frame and a type
    has no route and no type.
    """
    size = len(data)
    parts: list[tuple[bytes, bytes, bytes]] = []
    at = 0
    while at < size:
        begun = middle = body = at
        flags = 1
        behind = 0
        while flags & 1:
            flags = data[at]
            if flags & 2:
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
                empty = False
            else:
                empty = data[at + 1] == 0
                at += 2 + data[at + 1]
            if behind == 1:
                behind = 2
                body = at
            elif behind == 0 and empty:
                behind = 1
                middle = at
        if behind < 2:
            middle = body = begun
        parts.append((data[begun:middle], data[middle:body], data[body:at]))
    return parts


def by_name(data: bytes) -> list[tuple[bytes, bytes, int, int]]:
    """Take the first frame off each message: it, the rest, how many messages, their bytes here.

    Messages that follow each other and have the same first frame are together. Of a message that
    has no other frame the rest is empty, and it stands by itself.
    """
    size = len(data)
    found: list[tuple[bytes, bytes, int, int]] = []
    rests: list[bytes] = []
    known: bytes | None = None
    at = since = 0
    while at < size:
        begun = at
        flags = data[at]
        if flags & 2:
            at += 9
            end = at + int.from_bytes(data[begun + 1 : at], "big")
        else:
            at += 2
            end = at + data[begun + 1]
        name = data[at:end]
        at = end
        while flags & 1:
            flags = data[at]
            if flags & 2:
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
            else:
                at += 2 + data[at + 1]
        if rests and (name != known or at == end):
            assert known is not None
            found.append((known, b"".join(rests), len(rests), begun - since))
            rests = []
        if at == end:
            found.append((name, b"", 1, at - begun))
            continue
        if not rests:
            known = name
            since = begun
        rests.append(data[end:at])
    if rests:
        assert known is not None
        found.append((known, b"".join(rests), len(rests), size - since))
    return found


def by_topic(data: bytes, start: int, table: KeyTable, budget: int) -> list[Span]:
    """Cut a chunk from `start` on into spans of messages with the same entry; the spans in order.

    The key of a message is its first frame, cut to `table.longest` bytes. A key that is not among
    `table.entries`, or whose version is not the table's, is asked from `table.resolve`. Messages
    are in one span as long as the `place` is the same. A span costs the weight of its place, and a
    key that is asked for this and `MISS` more; the spans end early once the budget is used up.
    """
    size = len(data)
    text = data
    longest = table.longest
    version = table.version
    entries = table.entries
    spans: list[Span] = []
    at = start
    messages = head_size = head_more = 0
    head = b""
    place: Any = None
    while at < size:
        begun = at
        if head_size and data.startswith(head, at):
            flags = head_more
            at += head_size
        else:
            flags = head_more = data[at]
            if flags & 2:
                body = at + 9
                at = body + int.from_bytes(data[at + 1 : body], "big")
            else:
                body = at + 2
                at = body + data[at + 1]
            end = body + longest
            if end > at:
                end = at
            key = text[body:end]
            entry = entries.get(key)
            if entry is None or entry.version != version:
                if budget <= 0 and messages:
                    at = begun
                    break
                entry = table.resolve(key)
                budget -= MISS + entry.place.weight
            if entry.place is not place:
                if messages:
                    spans.append((place, start, begun, messages))
                    if budget <= 0:
                        return spans
                place = entry.place
                budget -= place.weight
                start = begun
                messages = 0
            head = text[begun:end]
            head_size = at - begun
        while flags & 1:
            flags = data[at]
            if flags & 2:
                at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
            else:
                at += 2 + data[at + 1]
        messages += 1
    if messages:
        spans.append((place, start, at, messages))
    return spans


def shares(data: bytes, spans: list[Span]) -> tuple[dict[Any, Share], list[tuple[bool, int]]]:
    """What each box gets of a chunk whose spans have audiences as places; and whether anybody
    wants them: (True, messages), (False, messages) and so on, in their order.

    An audience has `peers`; each has a `box`, and gets nothing once it is `gone`. The messages of a
    box keep their order.
    """
    text = data
    wanted: list[tuple[bool, int]] = []
    is_wanted = True
    count = 0
    joined: dict[Any, Share] = {}
    boxes: dict[Any, tuple[list[bytes], list[int]]] = {}
    lists: dict[Any, list[tuple[list[bytes], list[int]]]] = {}
    for number, (place, start, end, size) in enumerate(spans):
        found = lists.get(place)
        if found is None:
            found = lists[place] = []
            for peer in place.peers:
                if not peer.gone:
                    share = boxes.get(peer.box)
                    if share is None:
                        share = boxes[peer.box] = ([], [])
                    found.append(share)
        if found:
            part = text[start:end]
            for pieces, numbers in found:
                pieces.append(part)
                numbers.append(number)
        if (len(found) > 0) != is_wanted:
            if count:
                wanted.append((is_wanted, count))
            is_wanted = not is_wanted
            count = 0
        count += size
    if count:
        wanted.append((is_wanted, count))
    for box, (pieces, numbers) in boxes.items():
        messages = 0
        for number in numbers:
            messages += spans[number][3]
        joined[box] = (b"".join(pieces), messages, numbers)
    return joined, wanted
