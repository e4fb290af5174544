# cython: language_level=3, boundscheck=False, wraparound=False, annotation_typing=False
"""The hot functions of CURVE: seal the frames of a run, and open the sealed frames of a read.

    frame:   flags | length | body
    sealed:  0 or 2 | length | 7 "MESSAGE" | nonce (8) | tag (16) | encrypted: flags (1), body

A sealed frame is one of ZMTP itself; inside, the flags are more = 1 and command = 2. libzmq sets no
COMMAND outside, and neither do we. Each is a straight-line loop with one buffer for all frames,
in which they are encrypted in place. Cython compiles this file as `_boxes`, with the types of
`_boxes.pxd`, and with the functions of `sodium.pxd` in the place of those of `sodium.py`.
It must never keep state between calls: the counters of nonces are passed in and out.
Wire facts: rfc.zeromq.org/spec/26 and libzmq's src/curve_mechanism_base.cpp.
"""

from __future__ import annotations

from ccproxy.wire.zmtp import sodium
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.gather import MessageTooBig

NAME = b"\x07MESSAGE"
OVERHEAD = 33
"""Bytes of a sealed frame's body more than that of the frame: name, nonce, tag and flags."""
ROOM = 32
"""Bytes in front of the first opened frame: in C those in front of any are used meanwhile."""
COUNTER_MAX = (1 << 64) - 1


def seal_frames(
    data: bytes, secrets: bytearray, counter: int, addresses: tuple[int, ...]
) -> tuple[bytes, int]:
    """Seal whole frames; the sealed ones, and the counter of the last nonce.

    `secrets` are a key (32 bytes), the prefix of nonces (16) and 8 bytes for the counter; `counter`
    is that of the last nonce used; `addresses` are those of libsodium's functions, see `sodium`,
    which also says which key it is. ZmtpError if `data` is not whole frames, or no nonce is left.
    """
    size = len(data)
    at = total = frames = 0
    while at < size:
        flags = data[at]
        if flags & 2:
            if at + 9 > size:
                break
            length = sodium.number_at(data, at + 1)
            if length > size:
                break
            at += 9 + length
        else:
            if at + 2 > size:
                break
            length = data[at + 1]
            at += 2 + length
        total += length + OVERHEAD + (2 if length + OVERHEAD < 256 else 9)
        frames += 1
    if at != size:
        raise ZmtpError("only whole frames can be sealed")
    if counter > COUNTER_MAX - frames:
        raise ZmtpError("no nonce is left")
    out = bytearray(total)
    at = place = 0
    while at < size:
        flags = data[at]
        if flags & 2:
            length = sodium.number_at(data, at + 1)
            at += 9
        else:
            length = data[at + 1]
            at += 2
        counter += 1
        sodium.number(secrets, 48, counter)
        sealed = length + OVERHEAD
        if sealed < 256:
            out[place + 1] = sealed
            place += 2
        else:
            out[place] = 2
            sodium.number(out, place + 1, sealed)
            place += 9
        sodium.put(out, place, NAME, 0, 8)
        sodium.number(out, place + 8, counter)
        out[place + 32] = (flags & 1) | ((flags & 4) >> 1)
        sodium.put(out, place + 33, data, at, length)
        sodium.box(addresses, out, place + 16, length + 1, secrets)
        at += length
        place += sealed
    return sodium.cut(out, 0, total), counter


def open_frames(
    data: bytes, secrets: bytearray, counter: int, limit: int, addresses: tuple[int, ...]
) -> tuple[bytes, int, int, int]:
    """Open the whole sealed frames that `data` begins with.

    Returns their frames, the number of bytes done, the counter of the last nonce, and how many
    bytes the next sealed frame needs in all (0 if its header is cut off). `limit` is the length in
    bytes of the longest body of a frame; the others are as for `seal_frames`. ZmtpError if a sealed
    frame is none, is too long, was sent before, or was not made with these secrets.
    """
    size = len(data)
    out = bytearray(size + ROOM)
    at = needed = 0
    place = ROOM
    while at + 2 <= size:
        flags = data[at]
        if flags & ~6:
            raise ZmtpError(f"frame flags 0x{flags:02x} where a sealed frame was expected")
        if flags & 2:
            if at + 9 > size:
                break
            start = at + 9
            length = sodium.number_at(data, at + 1)
        else:
            start = at + 2
            length = data[at + 1]
        if length < OVERHEAD:
            raise ZmtpError(f"sealed frame of {length} bytes; {OVERHEAD} or more expected")
        if length - OVERHEAD > limit:
            error = MessageTooBig(f"frame of {length - OVERHEAD} bytes or more; limit {limit}")
            error.opened = sodium.cut(out, ROOM, place)
            raise error
        end = start + length
        if end > size:
            needed = end - at
            break
        if sodium.differs(data, start, NAME):
            raise ZmtpError("a frame that is not sealed")
        number = sodium.number_at(data, start + 8)
        if number <= counter:
            raise ZmtpError(f"nonce {number} behind {counter}: sent before, or out of order")
        counter = number
        sodium.number(secrets, 48, counter)
        length -= OVERHEAD
        # What is opened begins with its flags, so they land where the end of the header will be.
        body = place + (2 if length < 256 else 9)
        if not sodium.unbox(addresses, data, start + 16, length + 17, out, body - 1, secrets):
            raise ZmtpError("a sealed frame that was not made with the keys of this connection")
        flags = out[body - 1]
        flags = (flags & 1) | ((flags & 2) << 1)
        if length < 256:
            out[place] = flags
            out[place + 1] = length
        else:
            out[place] = flags | 2
            sodium.number(out, place + 1, length)
        at = end
        place = body + length
    return sodium.cut(out, ROOM, place), at, counter, needed
