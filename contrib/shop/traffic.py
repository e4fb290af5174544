"""Users of the shop: steady traffic on the gateway, and what they saw of it.

Each user has one connection, or one for each request with `each`, sends a request, waits for the
answer, and sends the next one when it is due. Users know all addresses of the gateway: one that is
refused a connection, or finds it reset before it is open, tries the next address. A request that
gets no answer, or another one than expected, is a failure; none is sent twice.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from contextlib import suppress
from dataclasses import dataclass, field

ANSWER_TIMEOUT = 60.0
"""Seconds a user waits for an answer."""


@dataclass(slots=True)
class Phase:
    """What the users saw in one phase; times in seconds."""

    name: str
    requests: int = 0
    longest: float = 0.0
    began: float = field(default_factory=time.monotonic)
    took: float = 0.0
    failures: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{self.name:<34} {self.requests:>6} requests  {len(self.failures)} failed  "
            f"longest wait {1000 * self.longest:>6.0f} ms"
        )


class Traffic:
    """`users` at the same time, `rate` requests a second in all; in a thread of its own."""

    def __init__(
        self, *fronts: tuple[str, int], users: int = 8, rate: float = 300.0, each: bool = False
    ) -> None:
        self.phases: list[Phase] = []
        self.placed: set[str] = set()
        self._fronts = fronts
        self._each = each
        self._users = users
        self._gap = users / rate
        self._end = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="traffic")

    def start(self, phase: str) -> None:
        """Begin."""
        self.phase(phase)
        self._thread.start()

    def phase(self, name: str) -> None:
        """Count for another phase from now on."""
        if self.phases:
            self.phases[-1].took = time.monotonic() - self.phases[-1].began
        self.phases.append(Phase(name))

    def stop(self) -> None:
        """Send no new requests, and wait for the answers to those under way."""
        self._end.set()
        self._thread.join()
        self.phases[-1].took = time.monotonic() - self.phases[-1].began

    @property
    def stopped(self) -> bool:
        """True after `stop`."""
        return self._end.is_set()

    @property
    def total(self) -> Phase:
        """All phases together."""
        found = Phase("all together", longest=max(one.longest for one in self.phases))
        for one in self.phases:
            found.requests += one.requests
            found.failures += one.failures
        return found

    async def _run(self) -> None:
        await asyncio.gather(*(self._user(number) for number in range(self._users)))

    async def _user(self, number: int) -> None:
        streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        due = time.monotonic() + number * self._gap / self._users
        count = 0
        while not self._end.is_set():
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due + self._gap, time.monotonic() - 1.0)
            count += 1
            began = time.monotonic()
            failure = ""
            try:
                async with asyncio.timeout(ANSWER_TIMEOUT):
                    streams = streams or await self._connect()
                    failure, last = await self._ask(streams, number, count)
            except (OSError, EOFError, TimeoutError) as error:
                failure, last = f"{type(error).__name__} {error}", True
            self._count(time.monotonic() - began, failure)
            if (last or self._each) and streams is not None:
                streams[1].close()
                streams = None
        if streams is not None:
            streams[1].close()

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        # Twice: what was not at the first address may have moved there while the second was tried.
        for front in (self._fronts * 2)[:-1]:
            with suppress(ConnectionRefusedError, ConnectionResetError):
                return await asyncio.open_connection(*front)
        return await asyncio.open_connection(*self._fronts[-1])

    def _count(self, took: float, failure: str) -> None:
        seen = self.phases[-1]
        seen.requests += 1
        seen.longest = max(seen.longest, took)
        if failure:
            seen.failures.append(failure)

    async def _ask(
        self, streams: tuple[asyncio.StreamReader, asyncio.StreamWriter], number: int, count: int
    ) -> tuple[str, bool]:
        """One request: why it failed, and whether the connection is over."""
        reader, writer = streams
        id = f"{number}-{count}"
        if count % 3:
            writer.write(_request("GET", f"/items/item{count % 50}"))
            expected = b"200"
        else:
            order = {"item": f"item{count % 50}", "count": 1 + count % 5, "id": id}
            writer.write(_request("POST", "/orders", json.dumps(order).encode()))
            expected = b"201"
        head = await reader.readuntil(b"\r\n\r\n")
        fields = dict(
            (name.strip().lower(), value.strip())
            for name, _, value in (one.partition(b":") for one in head.split(b"\r\n")[1:])
        )
        body = await reader.readexactly(int(fields[b"content-length"]))
        status = head.split(b" ", 2)[1]
        last = fields.get(b"connection") == b"close"
        if status != expected:
            return f"{status.decode()} {body[:200].decode()}", last
        if expected == b"201":
            if json.loads(body)["order"]["id"] != id:
                return f"another order: {body[:200].decode()}", last
            self.placed.add(id)
        return "", last


def _request(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: shop\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body
