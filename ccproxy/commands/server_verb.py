"""What verbs share that ask a running server: where it is asked, and what is said if none answers.

It must never print what a server answers; that is what each verb is for.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlencode

from ccproxy.commands import common, numbers
from ccproxy.commands.control import ControlPlaces, control_places
from ccproxy.config.address import Address
from ccproxy.config.keys import KeyFault, http_token, token_of
from ccproxy.config.security import is_local
from ccproxy.server.control_client import (
    ControlReply,
    NoServer,
    Place,
    Refused,
    WebPlace,
    request,
    stream,
)
from ccproxy.server.status import Status, StatusPage, from_json, page_from_json
from ccproxy.verb import Verb
from ccproxy.wire.text import escaped

TIMEOUT = 10.0
"""Seconds the server has for an answer."""
NO_QUERY: Mapping[str, object] = {}
PAGE = 1000
"""Items asked for at a time."""
TOKEN = "CCSERVER_TOKEN"
"""The environment variable with the token of a port: a command line can be read by everybody."""


class AskedServer:
    """The running server of a file, by the places at which it may answer."""

    def __init__(self, paths: Sequence[Place], timeout: float = TIMEOUT) -> None:
        self._paths = paths
        self.timeout = timeout

    def ask(self, method: str, path: str, query: Mapping[str, object] = NO_QUERY) -> Any:
        """What it answers; NoServer if none does, Refused if it does not obey, with the reason."""
        reply = self.reply(method, _target(path, query))
        if reply.code != 200:
            raise reply.refusal
        return reply.value

    def reply(self, method: str, target: str) -> ControlReply:
        """What it answers, obedient or not; NoServer if none does within `timeout` seconds."""
        return request(method, target, self._paths, self.timeout)

    def stream(
        self, method: str, path: str, query: Mapping[str, object] = NO_QUERY
    ) -> AbstractContextManager[Iterator[Any]]:
        """The lines of an answer that goes on, None for one that is empty; errors as those of
        `ask`, also if none comes for `timeout` seconds: the server sends one each second."""
        return stream(_target(path, query), self._paths, self.timeout, method)

    def status(self) -> Status:
        """Its status now; ValueError if that is none which this version knows."""
        found: Status = from_json(Status, self.ask("GET", "/v1/status"))
        return found

    def items(self, kind: type, part: str, most: int) -> Iterator[Any]:
        """Items of a list that comes by page, at most so many."""
        after: str | None = ""
        while after is not None and most > 0:
            query = {"most": min(PAGE, most), **({"after": after} if after else {})}
            value = self.ask("GET", f"/v1/status/{part}", query)
            page: StatusPage[Any] = page_from_json(kind, value)
            yield from page.items
            most -= len(page.items)
            after = page.next


def _target(path: str, query: Mapping[str, object]) -> str:
    return f"{path}?{urlencode(query)}" if query else path


def server_address(text: str) -> Path | WebPlace:
    """The argument ADDRESS: an INI file, a control socket, or the address of a port."""
    if "://" not in text:
        return Path(text)
    try:
        return WebPlace.parse(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


class ServerVerb(Verb):
    """Base class of verbs whose argument ADDRESS names a running server."""

    changes: ClassVar[bool] = False
    """True if the server does something else afterwards: its port only shows."""

    timeout: ClassVar[float] = TIMEOUT
    """Seconds for an answer if `--timeout` says nothing else."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the server, and the form of the answer."""
        where = (
            "the server's INI file, its control socket, or http(s)://HOST:PORT, which only shows"
        )
        parser.add_argument("file", metavar="FILE|ADDRESS", type=server_address, help=where)
        parser.add_argument(
            "--token", metavar="FILE", type=Path,
            help=f"file with the token of the port; without it, {TOKEN} may have the token",
        )  # fmt: skip
        parser.add_argument("--json", action="store_true", help="print JSON instead of text")
        self.timeout_argument(parser)

    def timeout_argument(self, parser: argparse.ArgumentParser) -> None:
        """Declare how long an answer may take."""
        parser.add_argument(
            "--timeout", metavar="S", type=numbers.seconds, default=self.timeout,
            help=f"seconds that the server has for an answer (default: {self.timeout:g})",
        )  # fmt: skip

    def run(self, options: argparse.Namespace) -> int:
        """Ask the server; say why if none answers."""
        if isinstance(options.file, WebPlace):
            return self._run_there(options.file, options)
        places = control_places(options.file, {})
        if places.fault is not None:
            common.print_problems([places.fault])
            return self.failed("the option control cannot be read", common.BAD_CONFIGURATION)
        if not places.paths:
            text = f"{options.file} says control = no: its server cannot be asked"
            return self.failed(text, common.FAILED)
        return self._run(options, places)

    def _run_there(self, place: WebPlace, options: argparse.Namespace) -> int:
        """Ask the port of a server."""
        if self.changes:
            text = f"{place} only shows: name the INI file or the control socket of the server"
            return self.failed(text, common.WRONG_USAGE)
        try:
            token = token_given(options.token)
        except ValueError as error:
            return self.failed(str(error), common.WRONG_USAGE)
        if token and not place.secure and not is_local(Address("tcp", place.host)):
            text = f"{place}: the token would cross the network in clear; use https://"
            return self.failed(text, common.WRONG_USAGE)
        return self._run(options, ControlPlaces((replace(place, token=token),)))

    def _run(self, options: argparse.Namespace, places: ControlPlaces) -> int:
        try:
            return self.asked(options, AskedServer(places.paths, options.timeout))
        except NoServer as error:
            return self.unanswered(places, error)
        except (Refused, ValueError) as error:
            return self.failed(str(error), common.FAILED)

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Ask and print; the exit status. NoServer, Refused and ValueError may be raised."""
        raise NotImplementedError

    def unanswered(self, places: ControlPlaces, error: NoServer) -> int:
        """Say that no server answers; a file that cannot be read may be the reason."""
        common.print_problems(places.problems)
        status = common.BAD_CONFIGURATION if places.problems else common.FAILED
        return self.failed(str(error), status)

    def failed(self, text: str, status: int) -> int:
        """Say why there is no answer; the exit status."""
        return common.fail(escaped(text), status)


def token_given(file: Path | None) -> str:
    """The token of a file, or of the environment, empty if there is none; ValueError if it is
    wrong."""
    try:
        if file is not None:
            return http_token(str(file), "--token").decode()
        given = os.environ.get(TOKEN, "")
        return token_of(given).decode() if given else ""
    except KeyFault as fault:
        raise ValueError(fault.strerror) from None
    except ValueError as error:
        raise ValueError(f"{TOKEN}: {error}") from None


def print_answer(value: Any, text: str, as_json: bool) -> None:
    """Print a value as JSON, or what it means."""
    print(json.dumps(value) if as_json else text)
