"""The states of a session and of the control link inside a service, as tables.

    (state, event) -> the effects in order, the next state

The machines walk these tables, and tests compare them with the specification. A cell without a
rule changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """A session; GONE is never kept."""

    ASKED = "ASKED"
    WAITING = "WAITING"
    GRANTED = "GRANTED"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    GONE = "GONE"


class Event(StrEnum):
    """What happens to a session."""

    LINKED = "linked"
    GRANTED = "granted"
    BUSY = "busy"
    TAKEN = "taken"
    REFUSED = "refused"
    TIMEOUT = "timeout"
    CONNECTED = "connected"
    FAILED = "failed"
    REQUESTED = "requested"
    DECLINED = "declined"
    CLOSED = "closed"


MEANING: Mapping[Event, str] = {
    Event.LINKED: "the agent knows this instance (again)",
    Event.GRANTED: "session_response 2xx",
    Event.BUSY: "session_response 429 or 5xx",
    Event.TAKEN: "session_response 409: the id is in use",
    Event.REFUSED: "session_response, any other",
    Event.TIMEOUT: "the time in this state is over",
    Event.CONNECTED: "the connection is there",
    Event.FAILED: "the connection could not be made",
    Event.REQUESTED: "close request",
    Event.DECLINED: "the service cannot close now",
    Event.CLOSED: "the connection is closed here, or nobody wants it any more",
}

_S, _E = State, Event
Rules = Mapping[tuple[State, Event], tuple[tuple[str, ...], State]]

PLUG: Rules = {
    (_S.ASKED, _E.LINKED): (("ask",), _S.ASKED),
    (_S.ASKED, _E.GRANTED): (("grant",), _S.GRANTED),
    (_S.ASKED, _E.BUSY): (("wait",), _S.WAITING),
    (_S.ASKED, _E.TAKEN): (("ask",), _S.ASKED),
    (_S.ASKED, _E.REFUSED): (("refuse",), _S.GONE),
    (_S.ASKED, _E.TIMEOUT): (("ask",), _S.ASKED),
    (_S.ASKED, _E.CLOSED): ((), _S.GONE),
    (_S.WAITING, _E.TIMEOUT): (("ask",), _S.ASKED),
    (_S.WAITING, _E.CLOSED): ((), _S.GONE),
    (_S.GRANTED, _E.CONNECTED): (("acknowledge",), _S.OPEN),
    (_S.GRANTED, _E.FAILED): (("disclaim", "wait"), _S.WAITING),
    (_S.GRANTED, _E.CLOSED): (("disclaim",), _S.GONE),
    (_S.OPEN, _E.REQUESTED): (("want_close",), _S.CLOSING),
    (_S.OPEN, _E.CLOSED): (("report",), _S.GONE),
    (_S.CLOSING, _E.REQUESTED): (("want_close",), _S.CLOSING),
    (_S.CLOSING, _E.DECLINED): (("answer",), _S.OPEN),
    (_S.CLOSING, _E.CLOSED): (("answer",), _S.GONE),
}
"""A session of which this instance is the source."""

SOCKET: Rules = {cell: rule for cell, rule in PLUG.items() if cell[0] in (_S.OPEN, _S.CLOSING)}
"""A session that this instance has accepted; its first state is OPEN."""
