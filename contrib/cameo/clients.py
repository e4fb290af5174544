#!/usr/bin/env python3
"""Two CAMEO clients with USE_PROXY: a requester and a synchronised subscriber, behind a firewall.

They know one endpoint, the responder proxy's; all other ports come from the server's answers.

    python contrib/cameo/clients.py requester echo 1 tcp://127.0.0.1:10000
    python contrib/cameo/clients.py subscriber data 2 tcp://127.0.0.1:10000 [SECONDS]
"""

from __future__ import annotations

import sys
import time
from typing import Any

import zmq
from protocol import (
    PUBLISHER_KEY,
    RESPONDER_KEY,
    SERVER,
    TIMEOUT,
    Caller,
    Type,
    packed,
    value_of,
)

REQUESTS = 500
BUDGET = 0.1
"""Seconds that a synchronised subscriber gives its publisher for an answer."""
EVENTS = ("status", "result", "keyvalue", "cancel", "ping")


class Server:
    """A Server object with USE_PROXY: does what CAMEO's clients do when they connect, in order."""

    def __init__(self, endpoint: str) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.endpoint = endpoint
        self.host = endpoint.rpartition(":")[0]
        self.caller = Caller(self.context, endpoint, SERVER)
        types = (Type.STATUS, Type.RESPONDER_PORT, Type.PUBLISHER_PORT, Type.SUBSCRIBER_PORT)
        self.ports = {type: value_of(self.caller.ask(packed(type)))["value"] for type in types}
        self.caller.ask(packed(Type.VERSION))
        self.events = self.subscribed(*EVENTS)
        end = time.monotonic() + TIMEOUT
        while not self.events.poll(100):
            self.caller.ask(packed(Type.SYNC))
            if time.monotonic() > end:
                raise TimeoutError("no event of the server comes")

    def subscribed(self, *topics: str) -> zmq.Socket[Any]:
        """A SUB at the publisher proxy."""
        socket = self.context.socket(zmq.SUB)
        socket.rcvhwm, socket.rcvtimeo = 0, int(1000 * TIMEOUT)
        socket.connect(f"{self.host}:{self.ports[Type.PUBLISHER_PORT]}")
        for topic in topics:
            socket.subscribe(topic)
        return socket

    def wait_for_key(self, id: int, key: str) -> None:
        """Until an application has stored a key."""
        end = time.monotonic() + TIMEOUT
        while value_of(self.caller.ask(packed(Type.GET, id=id, key=key)))["value"] != 0:
            if time.monotonic() > end:
                raise TimeoutError(f"no application stores {key}")
            time.sleep(0.05)

    def requester(self, id: int, name: str) -> Caller:
        """A DEALER whose responder has answered a SYNC."""
        endpoint = f"{self.host}:{self.ports[Type.RESPONDER_PORT]}"
        made = Caller(self.context, endpoint, f"{RESPONDER_KEY}{name}:{id}".encode())
        made.ask(packed(Type.SYNC))
        return made


def request(data: bytes) -> tuple[bytes, bytes]:
    """The two frames of a request."""
    about = {"applicationName": "client", "applicationId": 0, "serverEndpoint": ""}
    return packed(Type.REQUEST, **about, serverProxyPort=0), data


def requester(server: Server, id: int, name: str, budget: float) -> str:
    """Send requests, some of them together; each answer must be its data in reverse."""
    server.wait_for_key(id, f"{RESPONDER_KEY}{name}")
    caller = server.requester(id, name)
    begun = time.monotonic()
    for first in range(0, REQUESTS, 10):
        for number in range(first, first + 10):
            caller.send(*request(b"request %d" % number))
        for number in range(first, first + 10):
            found = caller.receive(TIMEOUT)
            assert found and found[1] == (b"request %d" % number)[::-1], found
    return f"{REQUESTS} requests answered in {time.monotonic() - begun:.2f} s"


def subscriber(server: Server, id: int, name: str, budget: float) -> str:
    """Synchronise with the publisher, and read its stream to the end."""
    key = f"{PUBLISHER_KEY}{name}"
    server.wait_for_key(id, key)
    topic = f"{key}:{id}"
    socket = server.subscribed(topic, "cancel")
    caller = server.requester(id, f"publisher:{name}")
    slowest, end = 0.0, time.monotonic() + TIMEOUT
    while not socket.poll(100):
        slowest = max(slowest, timed(caller, packed(Type.SYNC_STREAM), budget))
        assert time.monotonic() < end
    slowest = max(slowest, timed(caller, packed(Type.SUBSCRIBE), budget))
    came = 0
    while True:
        first, control, *data = socket.recv_multipart()
        assert first == topic.encode()
        type = value_of([control])["type"]
        if type == Type.STREAM_END:
            return f"{came} messages, all in order; slowest synchronisation {1000 * slowest:.1f} ms"
        if type == Type.STREAM:
            assert data == [b"%d" % came], data
            came += 1


def timed(caller: Caller, data: bytes, budget: float) -> float:
    """Seconds until a request of the synchronisation is answered."""
    begun = time.monotonic()
    caller.send(*request(data))
    if caller.receive(budget) is None:
        raise TimeoutError(f"SynchronizationTimeout: no answer within {budget:g} s")
    return time.monotonic() - begun


if __name__ == "__main__":
    role, name, id, endpoint, *more = sys.argv[1:]
    work = {"requester": requester, "subscriber": subscriber}[role]
    budget = float(more[0]) if more else BUDGET
    print(f"{role} {name}: {work(Server(endpoint), int(id), name, budget)}")
