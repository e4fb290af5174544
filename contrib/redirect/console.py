#!/usr/bin/env python3
"""The console of the dynamic redirection: moves the services of a redirect, one line at a time.

    python contrib/redirect/console.py tcp://127.0.0.1:22689              relocateSum, relocateSub
    python contrib/redirect/console.py tcp://127.0.0.1:22689 web          relocateWeb

It reads commands from its input and sends the message relocate.NAME, as any program may. An empty
line instead of a location leaves the service where it is; `exit`, or the end of the input, ends it.
Exit status 1 if the server does not answer at all.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any, TextIO

from ccproxy.client import Client
from ccproxy.wire.text import escaped

TIMEOUT = 5.0
"""Seconds to wait for each answer."""


class Console:
    """The dialogue: what it asks goes to `screen`, what it is told comes from `lines`."""

    def __init__(self, client: Client, names: list[str], lines: TextIO, screen: TextIO) -> None:
        self._client = client
        self._commands = {f"relocate{name.capitalize()}": name for name in names}
        self._lines = lines
        self._screen = screen

    def run(self) -> None:
        """Obey commands until `exit`; ConnectionError or TimeoutError without a server."""
        while True:
            known = ", ".join([*self._commands, "exit"])
            command = self._asked(f"command ({known}): ")
            if command in (None, "exit"):
                return
            if command in self._commands:
                self._relocate(self._commands[command])
            elif command:
                self._say(f"no command {command!a:.60}; there are {known}")

    def _relocate(self, name: str) -> None:
        """Say where a service is, ask where it is to be, and say what came of it."""
        now = self._sent(name, {})
        if now is None:
            return
        self._say(f"{name} is at {place(now)}")
        words = (self._asked(f"new location of {name} [protocol]: ") or "").split()
        if not words:
            self._say(f"{name} stays there")
            return
        fields = dict(zip(("location", "protocol"), words, strict=False))
        moved = self._sent(name, fields)
        if moved is not None:
            self._say(f"{name} is now at {place(moved)}; {moved['calls']} calls under way")

    def _sent(self, name: str, fields: Mapping[str, str]) -> dict[str, Any] | None:
        """The data of the answer; a refusal is said, and None."""
        value = self._client.request(f"relocate.{name}", fields, timeout=TIMEOUT).value
        data = value.get("data")
        if isinstance(data, dict) and "location" in data:
            return data
        error = value.get("error")
        self._say(f"refused: {error.get('data') if isinstance(error, dict) else value!s:.200}")
        return None

    def _asked(self, question: str) -> str | None:
        """A line of the input; None at its end."""
        self._screen.write(question)
        self._screen.flush()
        line = self._lines.readline()
        return line.strip() if line else None

    def _say(self, text: str) -> None:
        self._screen.write(f"{escaped(text)}\n")


def place(data: Mapping[str, Any]) -> str:
    """Where a service is, as the server says."""
    return f"{data['location']} in {data['protocol']}"


def main() -> int:
    """Run the dialogue; the exit status is returned."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("address", help="a listener that relocate-from of the redirects names")
    parser.add_argument("names", nargs="*", default=["sum", "sub"], help="of routes relocate.NAME")
    args = parser.parse_args()
    try:
        with Client(args.address) as client:
            Console(client, args.names, sys.stdin, sys.stdout).run()
    except (ValueError, ConnectionError, TimeoutError) as error:
        print(f"\n{error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 0
    return 0


if __name__ == "__main__":
    sys.exit(main())
