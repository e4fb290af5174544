"""The states of a session inside a service, as tables.

A state machine walks these tables, and a test compares them with the specification. A cell without
a rule changes nothing. This module must never act: the effects are in `sessions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from ccproxy.protocols.ssmmp.state_table import Rule, Table, table


class State(StrEnum):
    """A session; one that is GONE is forgotten at once."""

    ASKED = "ASKED"
    WAITING = "WAITING"
    GRANTED = "GRANTED"
    OPEN = "OPEN"
    CLOSING = "CLOSING"
    GONE = "GONE"


class SessionEvent(StrEnum):
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


MEANING: Mapping[str, str] = {
    SessionEvent.LINKED: "the agent knows this instance (again)",
    SessionEvent.GRANTED: "session_response 2xx",
    SessionEvent.BUSY: "session_response 429 or 5xx",
    SessionEvent.TAKEN: "session_response 409: the id is in use",
    SessionEvent.REFUSED: "session_response, any other",
    SessionEvent.TIMEOUT: "the time in this state is over",
    SessionEvent.CONNECTED: "the connection is there",
    SessionEvent.FAILED: "the connection could not be made",
    SessionEvent.REQUESTED: "close request",
    SessionEvent.DECLINED: "the service cannot close now",
    SessionEvent.CLOSED: "the connection is closed here, or the service wants it no more",
}

_S, _E = State, SessionEvent

_FOR_BOTH = [
    Rule(_S.OPEN, _E.REQUESTED, _S.CLOSING, ("want_close",)),
    Rule(_S.OPEN, _E.CLOSED, _S.GONE, ("report",)),
    Rule(_S.CLOSING, _E.REQUESTED, _S.CLOSING, ("want_close",)),
    Rule(_S.CLOSING, _E.DECLINED, _S.OPEN, ("answer",)),
    Rule(_S.CLOSING, _E.CLOSED, _S.GONE, ("answer",)),
]

_BEFORE_OPEN = [
    Rule(_S.ASKED, _E.LINKED, _S.ASKED, ("ask",)),
    Rule(_S.ASKED, _E.GRANTED, _S.GRANTED, ("grant",)),
    Rule(_S.ASKED, _E.BUSY, _S.WAITING, ("wait",)),
    Rule(_S.ASKED, _E.TAKEN, _S.ASKED, ("ask",)),
    Rule(_S.ASKED, _E.REFUSED, _S.GONE, ("refuse",)),
    Rule(_S.ASKED, _E.TIMEOUT, _S.ASKED, ("ask",)),
    Rule(_S.ASKED, _E.CLOSED, _S.GONE),
    Rule(_S.WAITING, _E.TIMEOUT, _S.ASKED, ("ask",)),
    Rule(_S.WAITING, _E.CLOSED, _S.GONE),
    Rule(_S.GRANTED, _E.CONNECTED, _S.OPEN, ("acknowledge",)),
    Rule(_S.GRANTED, _E.FAILED, _S.WAITING, ("disclaim", "wait")),
    Rule(_S.GRANTED, _E.CLOSED, _S.GONE, ("disclaim",)),
]

PLUG: Table = table("plug", MEANING, {}, [*_BEFORE_OPEN, *_FOR_BOTH])
"""A session of which this instance is the source."""

SOCKET: Table = table("socket", MEANING, {}, _FOR_BOTH)
"""A session that this instance has accepted; its first state is OPEN."""
