"""Which socket types may talk to each other, and under which name."""

from __future__ import annotations

import pytest

from ccproxy.wire.zmtp import sockets as s
from ccproxy.wire.zmtp.frames import ZmtpError


def test_the_tables_are_complete_and_symmetric() -> None:
    assert set(s.COMPATIBLE) == set(s.NUMBERS)
    assert sorted(s.NAMES) == list(range(11))
    for ours, theirs in s.COMPATIBLE.items():
        assert all(ours in s.COMPATIBLE[name] for name in theirs)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(b"ROUTER", {b"DEALER", b"REQ", b"ROUTER"}), (b"DEALER", {b"ROUTER", b"REP", b"DEALER"})],
)
def test_router_and_dealer(ours: bytes, theirs: set[bytes]) -> None:
    for name in s.NUMBERS:
        if name in theirs:
            s.check_socket_type(ours, name)
            continue
        with pytest.raises(ZmtpError, match=f"{name.decode()} socket cannot talk to our"):
            s.check_socket_type(ours, name)


def test_a_strange_type_is_named_safely() -> None:
    with pytest.raises(ZmtpError, match=r"^a\\xff socket .* expected DEALER, REQ, ROUTER$"):
        s.check_socket_type(b"ROUTER", b"a\xff")
    with pytest.raises(ZmtpError, match="^no socket"):
        s.check_socket_type(b"ROUTER", b"")


@pytest.mark.parametrize("identity", [b"", b"a", b"\x01\0", b"a" * 255])
def test_identities_a_peer_may_have(identity: bytes) -> None:
    s.check_identity(identity)


@pytest.mark.parametrize(
    ("identity", "problem"), [(b"a" * 256, "256 bytes"), (b"\0abc", "starts with a zero byte")]
)
def test_identities_a_peer_may_not_have(identity: bytes, problem: str) -> None:
    with pytest.raises(ZmtpError, match=problem):
        s.check_identity(identity)


def test_generated_identities() -> None:
    assert s.generated_identity(1) == b"\0\0\0\0\x01"
    assert s.generated_identity(2**32 + 7) == b"\0\0\0\0\x07"
    assert len({s.generated_identity(n) for n in range(1000)}) == 1000
