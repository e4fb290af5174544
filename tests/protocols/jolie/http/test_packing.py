"""Which answers are gzipped, for which callers, and for how long at a time."""

import gzip
import os

import pytest

from ccproxy.protocols.jolie.http.messages import Sending
from ccproxy.protocols.jolie.http.packing import BURST, LEAST, MOST, SHARE, Packing, takes_gzip

TAKES = {"accept-encoding": "gzip"}
TYPE = ("Content-Type", "text/xml")


class Clock:
    """Moves by hand, and by what each look at it is said to take."""

    def __init__(self, takes: float = 0.0) -> None:
        self.now, self.takes = 0.0, takes

    def __call__(self) -> float:
        self.now += self.takes
        return self.now


def answer(size: int) -> Sending:
    return Sending((TYPE,), b"a" * size, 200)


@pytest.mark.parametrize(
    ("accepted", "takes"),
    [
        ("gzip, deflate", True), ("deflate, gzip;q=0.5", True), ("GZIP", True), ("*", True),
        ("x-gzip", True), ("gzip ; q=1.0", True), ("identity;q=0, gzip", True),
        ("gzip;q=0", False), ("gzip; q=0.000", False), ("*;q=0", False), ("deflate", False),
        ("identity", False), ("", False), ("gzipped", False), ("gzip;q=0, *", False),
        (",;,gzip;q=0;x", True),
    ],
)  # fmt: skip
def test_which_callers_take_it(accepted, takes):
    assert takes_gzip({"accept-encoding": accepted}) is takes
    assert not takes_gzip({})


@pytest.mark.parametrize("size", [LEAST, MOST])
def test_an_answer_of_a_middle_size(size):
    packed = Packing(Clock()).packed(answer(size), TAKES)
    assert gzip.decompress(packed.body) == b"a" * size
    assert packed.headers == (TYPE, ("Content-Encoding", "gzip"), ("Vary", "Accept-Encoding"))
    assert packed.status == 200


@pytest.mark.parametrize("size", [0, LEAST - 1, MOST + 1])
def test_small_and_large_ones_go_as_they_are(size):
    sending = answer(size)
    assert Packing(Clock()).packed(sending, TAKES) is sending


def test_what_does_not_get_smaller_goes_as_it_is():
    noise = Sending((TYPE,), os.urandom(LEAST))
    assert Packing(Clock()).packed(noise, TAKES) is noise


def test_a_burst_of_answers_is_packed_for_a_while_and_then_goes_as_it_is():
    clock = Clock(takes=BURST / 4)
    packing = Packing(clock)
    sending = answer(LEAST)
    found = [packing.packed(sending, TAKES) is not sending for _ in range(40)]
    assert found[:4] == [True] * 4
    assert found.count(False) > 0 and found.count(True) < 40 * (SHARE + 0.4)
    clock.now += 2 * BURST / SHARE
    assert packing.packed(sending, TAKES) is not sending
