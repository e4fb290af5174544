"""The states of agents, instances and sessions, and the tables that say how they change.

The machines walk these tables, and tests compare them with the specification. A cell that has no
rule changes nothing: the event is counted and dropped. The words at the end of a rule are its
effects; each machine has a table of its own that says which function an effect is.
"""

from __future__ import annotations

from enum import StrEnum

from ccproxy.protocols.ssmmp.state_table import Rule, table


class AgentState(StrEnum):
    """What the Manager thinks of an agent."""

    REGISTERED = "REGISTERED"
    DRAINING = "DRAINING"
    DRAINED = "DRAINED"
    SUSPECT = "SUSPECT"
    LOST = "LOST"


class InstanceState(StrEnum):
    """What the Manager thinks of an instance."""

    PLANNED = "PLANNED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    DRAINING = "DRAINING"
    STOPPING = "STOPPING"
    KILLING = "KILLING"
    UNKNOWN = "UNKNOWN"
    FAILED = "FAILED"
    STOPPED = "STOPPED"


class SessionState(StrEnum):
    """What the Manager thinks of a session; END = forgotten."""

    REQUESTED = "REQUESTED"
    WAITING = "WAITING"
    OFFERED = "OFFERED"
    UNCONFIRMED = "UNCONFIRMED"
    OPEN = "OPEN"
    HALF_CLOSED = "HALF_CLOSED"
    CLOSING = "CLOSING"
    CLOSED = "CLOSED"
    END = "END"


_A, _I, _S = AgentState, InstanceState, SessionState

AGENT = table(
    "agent",
    {
        "register": "initiation_request on its connection: another repository",
        "return": "initiation_request of the same identity on a new connection",
        "gone": "its connection ended, or no sign of life for agent_silence",
        "timeout": "the time in this state is over",
        "drain": "the operator drains the node",
        "emptied": "nothing runs there any more",
        "undrain": "the operator takes the drain back",
    },
    {_A.SUSPECT: "agent_lost", _A.LOST: "agent_forget"},
    [
        Rule(_A.REGISTERED, "register", _A.REGISTERED, ("welcome_again", "use")),
        Rule(_A.REGISTERED, "gone", _A.SUSPECT, ("doubt",)),
        Rule(_A.REGISTERED, "drain", _A.DRAINING),
        Rule(_A.DRAINING, "register", _A.DRAINING, ("welcome_again",)),
        Rule(_A.DRAINING, "gone", _A.SUSPECT, ("doubt",)),
        Rule(_A.DRAINING, "emptied", _A.DRAINED),
        Rule(_A.DRAINING, "undrain", _A.REGISTERED, ("use",)),
        Rule(_A.DRAINED, "register", _A.DRAINED, ("welcome_again",)),
        Rule(_A.DRAINED, "gone", _A.SUSPECT, ("doubt",)),
        Rule(_A.DRAINED, "undrain", _A.REGISTERED, ("use",)),
        Rule(_A.SUSPECT, "return", _A.REGISTERED, ("reconcile", "use")),
        Rule(_A.SUSPECT, "timeout", _A.LOST, ("lose",)),
        Rule(_A.LOST, "return", _A.REGISTERED, ("reconcile", "use")),
        Rule(_A.LOST, "timeout", _A.LOST, ("forget",)),
    ],
)

