"""The verb `spool`: look into the spool of a link, take copies, send again, throw away."""

from __future__ import annotations

import argparse
import base64
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from ccproxy.commands import common
from ccproxy.commands.control import control_places
from ccproxy.commands.server_verb import AskedServer
from ccproxy.config.kinds import size
from ccproxy.server.control_client import NoServer, Refused
from ccproxy.server.spools import copied
from ccproxy.server.status import from_json
from ccproxy.spool import operations
from ccproxy.spool.file import SpoolFile
from ccproxy.spool.operations import RunLine, RunPage, SpoolReport
from ccproxy.verb import Verb
from ccproxy.wire.zmtp.frames import pack

EXAMPLES = """\
examples:
  ccserver spool conf/bridge.ini show               what waits, and what is kept
  ccserver spool conf/bridge.ini show --runs        each run of messages: its number, time and size
  ccserver spool conf/bridge.ini export > copy      every message, a line of JSON each
  ccserver spool conf/bridge.ini replay --from '2 h'            what was acknowledged since then
  ccserver spool conf/bridge.ini drop --to 1200     what waits, up to a run (--all: all of it)
  ccserver spool /var/spool/far export --raw > copy             a folder that no server has

FILE is the INI file of a server. If it runs, it is asked; otherwise the folder of its option
`spool` is used, and so it is if a FOLDER is given, unless a process has it. A file with several
links that have a spool needs --section.
export prints {"run", "epoch", "number", "time", "waits", "frames"}, the frames in base64; --raw
prints the frames of ZMTP as they go on the line. replay sends kept runs (see `spool-keep`) again,
as new messages: no far side takes them for duplicates. resend ends the doubt of a link with
`on-doubt = wait`: what the old far side may have is sent to the one that is there now.
exit status: 0 done, 1 failed or refused, 2 wrong usage, 78 mistakes in the file"""


class Shelf(Protocol):
    """A spool: asked through its server, or its file."""

    def report(self) -> SpoolReport:
        """What it holds."""

    def runs(self, after: int) -> RunPage:
        """The next runs."""

    def copies(self, after: int) -> dict[str, Any]:
        """The messages of the next runs, as `items`, and `next`."""

    def replay(self, where: str) -> int:
        """Send again from a place on; how many messages."""

    def drop(self, to: int | None) -> int:
        """Forget what waits; how many messages."""

    def resend(self) -> int:
        """Send what another far side may have; how many messages."""


class BadConfiguration(ValueError):
    """The file that was to name the spool cannot be used."""


class ServedSpool:
    """A spool of a running server."""

    def __init__(self, server: AskedServer, section: str) -> None:
        self._server = server
        self._query: dict[str, object] = {"section": section} if section else {}

    def report(self) -> SpoolReport:
        """What it holds."""
        found: SpoolReport = from_json(
            SpoolReport, self._server.ask("GET", "/v1/spool", self._query)
        )
        return found

    def runs(self, after: int) -> RunPage:
        """The next runs."""
        query = {**self._query, "after": after}
        found: RunPage = from_json(RunPage, self._server.ask("GET", "/v1/spool/runs", query))
        return found

    def copies(self, after: int) -> dict[str, Any]:
        """The messages of the next runs."""
        query = {**self._query, "after": after}
        found: dict[str, Any] = self._server.ask("GET", "/v1/spool/copies", query)
        return found

    def replay(self, where: str) -> int:
        """Send again from a place on."""
        query = {**self._query, "from": where}
        return int(self._server.ask("POST", "/v1/spool/replay", query)["changed"])

    def drop(self, to: int | None) -> int:
        """Forget what waits."""
        query = self._query if to is None else {**self._query, "to": to}
        return int(self._server.ask("POST", "/v1/spool/drop", query)["changed"])

    def resend(self) -> int:
        """Send what another far side may have."""
        return int(self._server.ask("POST", "/v1/spool/resend", self._query)["changed"])


class RestingSpool:
    """The file of a folder that no server has."""

    def __init__(self, file: SpoolFile) -> None:
        self._file = file

    def report(self) -> SpoolReport:
        """What it holds."""
        return operations.report(self._file)

    def runs(self, after: int) -> RunPage:
        """The next runs."""
        return operations.run_lines(self._file, after)

    def copies(self, after: int) -> dict[str, Any]:
        """The messages of the next runs."""
        found: dict[str, Any] = json.loads(copied(self._file, after))
        return found

    def replay(self, where: str) -> int:
        """Let runs wait again."""
        first = operations.first_run(self._file, operations.place(where, time.time()))
        return operations.replay(self._file, first)

    def drop(self, to: int | None) -> int:
        """Forget what waits."""
        return operations.drop(self._file, self._file.state.last if to is None else to)

    def resend(self) -> int:
        """Send what another far side may have."""
        return operations.resend(self._file)


