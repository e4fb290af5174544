"""NULL: READY out, READY in, nothing else."""

from __future__ import annotations

import pytest

from ccproxy.wire.zmtp.commands import Error, Other, parse_frame
from ccproxy.wire.zmtp.frames import ZmtpError
from ccproxy.wire.zmtp.mechanism import Mechanism, Null
from ccproxy.wire.zmtp.metadata import Properties, encode

PROPERTIES = Properties({b"Socket-Type": b"DEALER"})


def test_ready_both_ways() -> None:
    ours: Mechanism = Null()
    step = ours.start(PROPERTIES)
    assert step.metadata is None
    command = parse_frame(step.transmit)
    assert command == Other(b"READY", encode(PROPERTIES))
    assert isinstance(command, Other)
    answer = Null().receive(command)
    assert answer.metadata == PROPERTIES
    assert answer.transmit == b""


@pytest.mark.parametrize("command", [Other(b"HELLO", b""), Error("no"), Other(b"ready", b"")])
def test_anything_else_is_refused(command: Error | Other) -> None:
    with pytest.raises(ZmtpError, match="READY was expected"):
        Null().receive(command)
