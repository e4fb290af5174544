"""What verbs share that ask a running server: the argument FILE, and what is said if none answers.

It must never print what a server answers; that is what each verb is for.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from ccproxy.commands import common
from ccproxy.commands.control import ControlPlaces, control_places
from ccproxy.server.control_client import NoServer, Refused, request, stream
from ccproxy.server.status import Status, StatusPage, from_json, page_from_json
from ccproxy.verb import Verb

TIMEOUT = 10.0
"""Seconds the server has to answer."""
NO_QUERY: Mapping[str, object] = {}
PAGE = 1000
"""Items asked for at a time."""


class AskedServer:
    """The running server of a file, by the sockets at which it may answer."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths

    def ask(self, method: str, path: str, query: Mapping[str, object] = NO_QUERY) -> Any:
        """What it answers; NoServer if none does, Refused if it does not obey, with the reason."""
        reply = request(method, _target(path, query), self._paths, TIMEOUT)
        if reply.code != 200:
            raise Refused(reply.error)
        return reply.value

    def stream(
        self, method: str, path: str, query: Mapping[str, object] = NO_QUERY
    ) -> AbstractContextManager[Iterator[Any]]:
        """The lines of an answer that goes on, None for one that is empty; errors as those of
        `ask`, also if none comes for `TIMEOUT` seconds: the server sends one each second."""
        return stream(_target(path, query), self._paths, TIMEOUT, method)

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


class ServerVerb(Verb):
    """Base class of verbs whose argument FILE names a running server."""

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the file."""
        parser.add_argument(
            "file", metavar="FILE", type=Path, help="the server's INI file, or its control socket"
        )

    def run(self, options: argparse.Namespace) -> int:
        """Ask the server; say why if none answers."""
        places = control_places(options.file, {})
        if places.fault is not None:
            common.print_problems([places.fault])
            return self.failed("the option control cannot be read", common.BAD_CONFIGURATION)
        if not places.paths:
            text = f"{options.file} says control = no: its server cannot be asked"
            return self.failed(text, common.FAILED)
        try:
            return self.asked(options, AskedServer(places.paths))
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
        return common.fail(text, status)
