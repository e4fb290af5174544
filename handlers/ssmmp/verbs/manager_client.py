"""Messages `mesh.VERB` to a Manager, and its answers. It must never print."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ccproxy.client import Client

Fields = dict[str, Any]


class RefusedByManager(Exception):
    """The Manager did not do it; the text says why."""


class ManagerClient:
    """Asks one Manager; `timeout` is the wait for each answer, in seconds."""

    def __init__(self, client: Client, timeout: float) -> None:
        self._client = client
        self._timeout = timeout

    def ask(self, verb: str, value: Mapping[str, Any], timeout: float | None = None) -> Fields:
        """The answer to one message; RefusedByManager if it is an error, TimeoutError if none
        came."""
        wait = self._timeout if timeout is None else timeout
        answer: Fields = self._client.request(f"mesh.{verb}", value, timeout=wait).value
        if "error" in answer:
            raise RefusedByManager(str(answer["error"]))
        return answer

    def rows(self, table: str, *, all: bool = False) -> Iterator[Fields]:
        """All rows of a table, page by page; `all` = with sessions that have ended."""
        after = None
        while True:
            answer = self.ask("list", {"what": table, "after": after, "all": all})
            yield from answer["rows"]
            after = answer["next"]
            if after is None:
                return

    def operation(self, number: int, timeout: float) -> Fields:
        """One operation; RefusedByManager if there is none of that number."""
        value = {"what": "operations", "after": number - 1, "most": 1}
        rows = self.ask("list", value, timeout)["rows"]
        if not rows or rows[0]["operation"] != number:
            raise RefusedByManager(f"no operation {number}")
        found: Fields = rows[0]
        return found
