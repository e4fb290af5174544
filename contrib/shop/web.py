#!/usr/bin/env python3
"""The gateway of the shop: HTTP for its users, sessions to the services behind.

    GET  /items/NAME                      the price of an item
    POST /orders   {"item": N, "count": C, "id": ID}   place an order; 201
    GET  /orders/ID                       an order
    GET  /health                          this gateway

It keeps nothing. A request whose session breaks is sent again, which is safe because no request
changes anything twice. When it is to end, another gateway accepts users already: it takes whoever
has connected by then, stops listening, answers the first request of each of them, and ends.
"""

from __future__ import annotations

import asyncio
import json
import socket
import uuid
from collections.abc import Callable
from contextlib import suppress

import h11
import lines

from ccproxy.service import SessionRefused
from ccproxy.service.aio import Service

READ_SIZE = 65536
SHUTDOWN_TIMEOUT = 5.0
"""Seconds that users have at the end to get the answers under way."""


class Gateway:
    """One instance, with the plugs it uses."""

    def __init__(self, service: Service) -> None:
        self.service = service
        self.catalog = service.plug("catalog_client", "catalog_api")
        self.orders = service.plug("orders_client", "orders_api")
        self.users: set[asyncio.Task[None]] = set()
        self.idle: set[asyncio.StreamWriter] = set()

    def accept(self, user: socket.socket) -> None:
        """A user has connected."""
        task = asyncio.get_running_loop().create_task(self.serve(user))
        self.users.add(task)
        task.add_done_callback(self.users.discard)

    async def serve(self, user: socket.socket) -> None:
        """One connection of a user; its first request is answered in any case."""
        reader, writer = await asyncio.open_connection(sock=user)
        connection, first = h11.Connection(h11.SERVER), True
        with suppress(OSError, h11.RemoteProtocolError):
            while connection.our_state is h11.IDLE and (first or not self.service.stopping):
                if not first:
                    self.idle.add(writer)
                request, body = await receive(connection, reader)
                self.idle.discard(writer)
                first = False
                if request is None:
                    break
                status, answer = await self.answer(request, body)
                writer.write(respond(connection, status, answer, self.service.stopping))
                await writer.drain()
                if connection.our_state is h11.DONE and connection.their_state is h11.DONE:
                    connection.start_next_cycle()
        self.idle.discard(writer)
        writer.close()

    async def answer(self, request: h11.Request, body: bytes) -> tuple[int, lines.Line]:
        """Status and content of the answer to a request."""
        try:
            return await self.dispatch(request.method, request.target.decode(), body)
        except (KeyError, TypeError, ValueError) as error:
            return 400, {"error": str(error)}
        except (OSError, SessionRefused) as error:
            return 503, {"error": str(error)}

    async def dispatch(self, method: bytes, path: str, body: bytes) -> tuple[int, lines.Line]:
        """Ask the service that knows."""
        _, place, *rest = path.split("/")
        if (method, place) == (b"GET", "health"):
            return 200, {"instance": self.service.configuration.instance}
        if (method, place, len(rest)) == (b"GET", "items", 1):
            return 200, await lines.ask(self.catalog, {"op": "find", "item": rest[0]})
        if (method, place, len(rest)) == (b"GET", "orders", 1):
            found = await lines.ask(self.orders, {"op": "show", "id": rest[0]})
            return (200 if found["order"] else 404), found
        if (method, place, rest) == (b"POST", "orders", []):
            wanted = json.loads(body)
            order = {"op": "place", "item": str(wanted["item"]), "count": int(wanted["count"])}
            order["id"] = str(wanted.get("id") or uuid.uuid4().hex)
            return 201, await lines.ask(self.orders, order)
        return 404, {"error": f"nothing at {path}"}

    async def close(self) -> None:
        """Close connections that wait for a further request, and wait for the answers under way,
        which end theirs."""
        for writer in self.idle:
            writer.close()
        if self.users:
            await asyncio.wait(self.users, timeout=SHUTDOWN_TIMEOUT)


def listen(address: str, port: int, accept: Callable[[socket.socket], None]) -> Callable[[], None]:
    """Accept users from now on; what is returned stops it.

    The end of a listening socket resets connections that the system has accepted already and the
    program has not, so they are taken first. `asyncio.Server` does not do that.
    """
    loop = asyncio.get_running_loop()
    listener = socket.create_server((address, port), backlog=100)
    listener.setblocking(False)

    def ready() -> None:
        with suppress(BlockingIOError):
            while True:
                user, _ = listener.accept()
                user.setblocking(False)
                accept(user)

    def stop() -> None:
        loop.remove_reader(listener)
        ready()
        listener.close()

    loop.add_reader(listener, ready)
    return stop


async def receive(
    connection: h11.Connection, reader: asyncio.StreamReader
) -> tuple[h11.Request | None, bytes]:
    """The next request with its body; None if the user has left."""
    request, body = None, bytearray()
    while True:
        event = connection.next_event()
        if event is h11.NEED_DATA:
            connection.receive_data(await reader.read(READ_SIZE))
        elif isinstance(event, h11.Request):
            request = event
        elif isinstance(event, h11.Data):
            body += event.data
        elif isinstance(event, h11.EndOfMessage):
            return request, bytes(body)
        else:
            return None, b""


def respond(connection: h11.Connection, status: int, content: lines.Line, last: bool) -> bytes:
    """The bytes of an answer."""
    body = json.dumps(content).encode()
    headers = [("content-type", "application/json"), ("content-length", str(len(body)))]
    if last:
        headers.append(("connection", "close"))
    sent = connection.send(h11.Response(status_code=status, headers=headers)) or b""
    sent += connection.send(h11.Data(data=body)) or b""
    return sent + (connection.send(h11.EndOfMessage()) or b"")


async def main() -> None:
    """Serve until the agent says that it is over."""
    async with Service() as service:
        gateway = Gateway(service)
        place = service.configuration
        stop = listen(place.address, place.port("http"), gateway.accept)
        await service.wait()
        stop()
        await gateway.close()


if __name__ == "__main__":
    asyncio.run(main())
