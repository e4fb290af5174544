# cython: language_level=3, boundscheck=False, wraparound=False, annotation_typing=False
"""The hot functions: find whole messages in a read, look up where they go, pass the bytes on.

Each of the two directions is one straight-line function, longer than this project allows anywhere
else, because one call per frame would cost more than all the rest together (`make bench`). Cython
compiles this same file as `_hot` if there is a C compiler; `_hot.pxd` holds the types. It must
never decode a payload, keep state between calls, or do anything once per message that can be done
once per run.

A run is a series of messages with the same target. Their bytes are joined once, behind the prefix
that names their sender, and this one chunk goes to all outboxes of the target.

`text` is the same as `data`: compiled it is a pointer, which is cut in a third of the time. It
must never be cut beyond the end of `data`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ccproxy.core.addresses import LARGE
from ccproxy.core.addresses import Buffer as Buffer
from ccproxy.core.flows import Flow, Target
from ccproxy.core.sinks import Sink
from ccproxy.core.stops import BLOCKED, BROKEN, COMMAND, TIRED, TOO_BIG


def scan(
    data: bytes,
    flows: dict[bytes, Flow],
    miss: Callable[[bytes], Flow],
    emit: Callable[[Target, list[Buffer], int], bool],
    limits: tuple[int, int],
) -> tuple[int, int, Sequence[Sink]]:
    """Pass on the whole messages of `data` by their type.

    A message is any number of non-empty frames, an empty one, the type, and any further frames.
    `flows` is the flow table; `miss` makes a flow that is not in it (for b"" the one of malformed
    messages). `emit` gets a run: its target, a list of an empty string and the messages, and their
    size in bytes. If the target has handlers, True from `emit` ends the scan. `limits` are the
    size in bytes and the number of frames of the largest message. Returns the number of bytes that
    are done, why the scan stopped, and the outboxes to wait for if it is BLOCKED.
    """
    size = len(data)
    text = data
    last = size - 2
    limit, most = limits
    # A frame has at least two bytes, so no message shorter than this can exceed a limit.
    small = min(LARGE, limit, 2 * most)
    start = run = begun = stop = head_size = head_more = 0
    counted = 1
    head = b""
    seen = False
    flow: Any = None
    target: Any = None
    view = memoryview(data)
    parts: list[Buffer] = [b""]
    wait: Sequence[Sink] = ()
    while start <= last:
        at = start + head_size
        if head_size and data.startswith(head, start):
            flags = head_more
        else:
            at = start
            found: Flow | None = None
            flags = 1
            named = False
            while flags & 1 and at <= last:
                flags = data[at]
                if flags < 2:
                    body = at + 2
                    at = body + data[at + 1]
                elif flags < 4:
                    body = at + 9
                    if body > size:
                        at = size
                        flags = 1
                        break
                    length = int.from_bytes(data[at + 1 : body], "big")
                    if length > limit:
                        stop = TOO_BIG
                        break
                    at = body + length
                else:
                    stop = COMMAND if at == start and (flags == 4 or flags == 6) else BROKEN
                    break
                if named:
                    if at <= size:
                        name = text[body:at]
                        found = flows.get(name)
                        if found is None:
                            # `miss` may forget the flow that is being counted: add its counts now.
                            if flow is not None:
                                flow.count += len(parts) - counted
                                flow.bytes += start - begun
                                counted = len(parts)
                                begun = start
                            found = miss(name)
                    break
                named = at == body
            if stop:
                break
            if found is not None:
                head = text[start:at]
                head_size = at - start
                head_more = flags & 1
            elif at > size or flags & 1:
                break
            else:
                found = miss(b"")
                head_size = 0
            if found is not flow:
                if flow is not None:
                    flow.count += len(parts) - counted
                    flow.bytes += start - begun
                counted = len(parts)
                begun = start
                flow = found
                if found.target is not target:
                    if target is not None:
                        emit(target, parts, start - run)
                        parts = [b""]
                        counted = 1
                    target = found.target
                    seen = len(target.handlers) > 0
                    run = start
                if target.blocking:
                    wait = [box for box in target.blocking if box.blocked]
                    if wait:
                        stop = BLOCKED
                        break
        while flags & 1:
            if at > last:
                at = size + 1
                break
            flags = data[at]
            if flags < 2:
                at += 2 + data[at + 1]
            elif flags < 4:
                if at + 9 > size:
                    at = size + 1
                    break
                length = int.from_bytes(data[at + 1 : at + 9], "big")
                if length > limit:
                    stop = TOO_BIG
                    at = size + 1
                    break
                at += 9 + length
            else:
                stop = BROKEN
                at = size + 1
                break
        if at > size:
            break
        if at - start < small:
            parts.append(text[start:at])
        elif at - start > limit:
            stop = TOO_BIG
            break
        elif frames_in(data, start, at) > most:
            stop = BROKEN
            break
        else:
            parts.append(view[start:at])
        start = at
        # Handlers take time for each message. If they take too long, `emit` ends the scan.
        if seen:
            flow.count += 1
            tired = emit(target, parts, start - run)
            parts = [b""]
            run = start
            wait = [box for box in target.blocking if box.blocked]
            if wait or tired:
                stop = BLOCKED if wait else TIRED
                break
    if flow is not None:
        flow.count += len(parts) - counted
        flow.bytes += start - begun
    if target is not None and start > run:
        emit(target, parts, start - run)
    return start, stop, wait


def scan_replies(
    data: bytes,
    peers: dict[bytes, Sink],
    emit: Callable[[bytes, list[Buffer], int], None],
    limits: tuple[int, int],
) -> tuple[int, int, Sequence[Sink]]:
    """Pass on the whole messages of `data` by the identity in their first frame.

    `emit` gets a run: the identity, the messages without their first frame, and their size on the
    wire in bytes. It also gets runs for identities that no peer has. Returns the same as `scan`.
    """
    size = len(data)
    text = data
    last = size - 2
    limit, most = limits
    small = min(LARGE, limit, 2 * most)
    start = run = stop = head_size = 0
    head = identity = b""
    view = memoryview(data)
    parts: list[Buffer] = []
    wait: Sequence[Sink] = ()
    while start <= last:
        at = start + head_size
        flags = 1
        if not head_size or not data.startswith(head, start):
            at = start
            flags = data[at]
            if flags < 2:
                body = at + 2
                at = body + data[at + 1]
            elif flags < 4:
                body = at + 9
                if body > size:
                    break
                length = int.from_bytes(data[at + 1 : body], "big")
                if length > limit:
                    stop = TOO_BIG
                    break
                at = body + length
            else:
                stop = COMMAND if flags == 4 or flags == 6 else BROKEN
                break
            if at > size:
                break
            if parts:
                emit(identity, parts, start - run)
                parts = []
            identity = text[body:at]
            head = text[start:at]
            head_size = at - start if flags & 1 else 0
            run = start
            box = peers.get(identity)
            if box is not None and box.blocked:
                stop = BLOCKED
                wait = (box,)
                break
        behind = at
        while flags & 1:
            if at > last:
                at = size + 1
                break
            flags = data[at]
            if flags < 2:
                at += 2 + data[at + 1]
            elif flags < 4:
                if at + 9 > size:
                    at = size + 1
                    break
                length = int.from_bytes(data[at + 1 : at + 9], "big")
                if length > limit:
                    stop = TOO_BIG
                    at = size + 1
                    break
                at += 9 + length
            else:
                stop = BROKEN
                at = size + 1
                break
        if at > size:
            break
        if at - start < small:
            parts.append(text[behind:at])
        elif at - start > limit:
            stop = TOO_BIG
            break
        elif frames_in(data, start, at) > most:
            stop = BROKEN
            break
        else:
            parts.append(view[behind:at])
        start = at
    if parts:
        emit(identity, parts, start - run)
    return start, stop, wait


def frames_in(data: bytes, at: int, end: int) -> int:
    """The number of frames in whole messages."""
    count = 0
    while at < end:
        if data[at] & 2:
            at += 9 + int.from_bytes(data[at + 1 : at + 9], "big")
        else:
            at += 2 + data[at + 1]
        count += 1
    return count
