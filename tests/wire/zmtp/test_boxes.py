"""Sealing and opening runs of frames, in plain Python and compiled: both make the same bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.zmtp.boxes import COUNTER_MAX
from ccproxy.wire.zmtp.curve import FASTEST_BOXES, PLAIN_BOXES, secrets
from ccproxy.wire.zmtp.frames import ZmtpError, command, frame
from ccproxy.wire.zmtp.gather import MessageTooBig

EDGES = (0, 1, 200, 221, 222, 223, 224, 254, 255, 256, 257, 300, 20_000)
"""The header of a sealed frame is long from 223 bytes on, that of a frame from 256 on."""
RUN = b"".join(frame(b"x" * size, more=size % 2 == 1) for size in EDGES) + command(b"PING", b"ab")
LIMIT = 1 << 20
MODES = pytest.mark.parametrize("boxes", [PLAIN_BOXES, FASTEST_BOXES], ids=["plain", "fastest"])


def secret(boxes):
    return secrets(bytes(range(32)), b"CurveZMQMESSAGEC", boxes)


def seal(boxes, data, counter=3):
    return boxes.seal(data, secret(boxes), counter, boxes.addresses)


def opened(boxes, data, counter=3, limit=LIMIT):
    return boxes.open(data, secret(boxes), counter, limit, boxes.addresses)


@MODES
def test_what_is_sealed_is_opened(boxes):
    sealed, counter = seal(boxes, RUN)
    assert counter == 3 + len(EDGES) + 1
    assert sealed == seal(PLAIN_BOXES, RUN)[0]
    assert opened(boxes, sealed) == (RUN, len(sealed), counter, 0)


@MODES
def test_outer_flags_are_00_and_02_and_inner_ones_more_and_command(boxes):
    sealed = [seal(boxes, one)[0] for one in (frame(b"", more=True), frame(bytes(223)), RUN[-9:])]
    assert [one[0] for one in sealed] == [0, 2, 0]
    assert sealed[0][2:10] == b"\x07MESSAGE" and sealed[0][10:18] == bytes(7) + b"\x04"
    assert [opened(boxes, one)[0][0] for one in sealed] == [1, 0, 4]


@MODES
@given(st.lists(st.tuples(st.binary(max_size=400), st.booleans()), max_size=6), st.data())
def test_cut_anywhere_the_whole_frames_come_first(boxes, frames, data):
    parts = [frame(body, more) for body, more in frames]
    sealed = [seal(boxes, part, 3 + number)[0] for number, part in enumerate(parts)]
    whole = b"".join(sealed)
    cut = data.draw(st.integers(0, len(whole)))
    plain, done, counter, needed = opened(boxes, whole[:cut])
    number = counter - 3
    assert plain == b"".join(parts[:number])
    assert done == sum(map(len, sealed[:number])) <= cut
    if needed:
        assert needed == len(sealed[number])


@MODES
def test_a_frame_that_is_sent_again_changed_or_out_of_order_is_refused(boxes):
    first, counter = seal(boxes, frame(b"first"))
    second, _ = seal(boxes, frame(b"second"), counter)
    with pytest.raises(ZmtpError, match="nonce 4 behind 4: sent before, or out of order"):
        opened(boxes, first + first)
    with pytest.raises(ZmtpError, match="nonce 4 behind 5"):
        opened(boxes, second + first)
    for at in (10, 17, 18, 34, len(first) - 1):
        changed = bytearray(first)
        changed[at] ^= 1
        with pytest.raises(ZmtpError, match="not made with the keys|nonce"):
            opened(boxes, bytes(changed))


@MODES
@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"\x01\x30" + bytes(48), "frame flags 0x01 where a sealed frame"),
        (b"\x00\x20" + bytes(32), "sealed frame of 32 bytes; 33 or more"),
        (b"\x00\x30\x05READY" + bytes(42), "a frame that is not sealed"),
        (b"\x02" + b"\xff" * 8, "frame of 18446744073709551582 bytes or more; limit"),
    ],
)
def test_what_is_no_sealed_frame(boxes, data, text):
    with pytest.raises(ZmtpError, match=text):
        opened(boxes, data)


@MODES
def test_a_frame_over_the_limit_is_named_before_it_is_whole(boxes):
    sealed, _ = seal(boxes, frame(bytes(1001)))
    with pytest.raises(MessageTooBig, match="frame of 1001 bytes or more; limit 1000"):
        opened(boxes, sealed[:9], limit=1000)
    assert opened(boxes, sealed[:9], limit=1001)[3] == len(sealed)


@MODES
def test_what_came_in_front_of_a_frame_over_the_limit_is_not_lost(boxes):
    small = [frame(b"1"), frame(b"x" * 400)]
    sealed, _ = seal(boxes, b"".join([*small, frame(bytes(1001))]))
    with pytest.raises(MessageTooBig) as found:
        opened(boxes, sealed, limit=1000)
    assert found.value.opened == b"".join(small)


@MODES
@pytest.mark.parametrize("data", [b"\x00", b"\x00\x05abc", b"\x02" + b"\xff" * 8, b"\x02\x00"])
def test_only_whole_frames_are_sealed(boxes, data):
    with pytest.raises(ZmtpError, match="only whole frames"):
        seal(boxes, data)


@MODES
def test_nonces_end(boxes):
    assert seal(boxes, frame(b""), COUNTER_MAX - 1)[1] == COUNTER_MAX
    with pytest.raises(ZmtpError, match="no nonce is left"):
        seal(boxes, frame(b""), COUNTER_MAX)