INSTANCE = table(
    "instance",
    {
        "place": "an agent was found for it",
        "ready": "execution_response 2xx",
        "refused": "execution_response not 2xx",
        "timeout": "the time in this state is over",
        "drain": "it is to end: drain, scale down, idle, update",
        "emptied": "no session is left that is worth waiting for",
        "ended": "graceful_shutdown_response 2xx or 404",
        "unended": "graceful_shutdown_response not 2xx",
        "busy": "graceful_shutdown_response 409: sessions are open",
        "killed": "hard_shutdown_response 2xx or 404",
        "unkilled": "hard_shutdown_response not 2xx",
        "died": "its agent says that the process has ended",
        "sick": "abnormal health, repeated",
        "left": "it ended on purpose: service_instance_termination_info",
        "kill": "it is to be killed",
        "lost": "its agent is SUSPECT",
        "found": "its agent is back and has it",
        "found_leaving": "its agent is back and has it, but it was about to end",
        "missing": "its agent is back without it, or LOST",
    },
    {
        _I.STARTING: "start_timeout",
        _I.DRAINING: "drain_timeout",
        _I.STOPPING: "stop_timeout",
        _I.KILLING: "kill_timeout",
        _I.FAILED: "tombstone",
        _I.STOPPED: "stop_timeout",
    },
    [
        Rule(_I.PLANNED, "place", _I.STARTING, ("execute",)),
        Rule(_I.PLANNED, "timeout", _I.PLANNED, ("find_place",)),
        Rule(_I.PLANNED, "drain", _I.STOPPED, ("settle",)),
        Rule(_I.PLANNED, "kill", _I.STOPPED, ("settle",)),
        Rule(_I.STARTING, "ready", _I.RUNNING, ("serve",)),
        Rule(_I.STARTING, "refused", _I.FAILED, ("release", "settle")),
        Rule(_I.STARTING, "timeout", _I.FAILED, ("kill", "settle")),
        Rule(_I.STARTING, "drain", _I.KILLING, ("kill", "settle")),
        Rule(_I.STARTING, "kill", _I.KILLING, ("kill", "settle")),
        Rule(_I.STARTING, "died", _I.FAILED, ("release", "settle")),
        Rule(_I.STARTING, "left", _I.STOPPED, ("release", "settle")),
        Rule(_I.STARTING, "lost", _I.UNKNOWN),
        Rule(_I.RUNNING, "drain", _I.DRAINING, ("empty",)),
        Rule(_I.RUNNING, "timeout", _I.DRAINING, ("empty",)),
        Rule(_I.RUNNING, "died", _I.FAILED, ("close_far_ends", "release", "settle")),
        Rule(_I.RUNNING, "sick", _I.FAILED, ("close_far_ends", "kill", "settle")),
        Rule(_I.RUNNING, "left", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.RUNNING, "kill", _I.KILLING, ("close_far_ends", "kill", "settle")),
        Rule(_I.RUNNING, "lost", _I.UNKNOWN),
        Rule(_I.DRAINING, "emptied", _I.STOPPING, ("end",)),
        Rule(_I.DRAINING, "timeout", _I.STOPPING, ("end",)),
        Rule(_I.DRAINING, "died", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.DRAINING, "sick", _I.KILLING, ("close_far_ends", "kill", "settle")),
        Rule(_I.DRAINING, "left", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.DRAINING, "kill", _I.KILLING, ("close_far_ends", "kill", "settle")),
        Rule(_I.DRAINING, "lost", _I.UNKNOWN),
        Rule(_I.STOPPING, "ended", _I.STOPPED, ("close_far_ends", "release_ended", "settle")),
        Rule(_I.STOPPING, "unended", _I.KILLING, ("close_far_ends", "kill")),
        Rule(_I.STOPPING, "busy", _I.DRAINING, ("empty",)),
        Rule(_I.STOPPING, "timeout", _I.KILLING, ("close_far_ends", "kill")),
        Rule(_I.STOPPING, "died", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.STOPPING, "sick", _I.KILLING, ("close_far_ends", "kill")),
        Rule(_I.STOPPING, "left", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.STOPPING, "kill", _I.KILLING, ("close_far_ends", "kill")),
        Rule(_I.STOPPING, "lost", _I.UNKNOWN),
        Rule(_I.KILLING, "killed", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.KILLING, "unkilled", _I.KILLING, ("alarm",)),
        Rule(_I.KILLING, "timeout", _I.KILLING, ("alarm",)),
        Rule(_I.KILLING, "died", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.KILLING, "left", _I.STOPPED, ("close_far_ends", "release", "settle")),
        Rule(_I.KILLING, "kill", _I.KILLING, ("kill",)),
        Rule(_I.KILLING, "lost", _I.UNKNOWN),
        Rule(_I.UNKNOWN, "drain", _I.UNKNOWN, ("settle",)),
        Rule(_I.UNKNOWN, "kill", _I.UNKNOWN, ("settle",)),
        Rule(_I.UNKNOWN, "found", _I.RUNNING, ("serve",)),
        Rule(_I.UNKNOWN, "found_leaving", _I.DRAINING, ("empty",)),
        Rule(_I.UNKNOWN, "missing", _I.FAILED, ("close_far_ends", "settle")),
        Rule(_I.FAILED, "killed", _I.FAILED, ("release",)),
        Rule(_I.FAILED, "unkilled", _I.FAILED, ("alarm",)),
        Rule(_I.FAILED, "kill", _I.FAILED, ("kill",)),
        Rule(_I.FAILED, "died", _I.FAILED, ("release",)),
        Rule(_I.FAILED, "timeout", _I.FAILED, ("forget",)),
        Rule(_I.STOPPED, "timeout", _I.STOPPED, ("forget",)),
        Rule(_I.STOPPED, "kill", _I.STOPPED, ("kill",)),
        Rule(_I.STOPPED, "killed", _I.STOPPED, ("release",)),
        Rule(_I.STOPPED, "unkilled", _I.STOPPED, ("alarm",)),
        Rule(_I.STOPPED, "died", _I.STOPPED, ("release",)),
    ],
)

