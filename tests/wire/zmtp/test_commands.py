"""Commands: every value from its bytes and back; cut and unknown commands."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.zmtp import commands as c
from ccproxy.wire.zmtp.frames import ZmtpError, command, pack


@given(st.integers(0, c.TTL_MAX), st.binary(max_size=c.CONTEXT_MAX))
def test_ping_and_pong_round_trip(ttl: int, context: bytes) -> None:
    assert c.parse_frame(c.ping(ttl, context)) == c.Ping(ttl, context)
    assert c.parse_frame(c.pong(context)) == c.Pong(context)


def test_wire_form() -> None:
    assert c.ping(10, b"x") == b"\x04\x08\x04PING\x00\x0ax"
    assert c.pong(b"x") == b"\x04\x06\x04PONGx"
    assert c.error("no") == b"\x04\x09\x05ERROR\x02no"
    assert c.ready(b"") == b"\x04\x06\x05READY"


def test_a_context_over_16_bytes_is_shortened() -> None:
    assert c.parse(b"\x04PING\0\0" + b"c" * 20) == c.Ping(0, b"c" * 16)


@pytest.mark.parametrize(("ttl", "context"), [(-1, b""), (65_536, b""), (0, bytes(17))])
def test_ping_we_cannot_send(ttl: int, context: bytes) -> None:
    with pytest.raises(ValueError, match="PING with ttl"):
        c.ping(ttl, context)


def test_pong_we_cannot_send() -> None:
    with pytest.raises(ValueError, match="PONG with"):
        c.pong(bytes(17))


@pytest.mark.parametrize(
    ("body", "reason"),
    [(b"\x02no", "no"), (b"", ""), (b"\x00", ""), (b"\x09no", "no"), (b"\x01\xff", "\ufffd")],
)
def test_error_as_far_as_it_is_there(body: bytes, reason: str) -> None:
    assert c.parse(b"\x05ERROR" + body) == c.Error(reason)


def test_a_long_reason_is_cut() -> None:
    assert c.parse_frame(c.error("r" * 300)) == c.Error("r" * 255)


@pytest.mark.parametrize("name", [b"SUBSCRIBE", b"CANCEL"])
def test_subscriptions_are_known(name: bytes) -> None:
    subscription = c.parse_frame(command(name, b"topic"))
    assert subscription == c.Other(name, b"topic")
    assert isinstance(subscription, c.Other)
    assert subscription.subscribes == (name == b"SUBSCRIBE")


def test_unknown_commands_are_kept() -> None:
    unknown = c.parse_frame(command(b"JOIN", b"g"))
    assert unknown == c.Other(b"JOIN", b"g")
    assert isinstance(unknown, c.Other)
    assert unknown.subscribes is None


@pytest.mark.parametrize("body", [b"", b"\0", b"\x05PING", b"\x04PING", b"\x04PING\0"])
def test_cut_commands(body: bytes) -> None:
    with pytest.raises(ZmtpError):
        c.parse(body)


@pytest.mark.parametrize("unit", [b"", pack([b"a"]), c.pong()[:-1], c.pong() + b"\0"])
def test_what_is_not_one_command_frame(unit: bytes) -> None:
    with pytest.raises(ZmtpError, match="not one whole command frame"):
        c.parse_frame(unit)


@given(st.binary(max_size=40))
def test_any_bytes_are_a_command_or_a_zmtp_error(body: bytes) -> None:
    try:
        parsed = c.parse(body)
    except ZmtpError:
        return
    assert isinstance(parsed, c.Command)
