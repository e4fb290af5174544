"""What `explain --live` shows: where a running server sends messages of a type, with the counts."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ccproxy.commands import common
from ccproxy.commands.columns import cell, columns
from ccproxy.commands.members import counted, members_of
from ccproxy.commands.parts import QUEUE, queue_row
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.commands.why import routed
from ccproxy.server.control_client import NotFound
from ccproxy.server.status import FlowStatus, Status, from_json, to_json

LOST = ("unrouted", "malformed", "failed")
"""Fates of a flow without destinations that make the exit status 1."""


@dataclass(frozen=True, slots=True)
class LiveDestination:
    """One destination of a flow: counts of all messages there, of whatever type.

    `kind` is link, peers, handler or group, whose members follow it; `used` is False for those
    that get no messages now. `queued` messages were meant for it, `sent` ones the system has taken;
    handlers have neither, and `faults` instead of drops.
    """

    to: str
    kind: str
    state: str = ""
    address: str = ""
    queued: int = 0
    sent: int = 0
    waiting: int = 0
    age: float = 0.0
    fill: float = 0.0
    dropped: Mapping[str, int] | None = None
    used: bool = True


class LiveExplanation(ServerVerb):
    """The part of `explain` that asks a running server."""

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Print the flow of each type."""
        status, lost, found = server.status(), False, []
        for type in options.types:
            flow = flow_of(server, type)
            places = list(destinations_of(flow, status)) if flow is not None else []
            lost = lost or flow is None or (not places and (flow.fate or "unrouted") in LOST)
            found.append((type, flow, places))
        if options.json:
            print(json.dumps([as_json(*one) for one in found], indent=2))
        else:
            print("\n\n".join("\n".join(lines(*one)) for one in found))
        return common.FAILED if lost else 0


def flow_of(server: AskedServer, type: str) -> FlowStatus | None:
    """The flow of a type; None if no message of it came."""
    try:
        found: FlowStatus = from_json(
            FlowStatus, server.ask("GET", "/v1/status/flow", {"type": type})
        )
    except NotFound:
        return None
    return found


def destinations_of(flow: FlowStatus, status: Status) -> Iterator[LiveDestination]:
    """The destinations of a flow: those of its sections, and handlers. If it is forgotten, what its
    route leads to."""
    if not flow.current:
        for section in routed(flow.type, status):
            behind = list(_behind(section, status))
            plain = [one.kind for one in behind] == ["sink"]
            yield from [_handler(section, status)] if plain else behind
    for section in dict.fromkeys(name.partition(" ")[0] for name in flow.links):
        yield from _behind(section, status)
    for section in dict.fromkeys(flow.handlers):
        yield _handler(section, status)


def _handler(section: str, status: Status) -> LiveDestination:
    faults = next((one.faults for one in status.handlers if one.section == section), {})
    return LiveDestination(section, "handler", dropped=faults)


def _behind(
    section: str, status: Status, used: bool = True, above: tuple[str, ...] = ()
) -> Iterator[LiveDestination]:
    """What is behind a section: links, peers, or a group and what is behind its members."""
    dropped = status.sinks.losses.get(section, {})
    found = list(_links(section, status, used))
    for one in status.listeners:
        if one.section == section:
            found.append(LiveDestination(
                section, "peers", f"{one.peers} peers", one.address, age=one.age, fill=one.fill,
                dropped=dropped, used=used,
            ))  # fmt: skip
    facts = next((one.facts for one in status.handlers if one.section == section), {})
    members = members_of(facts)
    if members:
        found.append(
            LiveDestination(section, "group", counted(members), dropped=dropped, used=used)
        )
    yield from found or [LiveDestination(section, "sink", dropped=dropped, used=used)]
    for member in members:
        if member.section not in above:
            yield from _behind(
                member.section, status, used and member.used, (*above, section, member.section)
            )


def _links(section: str, status: Status, used: bool) -> Iterator[LiveDestination]:
    for one in status.links:
        if one.section == section:
            sink = one.sink
            yield LiveDestination(
                section, "link", one.state, one.address, sink.queued, sink.sent, sink.waiting,
                sink.age, sink.fill, sink.dropped, used,
            )  # fmt: skip


def lines(type: str, flow: FlowStatus | None, places: list[LiveDestination]) -> Iterator[str]:
    """One flow as text."""
    if flow is None:
        yield f"{cell(type)}: no message of it came; `ccserver why` follows its route"
        return
    yield f"{cell(type)}: {flow.counted}{'' if flow.current or not places else '; its route has'}"
    rows: list[dict[str, Any]] = [
        {
            "to": one.to, "kind": one.kind, "state": state_of(one), "address": one.address,
            **({"sent": one.sent, "waiting": one.waiting} if one.kind == "link" else {}),
            **queue_row(one.age, one.fill, one.waiting > 0 or one.fill > 0),
            "dropped or failed": dict(one.dropped or {}),
        }
        for one in places
    ]  # fmt: skip
    names = ("to", "kind", "state", "address", "sent", *QUEUE, "dropped or failed")
    yield from (f"  {line}" for line in columns(names, rows))
    if not places:
        yield f"  nowhere: they are {cell(flow.fate or 'unrouted')}"
    else:
        yield "  counts of destinations are those of all types"


def state_of(one: LiveDestination) -> str:
    """Its state, also that it gets no messages now."""
    return ", ".join([*([one.state] if one.state else []), *([] if one.used else ["not used"])])


def as_json(type: str, flow: FlowStatus | None, places: list[LiveDestination]) -> dict[str, Any]:
    """The same for programs; `flow` is null if no message of the type came."""
    flow_value = to_json(flow) if flow is not None else None
    return {"type": type, "flow": flow_value, "destinations": list(map(to_json, places))}
