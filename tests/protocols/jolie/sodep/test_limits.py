import pytest

from ccproxy.protocols.jolie.sodep.limits import SodepError, SodepLimits, TooLong
from ccproxy.protocols.jolie.sodep.messages import message
from ccproxy.protocols.jolie.sodep.reader import SodepReader


def test_a_message_that_is_too_long_is_one_of_the_errors():
    assert issubclass(TooLong, SodepError) and issubclass(SodepError, ValueError)


@pytest.mark.parametrize(
    ("limits", "tail", "reason"),
    [
        ({"message": 20}, b"\0\0\0\1o\0\1\0\0\0\x09" + bytes(13), "more than 20 bytes"),
        ({"name": 3}, b"\0\0\0\4oooo\0" + bytes(5), "operation name of 4 bytes; limit 3"),
        ({"nodes": 1}, b"\0\0\0\1o\0\0\0\0\0\2" + bytes(9), "2 child names; limit 1"),
        (
            {"depth": 1},
            b"\0\0\0\1o\0\0\0\0\0\1\0\0\0\1a\0\0\0\1" + bytes(5),
            "nested deeper than 1",
        ),
    ],
)
def test_each_limit_ends_the_reading(limits, tail, reason):
    reader = SodepReader(SodepLimits(**limits))
    assert reader.feed(message(1, b"/", tail)) == []
    assert reason in reader.broken
    assert reader.too_big == ("message" in limits)
    allowed = SodepReader(SodepLimits())
    allowed.feed(message(1, b"/", tail))
    assert not allowed.broken
