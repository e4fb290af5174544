"""The verb `relocate`: lists redirects, moves services, adds and removes resources.

Without a name a server on this host is asked through its control socket; everything else is a
message, as any client may send it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ccproxy.client import Answer, Client, ClientLimits
from ccproxy.commands import common, numbers, proof
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.config.plan import HandlerPlan, Plan
from ccproxy.protocols.jolie.cc_calls import answer_of
from ccproxy.protocols.jolie.json_values import json_of
from ccproxy.protocols.jolie.values import Fault
from ccproxy.reach import reach
from ccproxy.verb import Verb
from ccproxy.wire.cc import valid_type
from ccproxy.wire.text import escaped

from . import listing

EXAMPLES = """\
examples:
  ccserver relocate conf/redirect-dynamic.ini                               what is where?
  ccserver relocate conf/redirect-dynamic.ini sum                           where is sum?
  ccserver relocate conf/redirect-dynamic.ini sum socket://127.0.0.1:22663  move it
  ccserver relocate tcp://127.0.0.1:22667 sum socket://far:80 --protocol http --save
  ccserver relocate conf/redirect-dynamic.ini calc --add Mul socket://127.0.0.1:22664
  ccserver relocate conf/redirect-dynamic.ini calc --add Plus h:sum         a section of the table
  ccserver relocate conf/redirect-dynamic.ini calc --remove Mul
  ccserver relocate tcp://far:22667 sum --curve-server far.key --curve-secret me.key_secret

The list of a FILE comes from the server's control socket. Everything else is the message
relocate.NAME, and the list of an ADDRESS the message relocate: a route has to lead it to a
redirect, whose option relocate-from says from which listeners it may come. A listener that asks for
a key or a password gets it by --curve-server or --plain, and what it belongs to needs operate = yes
if it has a section [allow:NAME]. Calls under way are still answered by the old place, later ones go
to the new one. --save keeps what was changed over a restart, in the file of the option state;
without a change it keeps all that is.
exit status: 0 it is done, 1 nothing moved, or is not saved, or no server answers, 2 wrong words"""

PREFIX = "relocate"
HANDLER = "redirect"


class RelocateVerb(Verb):
    """`ccserver relocate`."""

    about = "list redirects, move a service, add and remove resources while calls go on"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare what is changed and where to."""
        parser.add_argument(
            "to", metavar="FILE|ADDRESS", help="INI of a server on this host, or tcp://HOST:PORT"
        )
        parser.add_argument(
            "name", metavar="NAME", nargs="?",
            help="last part of the route relocate.NAME; without it all redirects are listed",
        )  # fmt: skip
        parser.add_argument(
            "location", metavar="LOCATION", nargs="?",
            help="the new place, such as socket://HOST:PORT; without it the present one is shown",
        )  # fmt: skip
        changed = parser.add_mutually_exclusive_group()
        changed.add_argument(
            "--add", metavar="RESOURCE",
            help="lead this resource to LOCATION, or to a section h:NAME of the redirect's table",
        )  # fmt: skip
        changed.add_argument(
            "--remove", metavar="RESOURCE", help="let calls of this resource be refused"
        )
        parser.add_argument(
            "--protocol",
            metavar="P",
            help="what is spoken there (default: as at the present place)",
        )
        parser.add_argument("--save", action="store_true", help="keep it over a restart")
        parser.add_argument("--json", action="store_true", help="print the list as JSON")
        proof.arguments(parser)
        parser.add_argument(
            "--timeout", metavar="S", type=numbers.seconds, default=5.0,
            help="seconds to wait for the answer (default: 5)",
        )  # fmt: skip

    def candidates(self, metavar: str, file: str) -> Iterable[str]:
        """The names behind `relocate.` in the routes."""
        if metavar != "NAME":
            return ()
        heads = [one.partition(".") for one in common.route_prefixes(file)]
        return [name for head, _, name in heads if head == PREFIX and name]

    def run(self, options: argparse.Namespace) -> int:
        """Ask and print the answer; 1 if it is a refusal, or none comes."""
        if wrong := wrong_words(options):
            return common.fail(wrong, common.WRONG_USAGE)
        if options.name is None and "://" not in options.to:
            return RedirectList().run(argparse.Namespace(**vars(options), file=Path(options.to)))
        type = PREFIX
        if options.name is not None:
            type = f"{PREFIX}.{options.name.removeprefix('h:')}"
        if not valid_type(type.encode("utf-8", "replace")):
            return common.fail(f"{options.name!r:.60} is no name", common.WRONG_USAGE)
        try:
            keys = proof.keys_of(options)
        except ValueError as error:
            return common.fail(str(error), common.WRONG_USAGE)
        try:
            address = address_of(options.to, type, proven=proof.wanted(options))
            if not address:
                return common.BAD_CONFIGURATION
            reach(address, options.timeout)
            with Client(address, limits=ClientLimits(linger=0.0), **asdict(keys)) as client:
                answer = client.request(type, fields_of(options), timeout=options.timeout)
        except TimeoutError as error:
            return common.fail(f"{error}; {hint_of(options, type)}")
        except (ValueError, ConnectionError) as error:
            return common.fail(str(error))
        return said(answer, options.json) if options.name is None else said(answer)


