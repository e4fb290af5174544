"""The states of the link to the Manager and of a process, and the tables of how they change.

The agent walks these tables, and tests compare them with the specification. A cell without a rule
changes nothing: the event is counted and dropped. This module must never act on an event.
"""

from __future__ import annotations

from enum import StrEnum

from ccproxy.protocols.ssmmp.state_table import Rule, table


class LinkState(StrEnum):
    """The link to the Manager."""

    DISCONNECTED = "DISCONNECTED"
    CONNECTED = "CONNECTED"
    REGISTERED = "REGISTERED"


class ProcessState(StrEnum):
    """One instance; EXITED is never kept, the row is forgotten."""

    SPAWNED = "SPAWNED"
    ATTACHED = "ATTACHED"
    READY = "READY"
    STOPPING = "STOPPING"
    KILLED = "KILLED"
    EXITED = "EXITED"


_L, _P = LinkState, ProcessState

_LINK = [
    Rule(_L.DISCONNECTED, "linked", _L.CONNECTED, ("register",)),
    Rule(_L.CONNECTED, "welcomed", _L.REGISTERED),
    Rule(_L.CONNECTED, "disowned", _L.REGISTERED, ("kill_all",)),
    Rule(_L.CONNECTED, "unfit", _L.CONNECTED),
    Rule(_L.CONNECTED, "refused", _L.DISCONNECTED, ("hang_up", "retry_slowly")),
    Rule(_L.CONNECTED, "busy", _L.DISCONNECTED, ("hang_up", "retry")),
    Rule(_L.CONNECTED, "redirected", _L.DISCONNECTED, ("hang_up", "redirect")),
    Rule(_L.CONNECTED, "timeout", _L.DISCONNECTED, ("hang_up", "retry")),
    Rule(_L.CONNECTED, "unlinked", _L.DISCONNECTED, ("drop_pending", "retry")),
    Rule(_L.CONNECTED, "reload", _L.CONNECTED, ("register",)),
    Rule(_L.REGISTERED, "unlinked", _L.DISCONNECTED, ("drop_pending", "retry")),
    Rule(_L.REGISTERED, "reload", _L.REGISTERED, ("register",)),
    Rule(_L.REGISTERED, "welcomed", _L.REGISTERED),
    Rule(_L.REGISTERED, "unfit", _L.CONNECTED),
]

LINK = table(
    "link",
    {
        "linked": "the connection to the Manager is there",
        "welcomed": "initiation_response 2xx",
        "disowned": "initiation_response 205: what runs here is not known there",
        "unfit": "initiation_response 422: no program is in the graph",
        "refused": "initiation_response 4xx",
        "busy": "initiation_response 5xx",
        "redirected": "initiation_response 307",
        "timeout": "no initiation_response in time",
        "unlinked": "the connection has ended",
        "reload": "the repository has changed",
    },
    {_L.CONNECTED: "initiation_timeout"},
    _LINK,
)

_PROCESS = [
    Rule(_P.SPAWNED, "attach", _P.ATTACHED),
    Rule(_P.SPAWNED, "ready", _P.READY, ("answer_start",)),
    Rule(_P.SPAWNED, "timeout", _P.KILLED, ("answer_start", "kill")),
    Rule(_P.SPAWNED, "kill", _P.KILLED, ("kill",)),
    Rule(_P.SPAWNED, "stop", _P.STOPPING, ("pass_stop",)),
    Rule(_P.SPAWNED, "exit", _P.EXITED, ("answer_start", "forget")),
    Rule(_P.ATTACHED, "ready", _P.READY, ("answer_start",)),
    Rule(_P.ATTACHED, "detach", _P.SPAWNED),
    Rule(_P.ATTACHED, "timeout", _P.KILLED, ("answer_start", "kill")),
    Rule(_P.ATTACHED, "kill", _P.KILLED, ("kill",)),
    Rule(_P.ATTACHED, "stop", _P.STOPPING, ("pass_stop",)),
    Rule(_P.ATTACHED, "exit", _P.EXITED, ("answer_start", "forget")),
    Rule(_P.READY, "kill", _P.KILLED, ("kill",)),
    Rule(_P.READY, "stop", _P.STOPPING, ("pass_stop",)),
    Rule(_P.READY, "exit", _P.EXITED, ("report_end", "forget")),
    Rule(_P.STOPPING, "declined", _P.READY),
    Rule(_P.STOPPING, "stop", _P.STOPPING, ("pass_stop",)),
    Rule(_P.STOPPING, "kill", _P.KILLED, ("kill",)),
    Rule(_P.STOPPING, "timeout", _P.STOPPING, ("answer_stop_late",)),
    Rule(_P.STOPPING, "exit", _P.EXITED, ("answer_stop", "forget")),
    Rule(_P.KILLED, "kill", _P.KILLED, ("kill",)),
    Rule(_P.KILLED, "timeout", _P.KILLED, ("kill_harder",)),
    Rule(_P.KILLED, "exit", _P.EXITED, ("answer_kill", "forget")),
]

PROCESS = table(
    "process",
    {
        "attach": "a control connection is known to be its own",
        "detach": "its control connection has ended",
        "ready": "it can serve: see the option ready",
        "timeout": "the time in this state is over",
        "stop": "graceful_shutdown_request",
        "declined": "it answered a graceful_shutdown_request with a status that is not 2xx",
        "kill": "hard_shutdown_request, or it has to go",
        "exit": "the process has ended",
    },
    {_P.STOPPING: "stop_timeout", _P.KILLED: "kill_timeout"},
    _PROCESS,
)

TABLES = (LINK, PROCESS)

UP = frozenset({_P.READY, _P.STOPPING})
"""Processes that the Manager is told of when the link is back."""
