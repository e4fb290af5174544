"""Heartbeats as transcripts; the clock is an argument."""

from __future__ import annotations

import pytest

from ccproxy.wire.zmtp.commands import Ping, parse_frame, ping, pong
from ccproxy.wire.zmtp.heartbeat import Heartbeat

NEW, OLD = (3, 1), (3, 0)


def test_ping_each_interval_whether_the_peer_talks_or_not() -> None:
    beat = Heartbeat(10, 5, 30, NEW)
    assert beat.next(100) == 110
    assert beat.due(100) == beat.due(109.9) == b""
    assert parse_frame(beat.due(110)) == Ping(300)
    assert beat.due(110) == b""
    assert beat.next(110) == 115
    beat.heard(111)
    assert beat.next(111) == 120
    assert beat.due(120) == ping(300)


def test_no_answer_in_time() -> None:
    beat = Heartbeat(10, 5, 0, NEW)
    beat.heard(0)
    assert beat.due(10) == ping(0)
    assert beat.dead(14.9) == ""
    assert beat.dead(15) == "no answer to PING in 5 s"
    beat.heard(15)
    assert beat.dead(15) == ""


def test_the_timeout_counts_from_the_first_ping_without_answer() -> None:
    beat = Heartbeat(1, 5, 0, NEW)
    beat.heard(0)
    for now in range(1, 6):
        assert beat.due(now)
        assert beat.dead(now) == ""
    assert beat.dead(6)


def test_a_timeout_of_0_never_ends_a_connection() -> None:
    beat = Heartbeat(1, 0, 0, NEW)
    beat.heard(0)
    assert beat.due(1)
    assert beat.dead(1e9) == ""
    assert beat.next(1) == 2


def test_off() -> None:
    beat = Heartbeat(0, 5, 30, NEW)
    assert beat.due(0) == beat.due(1e9) == b""
    assert beat.dead(1e9) == ""
    assert beat.next(0) is None


def test_an_older_peer_is_never_pinged_unless_it_pings() -> None:
    beat = Heartbeat(10, 5, 0, OLD)
    beat.heard(0)
    assert beat.due(1e6) == b""
    assert beat.next(1e6) is None
    assert beat.ping(1e6, Ping(0, b"ctx")) == pong(b"ctx")
    assert beat.due(1e6) == ping(0)


def test_the_peers_ttl_holds_even_if_ours_is_off() -> None:
    beat = Heartbeat(0, 0, 0, OLD)
    assert beat.ping(100, Ping(25)) == pong()
    assert beat.next(100) == 102.5
    assert beat.dead(102.4) == ""
    assert beat.dead(102.5) == "silent for its own TTL of 2.5 s"
    beat.heard(102)
    assert beat.dead(104.4) == ""
    beat.ping(104, Ping(0))
    assert beat.dead(1e9) == ""


@pytest.mark.parametrize(
    ("ttl", "interval", "tenths"),
    [(30, 10, 300), (0.1, 0.01, 1), (6000, 10, 655), (70, 66, 0), (5, 10, 0), (0, 1, 0)],
)
def test_the_ttl_we_announce(ttl: float, interval: float, tenths: int) -> None:
    beat = Heartbeat(interval, 0, ttl, NEW)
    beat.heard(0)
    assert parse_frame(beat.due(interval)) == Ping(tenths)
