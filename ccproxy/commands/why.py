"""The verb `why`: why messages of a type do not arrive: fate, destination, reason, and when."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from ccproxy.commands import common
from ccproxy.commands.columns import cell
from ccproxy.commands.nearmiss import fault_of, near_misses, repaired
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.commands.status import duration
from ccproxy.commands.undelivered import Finding, delivery_findings, refused_at
from ccproxy.config.plan import RoutePlan
from ccproxy.core.ledger import FATES
from ccproxy.core.routes import Routes
from ccproxy.handler import Onward
from ccproxy.server.control_client import NotFound
from ccproxy.server.status import (
    FlowStatus,
    LinkStatus,
    LossStatus,
    Status,
    from_json,
    page_from_json,
    to_json,
)

EXAMPLES = """\
examples:
  ccserver why conf/src.ini log.info             where it goes now, and what was lost there
  ccserver why --json conf/src.ini log.info

`ccserver explain` asks the configuration, `why` the running server. Losses of a destination are
those of all types that go there; those of the last 500 kinds are remembered with their times.
Of a type that did not come since the start or a reload the routes of the server are looked up.
exit status: 0 nothing is lost or in the way, 1 something is, or it has no route, or no server
answers, 2 no message can have this type"""

REFUSED_BY = "refused by "
"""In front of the section that did not allow messages of a type, as the reason of their loss."""


class WhyVerb(ServerVerb):
    """`ccserver why`."""

    about = "say why messages of a type do not arrive: fate, destination, reason and time"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file and the type."""
        super().arguments(parser)
        parser.add_argument(
            "type", metavar="TYPE", type=message_type, help="message type, such as log.info"
        )

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The types that have routes."""
        return common.route_prefixes(file) if metavar == "TYPE" else ()

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Ask for the flow, the links and what was lost, and print what is in the way."""
        status = server.status()
        losses = page_from_json(LossStatus, server.ask("GET", "/v1/status/losses")).items
        try:
            value = server.ask("GET", "/v1/status/flow", {"type": options.type})
            flow: FlowStatus | None = from_json(FlowStatus, value)
        except NotFound:
            flow = None
        places = destinations(flow) if current(flow) else routed(options.type, status)
        onward = [one for place in places for one in followed(server, options.type, place)]
        known = list(findings(options.type, flow, status, losses))
        beyond = [name for _, one in onward for name in one.sections if name not in places]
        found = [*known, *onward_findings(onward), *place_findings(beyond, status, losses)]
        if options.json:
            shown = {
                "flow": to_json(flow) if flow else None,
                "onward": {place: to_json(one) for place, one in onward},
                "findings": list(map(to_json, found)),
            }
            print(json.dumps(shown, indent=2))
        else:
            print("\n".join(lines(Shown(options.type, flow, status, onward, found))))
        return common.FAILED if found else 0


def message_type(text: str) -> str:
    """The argument TYPE; no message has a type that is malformed."""
    if fault := fault_of(text):
        meant = repaired(text)
        hint = f', perhaps "{meant}" is meant' if meant and not fault_of(meant) else ""
        raise argparse.ArgumentTypeError(f"{text!r:.40} is no message type: {fault}{hint}")
    return text


def followed(server: AskedServer, type: str, place: str) -> Iterator[tuple[str, Onward]]:
    """What the handler of a section does with the type, if it says so; older servers do not."""
    try:
        query = {"type": type, "section": place}
        found: Onward = from_json(Onward, server.ask("GET", "/v1/status/onward", query))
    except NotFound:
        return
    if found.text or found.sections:
        yield place, found


@dataclass(frozen=True, slots=True)
class Shown:
    """All that is known of a type."""

    type: str
    flow: FlowStatus | None
    status: Status
    onward: Sequence[tuple[str, Onward]]
    found: Sequence[Finding]


def lines(shown: Shown) -> Iterator[str]:
    """The answer as text."""
    type, flow = cell(shown.type), shown.flow
    if not current(flow):
        to = ", ".join(map(cell, routed(shown.type, shown.status)))
        lead = f"; its route has {to}" if to else ""
        yield f"{type}: {flow.counted if flow else 'no message of it came'}{lead}"
    else:
        to = ", ".join(map(cell, destinations(flow))) or f"nowhere, {cell(flow.fate)}"
        yield f"{type}: {flow.counted}; they go to {to}"
    for place, one in shown.onward:
        if not one.wrong:
            behind = f" ([{cell(', '.join(one.sections))}])" if one.sections else ""
            yield f"  {cell(place)} {cell(one.text)}{behind}"
    for finding in shown.found:
        yield f"  {finding.text}"
    if not shown.found:
        yield "  nothing was lost on its way, and nothing is in the way"


def current(flow: FlowStatus | None) -> TypeGuard[FlowStatus]:
    """True if the table has a flow of the type now, not only counts from before."""
    return flow is not None and flow.current


