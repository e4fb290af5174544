"""The verb `relocate`: points a redirect to another place while calls go on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ccproxy.client import Answer, Client, ClientLimits
from ccproxy.commands import common
from ccproxy.config.plan import HandlerPlan, Plan
from ccproxy.protocols.jolie.cc_calls import answer_of
from ccproxy.protocols.jolie.json_values import json_of
from ccproxy.protocols.jolie.values import Fault
from ccproxy.reach import reach
from ccproxy.verb import Verb
from ccproxy.wire.cc import valid_type

EXAMPLES = """\
examples:
  ccserver relocate conf/redirect-dynamic.ini sum                           where is it now?
  ccserver relocate conf/redirect-dynamic.ini sum socket://127.0.0.1:22663
  ccserver relocate tcp://127.0.0.1:22632 sum socket://far:80 --protocol http --save

It sends the message relocate.NAME; a route has to lead it to the redirect, whose option
relocate-from says from which listeners it may come. Calls under way are still answered by the
old place, later ones go to the new one. Exit status 1 says that nothing moved, or is not saved."""

PREFIX = "relocate"


class RelocateVerb(Verb):
    """`ccserver relocate`."""

    about = "point a redirect to another place while calls go on"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what moves and where to."""
        parser.add_argument(
            "to", metavar="FILE|ADDRESS", help="INI of a server on this host, or tcp://HOST:PORT"
        )
        parser.add_argument("name", metavar="NAME", help="last part of the route relocate.NAME")
        parser.add_argument(
            "location", metavar="LOCATION", nargs="?",
            help="the new place, such as socket://HOST:PORT; without it the present one is shown",
        )  # fmt: skip
        parser.add_argument(
            "--protocol",
            metavar="P",
            help="what is spoken there (default: as at the present place)",
        )
        parser.add_argument("--save", action="store_true", help="keep it over a restart")
        parser.add_argument(
            "--timeout", metavar="S", type=float, default=5.0,
            help="seconds to wait for the answer (default: 5)",
        )  # fmt: skip

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The names behind `relocate.` in the routes."""
        if metavar != "NAME":
            return ()
        heads = [one.partition(".") for one in common.route_prefixes(file)]
        return [name for head, _, name in heads if head == PREFIX and name]

    def run(self, options: argparse.Namespace) -> int:
        """Send and print the answer; 1 if it is a refusal, or none comes."""
        type = f"{PREFIX}.{options.name.removeprefix('h:')}"
        if not valid_type(type.encode("utf-8", "replace")):
            return common.fail(f"{options.name!r:.60} is no name", common.WRONG_USAGE)
        try:
            address = address_of(options.to, type)
        except ValueError as error:
            return common.fail(str(error))
        if not address:
            return common.BAD_CONFIGURATION
        try:
            reach(address, options.timeout)
            with Client(address, limits=ClientLimits(linger=0.0)) as client:
                answer = client.request(type, fields_of(options), timeout=options.timeout)
        except (ValueError, ConnectionError, TimeoutError) as error:
            return common.fail(str(error))
        return said(answer)


def fields_of(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of the message."""
    given = {"location": args.location, "protocol": args.protocol}
    return {**{name: text for name, text in given.items() if text}, "save": args.save}


def address_of(to: str, type: str) -> str:
    """The address to send to; "" for a bad configuration, ValueError if no listener takes it."""
    if "://" in to:
        return to
    plan, problems = common.load(Path(to))
    common.print_problems(one for one in problems if plan is None or not one.warning)
    return common.reachable(listener_of(plan, type)) if plan is not None else ""


def listener_of(plan: Plan, type: str) -> str:
    """The address of the listener from which a redirect takes relocations."""
    allowed = redirect_of(plan, type).options.relocate_from
    found = [one for one in plan.listeners if one.section in allowed and one.protocol == "cc"]
    if not found:
        raise ValueError(f"{plan.file}: relocate-from names no listener with protocol = cc")
    return str(found[0].address)


def redirect_of(plan: Plan, type: str) -> HandlerPlan:
    """The section that a relocation would reach: that of the longest prefix."""
    routes = sorted(plan.routes, key=lambda one: len(one.prefix), reverse=True)
    for route in routes:
        if not f"{type}.".startswith(f"{route.prefix}."):
            continue
        for section in reversed(route.sections):
            found = plan.handler(section)
            if found is not None and hasattr(found.options, "relocate_from"):
                return found
    name = type.partition(".")[2]
    raise ValueError(f"{plan.file}: no route {type} to a redirect; add {type} = h:{name}")


def said(answer: Answer) -> int:
    """Print what was answered."""
    found = answer_of(answer.type, answer.value)
    text = json.dumps(json_of(found.value))
    if isinstance(found, Fault):
        return common.fail(text.strip('"'))
    print(text)
    return 0