SESSION = table(
    "session",
    {
        "offer": "an instance is chosen",
        "wait": "no instance is ready, one is being started",
        "refuse": "nothing can serve it",
        "timeout": "the time in this state is over",
        "ack": "session_ack 2xx",
        "nack": "session_ack not 2xx",
        "info": "the first close info, or one of the other end",
        "again": "a close info of an end that has reported already",
        "close": "the Manager wants it closed",
        "closed": "close response 2xx or 404",
        "unclosed": "close response otherwise, or its agent is gone",
        "abandon": "no agent is left that could report its end",
    },
    {
        _S.WAITING: "session_wait",
        _S.OFFERED: "ack_timeout",
        _S.UNCONFIRMED: "unconfirmed",
        _S.HALF_CLOSED: "tombstone",
        _S.CLOSING: "close_timeout",
        _S.CLOSED: "tombstone",
    },
    [
        Rule(_S.REQUESTED, "offer", _S.OFFERED, ("answer",)),
        Rule(_S.REQUESTED, "wait", _S.WAITING),
        Rule(_S.REQUESTED, "refuse", _S.END, ("answer",)),
        Rule(_S.WAITING, "offer", _S.OFFERED, ("answer",)),
        Rule(_S.WAITING, "refuse", _S.END, ("answer", "tell_ends")),
        Rule(_S.WAITING, "timeout", _S.END, ("answer", "tell_ends")),
        Rule(_S.WAITING, "abandon", _S.END, ("tell_ends",)),
        Rule(_S.OFFERED, "ack", _S.OPEN, ("close_unwanted",)),
        Rule(_S.OFFERED, "nack", _S.CLOSED, ("blame", "tell_ends")),
        Rule(_S.OFFERED, "timeout", _S.UNCONFIRMED, ("close_unwanted",)),
        Rule(_S.OFFERED, "info", _S.HALF_CLOSED, ("tell_ends",)),
        Rule(_S.OFFERED, "close", _S.OFFERED),
        Rule(_S.OFFERED, "abandon", _S.CLOSED, ("tell_ends",)),
        Rule(_S.UNCONFIRMED, "ack", _S.OPEN, ("close_unwanted",)),
        Rule(_S.UNCONFIRMED, "nack", _S.CLOSED, ("blame", "tell_ends")),
        Rule(_S.UNCONFIRMED, "timeout", _S.CLOSED, ("tell_ends",)),
        Rule(_S.UNCONFIRMED, "info", _S.HALF_CLOSED, ("tell_ends",)),
        Rule(_S.UNCONFIRMED, "close", _S.CLOSING, ("request",)),
        Rule(_S.UNCONFIRMED, "abandon", _S.CLOSED, ("tell_ends",)),
        Rule(_S.OPEN, "info", _S.HALF_CLOSED, ("tell_ends",)),
        Rule(_S.OPEN, "close", _S.CLOSING, ("request",)),
        Rule(_S.OPEN, "abandon", _S.CLOSED, ("tell_ends",)),
        Rule(_S.HALF_CLOSED, "info", _S.CLOSED),
        Rule(_S.HALF_CLOSED, "again", _S.HALF_CLOSED),
        Rule(_S.HALF_CLOSED, "timeout", _S.CLOSED),
        Rule(_S.HALF_CLOSED, "ack", _S.HALF_CLOSED, ("note_ports",)),
        Rule(_S.CLOSING, "closed", _S.CLOSED, ("tell_ends",)),
        Rule(_S.CLOSING, "info", _S.CLOSED, ("tell_ends",)),
        Rule(_S.CLOSING, "ack", _S.CLOSING, ("note_ports",)),
        Rule(_S.CLOSING, "unclosed", _S.OPEN, ("try_other_end",)),
        Rule(_S.CLOSING, "timeout", _S.OPEN, ("try_other_end",)),
        Rule(_S.CLOSING, "close", _S.CLOSING),
        Rule(_S.CLOSING, "abandon", _S.CLOSED, ("tell_ends",)),
        Rule(_S.CLOSED, "timeout", _S.END),
    ],
)

TABLES = (AGENT, INSTANCE, SESSION)

LIVE = frozenset({_I.PLANNED, _I.STARTING, _I.RUNNING, _I.DRAINING, _I.STOPPING, _I.KILLING,
                  _I.UNKNOWN})  # fmt: skip
STAYING = frozenset({_I.PLANNED, _I.STARTING, _I.RUNNING, _I.UNKNOWN})
"""Live, and not about to end."""

LEAVING = frozenset({_I.DRAINING, _I.STOPPING, _I.KILLING})
ENDED = frozenset({_I.FAILED, _I.STOPPED})

PENDING = frozenset({_S.REQUESTED, _S.WAITING, _S.OFFERED, _S.UNCONFIRMED})
CLOSES = frozenset({_S.HALF_CLOSED, _S.CLOSING})
CONNECTED = frozenset({_S.OFFERED, _S.UNCONFIRMED, _S.OPEN, _S.CLOSING})
"""Sessions that may be a connection: they count as load and are waited for in a drain."""