def destinations(flow: FlowStatus) -> list[str]:
    """The sections that messages of a type go to."""
    links = [name.partition(" ")[0] for name in flow.links]
    return list(dict.fromkeys([*links, *flow.handlers]))


def routed(type: str, status: Status) -> list[str]:
    """The sections to which the routes of the server lead a type."""
    matches = Routes((one.prefix, one.sections) for one in status.routes).match(type)
    return list(dict.fromkeys(section for _, sections in matches for section in sections))


def findings(
    type: str, flow: FlowStatus | None, status: Status, losses: Sequence[LossStatus]
) -> Iterator[Finding]:
    """What was lost of the type or at its destinations, and what is in the way."""
    places = destinations(flow) if current(flow) else routed(type, status)
    known = {(one.place, one.reason): one for one in losses}
    if current(flow) and not places:
        yield fate_finding(flow, known.get((type, flow.fate)))
    elif (type, "unrouted") in known:
        yield lost(known[type, "unrouted"], "had no route")
    if not current(flow) and not places:
        yield no_route(type, status)
    yield from refusals(type, losses)
    yield from place_findings(places, status, losses)


def onward_findings(onward: Iterable[tuple[str, Onward]]) -> Iterator[Finding]:
    """What handlers say that goes wrong now."""
    for place, one in onward:
        if one.wrong:
            yield Finding(place, "fault", 0, f"{cell(place)} {cell(one.text)}")


def place_findings(
    places: Iterable[str], status: Status, losses: Iterable[LossStatus]
) -> Iterator[Finding]:
    """What is in the way, was dropped or went wrong at these sections."""
    known = {(one.place, one.reason): one for one in losses}
    for place in places:
        yield from link_findings(place, status.links)
        yield from delivery_findings(place, status.links)
        refused = refused_at(place, status.links)
        for reason, number in status.sinks.losses.get(place, {}).items():
            last = when(known.get((place, reason)))
            text = f"{cell(place)} dropped {reason}={number}{last}"
            if said := refused.get(reason, 0):
                messages = common.several(said, "message")
                text += f"; the far side did not take {messages}: {cell(reason)}"
            yield Finding(place, reason, number, text)
        for one in status.handlers:
            if one.section == place:
                yield from fault_findings(place, one.faults, known)


def fate_finding(flow: FlowStatus, loss: LossStatus | None) -> Finding:
    """All messages of the type have this fate."""
    meaning = FATES.get(flow.fate, "")
    number = common.several(flow.messages, "message")
    text = f"{number} {flow.fate}: {meaning}{when(loss)}"
    return Finding(cell(flow.type), flow.fate, flow.messages, text)


def no_route(type: str, status: Status) -> Finding:
    """Messages of the type would lead nowhere, with the routes that come nearest."""
    routes = tuple(RoutePlan(one.prefix, tuple(one.sections), 0) for one in status.routes)
    near = [f"{cell(one.prefix)} does not: {one.why}" for one in near_misses(type, routes)]
    return Finding(cell(type), "unrouted", 0, "; ".join(["no route matches", *near]))


def refusals(type: str, losses: Iterable[LossStatus]) -> Iterator[Finding]:
    """Messages of the type that a peer was not allowed to send."""
    for one in losses:
        if one.place == type and one.reason.startswith(REFUSED_BY):
            section = cell(one.reason.removeprefix(REFUSED_BY))
            yield lost(one, f"not allowed: see [{section}]")


def lost(one: LossStatus, what: str) -> Finding:
    """Messages of the type were lost before it had its present flow."""
    text = f"{common.several(one.messages, 'message')} {what}{when(one)}"
    return Finding(cell(one.place), one.reason, one.messages, text)


def link_findings(place: str, links: Iterable[LinkStatus]) -> Iterator[Finding]:
    """Links of a destination that are not up."""
    for one in links:
        if one.section == place and one.state != "up":
            why = f": {cell(one.reason)}" if one.reason else ""
            number = one.sink.waiting
            waits = "waits" if number == 1 else "wait"
            waiting = f"; {common.several(number, 'message')} {waits}" if number else ""
            text = f"{cell(place)} to {cell(one.address)} is {cell(one.state)}{why}{waiting}"
            yield Finding(place, one.state, one.sink.waiting, text)


def fault_findings(place: str, faults: Any, known: Any) -> Iterator[Finding]:
    """Calls of a handler that went wrong."""
    for reason, number in faults.items():
        calls, last = common.several(number, "call"), when(known.get((place, reason)))
        text = f"{cell(place)}: {calls} {reason}{last}"
        yield Finding(place, reason, number, text)


def when(loss: LossStatus | None) -> str:
    """When something was lost last, if that is known."""
    return f", the last {duration(loss.age)} ago" if loss is not None else ""