class RedirectList(ServerVerb):
    """The list of all redirects of a server on this host."""

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Print what the redirects in its status say."""
        found = {
            one.section: one.facts for one in server.status().handlers if one.handler == HANDLER
        }
        return listed(found, options.json)


def wrong_words(args: argparse.Namespace) -> str:
    """What is wrong with the words together; "" if nothing is."""
    if args.name is None and (args.add or args.remove or args.protocol or args.save):
        return "which redirect? expected NAME, the last part of a route relocate.NAME"
    if args.add and not args.location:
        return f"--add {args.add:.60} where? expected LOCATION, or a section such as h:sum"
    if args.remove and (args.location or args.protocol):
        return "--remove needs no LOCATION and no --protocol"
    if args.json and args.name is not None:
        return "--json is for the list; the answer about one redirect is JSON anyway"
    if args.name is None and "://" not in args.to and proof.wanted(args):
        return "the list of a FILE needs no key or password: it comes from the control socket"
    return ""


def hint_of(args: argparse.Namespace, type: str) -> str:
    """Where to look if no answer comes; a server answers nothing to a message that it refuses."""
    if proof.wanted(args):
        return f"the log of its server says whether it refused the key, the password or {type}"
    return (
        f"does a route {type} lead to a redirect there? if its listener asks for a key or a "
        "password, use --curve-server or --plain"
    )


def fields_of(args: argparse.Namespace) -> dict[str, Any]:
    """The fields of the message."""
    if args.name is None:
        return {}
    location, protocol = args.location, args.protocol
    section = location if args.add and location.startswith("h:") else None
    given = {
        "add": args.add, "remove": args.remove, "section": section,
        "location": None if section else location, "protocol": protocol,
    }  # fmt: skip
    return {**{name: text for name, text in given.items() if text}, "save": args.save}


def address_of(to: str, type: str, proven: bool = False) -> str:
    """The address to send to; "" for a bad configuration, ValueError if no listener takes it."""
    if "://" in to:
        return to
    plan, problems = common.load(Path(to))
    common.print_problems(one for one in problems if plan is None or not one.warning)
    return common.reachable(listener_of(plan, type, proven)) if plan is not None else ""


def listener_of(plan: Plan, type: str, proven: bool) -> str:
    """The address of the listener from which a redirect takes relocations."""
    allowed = redirect_of(plan, type).options.relocate_from
    found = [one for one in plan.listeners if one.section in allowed and one.protocol == "cc"]
    if not found:
        raise ValueError(f"{plan.file}: relocate-from names no listener with protocol = cc")
    for one in found:
        if proven == proof.asked_by(one):
            return str(one.address)
    asks = "does not ask for a key or a password"
    if not proven:
        asks = "takes no peer without a key or a password; use --curve-server or --plain"
    raise ValueError(f"{found[0].address} {asks}")


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


def said(answer: Answer, as_json: bool | None = None) -> int:
    """Print what was answered; a list, if `as_json` says how to print one."""
    found = answer_of(answer.type, answer.value)
    value = json_of(found.value)
    if isinstance(found, Fault):
        return common.fail(escaped(value) if isinstance(value, str) else json.dumps(value))
    if as_json is None:
        print(json.dumps(value))
        return 0
    if not isinstance(value, dict) or not isinstance(value.get("redirects"), dict):
        return common.fail("the answer is no list of redirects")
    try:
        return listed(value["redirects"], as_json)
    except ValueError as error:
        return common.fail(str(error))


def listed(redirects: Mapping[str, Mapping[str, Any]], as_json: bool) -> int:
    """Print all places that there are; ValueError if these are no facts of redirects."""
    found = listing.places(redirects)
    if as_json:
        print(json.dumps(list(map(asdict, found)), indent=2))
        return 0
    for line in (*listing.lines(found), *listing.rest(redirects)):
        print(line)
    if not found:
        print("no section has handler = redirect")
    return 0