class SpoolVerb(Verb):
    """`ccserver spool`."""

    about = "look into the spool of a link, copy its messages, send them again, throw them away"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the spool, and what to do with it."""
        parser.add_argument(
            "place", metavar="FILE|FOLDER", type=Path,
            help="the INI file of a server, or the folder of a spool that no server has",
        )  # fmt: skip
        parser.add_argument(
            "action",
            choices=sorted(ACTIONS),
            help="what to do; drop, replay and resend change the spool",
        )  # fmt: skip
        parser.add_argument(
            "--section", metavar="SECTION", default="", help="whose spool, such as h:far"
        )
        parser.add_argument(
            "--from", dest="start", metavar="TIME|RUN", default="",
            help="replay: the first run, by its number or time",
        )  # fmt: skip
        which = parser.add_mutually_exclusive_group()
        which.add_argument("--to", metavar="RUN", type=int, help="drop: the last run")
        which.add_argument("--all", action="store_true", help="drop: everything that waits")
        parser.add_argument("--runs", action="store_true", help="show: list each run")
        parser.add_argument(
            "--raw", action="store_true", help="export: the frames of ZMTP, and not lines of JSON"
        )
        parser.add_argument("--json", action="store_true", help="show: print JSON and no text")

    def candidates(self, metavar: str, file: str) -> Iterator[str]:
        """The sections with a spool."""
        if metavar == "SECTION" and file:
            yield from spool_folders(Path(file))

    def run(self, options: argparse.Namespace) -> int:
        """Find the spool, and do it."""
        if options.action == "replay" and not options.start:
            return common.fail("replay needs --from TIME|RUN", common.WRONG_USAGE)
        if options.action == "drop" and options.to is None and not options.all:
            return common.fail("drop needs --to RUN, or --all", common.WRONG_USAGE)
        try:
            with ExitStack() as stack:
                return ACTIONS[options.action](found_spool(options, stack), options)
        except BadConfiguration as error:
            return common.fail(str(error), common.BAD_CONFIGURATION)
        except (Refused, NoServer, OSError, ValueError, sqlite3.Error) as error:
            return common.fail(str(error))


def found_spool(options: argparse.Namespace, stack: ExitStack) -> Shelf:
    """The spool that is meant, by its server or by its folder."""
    place: Path = options.place
    if place.is_dir():
        return RestingSpool(stack.enter_context(operations.at_rest(place)))
    places = control_places(place, {})
    server = AskedServer(places.paths)
    try:
        server.ask("GET", "/v1/status/losses")
    except NoServer:
        folder = folder_of(place, options.section)
        return RestingSpool(stack.enter_context(operations.at_rest(folder)))
    return ServedSpool(server, options.section)


def folder_of(file: Path, section: str) -> Path:
    """The folder of the only spool of a configuration, or of that of a section."""
    folders = spool_folders(file)
    found = {name: one for name, one in folders.items() if not section or name == section}
    if len(found) == 1:
        return next(iter(found.values()))
    if not folders:
        raise ValueError(f"no section of {file} has the option spool")
    names = ", ".join(folders)
    raise ValueError(f"name the spool that you mean: --section with one of {names}")


def spool_folders(file: Path) -> dict[str, Path]:
    """The folders of all spools of a configuration, by section."""
    plan, _ = common.load(file)
    if plan is None:
        raise BadConfiguration(f"{file} has mistakes; `ccserver check {file}` shows them")
    return {
        one.section: Path(one.options.spool)
        for one in plan.handlers
        if getattr(one.options, "spool", "")
    }


def show(spool: Shelf, options: argparse.Namespace) -> int:
    """Print what a spool holds."""
    report = spool.report()
    lines = all_runs(spool) if options.runs else iter(())
    if options.json:
        value = asdict(report)
        print(
            json.dumps({**value, "runs": [asdict(one) for one in lines]} if options.runs else value)
        )
        return 0
    for name, text in described(report):
        print(f"{name:10} {text}")
    for one in lines:
        state = "waits" if one.waits else "kept"
        print(
            f"run {one.run}  {moment(one.time)}  {one.epoch}:{one.first}  "
            f"{one.messages} messages  {sized(one.bytes)}  {state}"
        )
    return 0


def all_runs(spool: Shelf) -> Iterator[RunLine]:
    """Each run, page after page."""
    after = 0
    while lines := spool.runs(after).items:
        yield from lines
        after = lines[-1].run


def described(report: SpoolReport) -> Iterator[tuple[str, str]]:
    """The lines of a report."""
    yield "folder", report.folder
    yield "link", report.link
    yield "waiting", f"{report.waiting} messages, {sized(report.bytes)}"
    if report.oldest is not None:
        yield "oldest", moment(report.oldest)
    yield "kept", f"{report.kept} messages, {sized(report.kept_bytes)}"
    yield "refused", f"{report.refused} messages by the far side"
    if report.first_run is not None:
        yield "runs", f"{report.first_run} to {report.last_run}"
    yield "origins", f"{report.origins}"
    yield "file", sized(report.file_bytes)
    for one in report.damaged:
        yield "damaged", one


def sized(count: int) -> str:
    """A number of bytes."""
    return f"{size.show(count)} B".replace("iB B", "iB")


def moment(seconds: float) -> str:
    """A time of the clock on the wall here."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def export(spool: Shelf, options: argparse.Namespace) -> int:
    """Print every message."""
    after: int | None = 0
    while after is not None:
        page = spool.copies(after)
        for message in page["items"]:
            if not options.raw:
                print(json.dumps(message))
                continue
            frames = [base64.b64decode(frame) for frame in message["frames"]]
            sys.stdout.buffer.write(pack(frames))
        after = page["next"]
    sys.stdout.flush()
    return 0


def change(spool: Shelf, options: argparse.Namespace) -> int:
    """Send again or forget, and say how much."""
    if options.action == "replay":
        print(f"{spool.replay(options.start)} messages wait again")
    elif options.action == "resend":
        print(f"{spool.resend()} messages may be sent to any server")
    else:
        print(f"{spool.drop(options.to)} messages dropped")
    return 0


ACTIONS = {"show": show, "export": export, "replay": change, "drop": change, "resend": change}
