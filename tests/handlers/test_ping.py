import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.ping import PONG_TIMEOUT, TRACE, Note, Pinger

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
SEEN = json.loads((VECTORS / "hops_fanout_ping.json").read_text("utf-8"))["proxy_ping"]
TARGET = "tcp://127.0.0.1:PORT2"


def pinger(*pings: float) -> Pinger:
    made = Pinger(TARGET, 100.0)
    for time in pings:
        made.ping(time)
    return made


def pong(asked: object, target: object = TARGET) -> dict:
    return {"orig_target": target, "orig_time": asked}


def text(line: str) -> str:
    """The text of a log line behind the logger's name."""
    return line.split(": ", 1)[1]


def test_the_pong_of_the_latest_ping_is_logged_at_level_trace():
    made = pinger(101.0)
    note = made.pong("echo.response", pong(101.0), 101.25)
    assert note == Note(TRACE, "pong", f"pong: 0.250000 s ({TARGET})")
    assert (made.round_trip, made.last_pong, made.healthy) == (0.25, 101.25, True)


def test_a_late_pong_is_worth_a_debug_line():
    note = pinger(101.0, 102.0, 103.0).pong("echo.response", pong(101.0), 103.005606)
    assert (note.level, note.word) == (10, "late")
    assert note.text == text(SEEN["late_pong_2s"]["log"][0])


def test_a_pong_after_more_than_five_seconds_is_too_late():
    note = pinger(101.0, 102.0).pong("echo.response", pong(101.0), 131.002478)
    assert (note.level, note.word) == (20, "too-late")
    assert note.text == text(SEEN["too_late_pong_30s"]["log"][0])
    assert pinger(101.0, 102.0).pong("echo.response", pong(101.0), 106.0).word == "late"


def test_a_pong_for_another_target_is_unknown():
    made = pinger(101.0)
    note = made.pong("echo.response", pong(101.0, "tcp://other:1"), 102.0)
    assert (note.level, note.text) == (30, text(SEEN["wrong_target"]["log"][0]))
    assert made.last_pong == 100.0


def test_another_type_is_unknown():
    note = pinger(101.0).pong("log.info", {}, 102.0)
    assert (note.level, note.text) == (
        30, text(SEEN["other_type_with_empty_first_frame"]["log"][0])
    )  # fmt: skip


def test_a_target_cannot_forge_a_log_line():
    note = pinger(101.0).pong("echo.response", pong(1.0, "x\nERROR y"), 102.0)
    assert note.text == "unknown pong: x\\nERROR y"


@pytest.mark.parametrize("value", [{}, pong(None), pong("never"), pong(1.0, None), pong([1])])
def test_a_broken_pong_raises_and_changes_nothing(value):
    made = pinger(101.0)
    with pytest.raises((KeyError, ValueError)):
        made.pong("echo.response", value, 102.0)
    assert (made.last_pong, made.round_trip) == (100.0, None)


def test_silence_is_said_at_once_and_then_at_growing_intervals_with_the_sum():
    made = pinger(*[101.0 + second for second in range(5)])
    assert made.healthy
    assert made.ping(106.0) is None
    assert not made.healthy
    notes = [made.ping(107.0 + second) for second in range(10_000)]
    assert {note.word for note in notes} == {"missing"}  # each one is counted
    said = {6 + second: note.text for second, note in enumerate(notes) if note.text}
    assert list(said) == [6, 11, 21, 41, 81, 161, 321, 641, 1281, 2561, 5121, 8721]
    assert said[6] == f"no pong from {TARGET} for 6.000000 s"
    assert said[21] == f"no pong from {TARGET} for 21.000000 s (16 times)"


def test_of_a_link_that_never_was_up_it_says_that():
    made = pinger(*[101.0 + second for second in range(6)])
    made.connected = False
    assert made.ping(107.0).text == f"no pong from {TARGET} for 6.000000 s, the link was never up"


def test_the_return_of_pongs_is_said_once():
    made = pinger(*[101.0 + second for second in range(12)])
    assert made.back() is None
    made.pong("echo.response", pong(112.0), 112.5)
    note = made.back()
    assert (note.level, note.word) == (20, "back")
    assert note.text == f"pongs from {TARGET} are back after 6 missing ones"
    assert made.healthy
    assert made.back() is None
    assert made.ping(113.0) is None
    texts = [note.text for second in range(7) if (note := made.ping(114.0 + second))]
    assert texts == [f"no pong from {TARGET} for 5.500000 s", ""]


def test_the_original_complains_at_the_same_age():
    ages = [float(line.split(" for ")[1][:-2]) for line in SEEN["no_pong_for_9s"]["log"]]
    made = Pinger(TARGET, 0.0)
    made.last_ping = ages[0]
    assert made.ping(ages[1]).text.startswith(f"no pong from {TARGET} for 5.997184 s")
    made.last_ping = PONG_TIMEOUT
    assert made.ping(6.0) is None


def test_a_clock_set_back_does_not_hide_a_dead_link():
    made = pinger(101.0)
    made.pong("echo.response", pong(101.0), 101.5)
    notes = [made.ping(50.0 + second) for second in range(8)]
    assert [note is not None for note in notes] == [False] * 7 + [True]


@given(st.lists(st.booleans(), max_size=60))
def test_it_complains_exactly_when_more_than_five_seconds_are_unanswered(answered):
    made, silent = Pinger(TARGET, 0.0), 0
    for second, answer in enumerate(answered, 1):
        complained = made.ping(float(second)) is not None
        assert complained == (silent > PONG_TIMEOUT)
        silent = 0 if answer else silent + 1
        if answer:
            made.pong("echo.response", pong(float(second)), float(second))
