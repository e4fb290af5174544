"""Payloads of any frames as values."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols.zmq.codec import DELIMITED, FRAMES


def test_one_frame_with_a_json_object_is_that_object():
    assert FRAMES.decode("call", (b'{"a": [1]}',)) == {"a": [1]}
    assert FRAMES.encode("call", {"a": "\u00e9"}, b"blob") == (b'{"a":"\\u00e9"}', b"blob")
    assert DELIMITED.decode("call", (b"", b"{}")) == {}
    assert DELIMITED.encode("call", {}, None) == (b"", b"{}")
    assert FRAMES.blob((b"{}", b"x")) is None


@pytest.mark.parametrize("frame", [b"[1]", b"nothing", b"\xff", b"[" * 100_000, b""])
def test_any_other_frame_is_bytes(frame):
    assert FRAMES.decode("call", (frame,)) == {"frames": [frame]}


@given(st.lists(st.binary(max_size=5), min_size=1, max_size=3))
def test_frames_come_back_as_they_were(frames):
    for codec, front in ((FRAMES, ()), (DELIMITED, (b"",))):
        value = codec.decode("call", (*front, *frames))
        if "frames" in value:
            assert codec.encode("call", value, None) == (*front, *frames)


def test_text_is_a_frame_and_other_values_are_not():
    assert FRAMES.encode("call", {"frames": ["a", b"b"]}, None) == (b"a", b"b")
    with pytest.raises(ValueError, match="a frame is bytes or text"):
        FRAMES.encode("call", {"frames": [1]}, None)
    with pytest.raises(ValueError, match="no JSON"):
        FRAMES.encode("call", {"a": b"bytes"}, None)
