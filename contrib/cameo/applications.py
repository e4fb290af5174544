#!/usr/bin/env python3
"""Two CAMEO applications: a responder, and a publisher that waits for its subscribers.

Both connect to the proxy ports of the address that their server names, and store a key there.

    python contrib/cameo/applications.py responder echo 1 tcp://127.0.0.1:7000 127.0.0.1
    python contrib/cameo/applications.py publisher data 2 tcp://127.0.0.1:7000 127.0.0.1
"""

from __future__ import annotations

import sys
from typing import Any

import zmq
from protocol import PUBLISHER_KEY, RESPONDER_KEY, SERVER, Caller, Type, packed, value_of

PUBLISHED = 1000
"""Messages of the publisher."""
SUBSCRIBERS = 1
"""How many it waits for."""


class Application:
    """What an application knows of its server."""

    def __init__(self, id: int, endpoint: str, host: str) -> None:
        self.context: zmq.Context[Any] = zmq.Context()
        self.id = id
        self.host = host
        self.server = Caller(self.context, endpoint, SERVER)

    def port(self, type: int) -> str:
        """The endpoint of a proxy port."""
        number = value_of(self.server.ask(packed(type)))["value"]
        return f"tcp://{self.host}:{number}"

    def store(self, key: str, value: str) -> None:
        """Make a key known to clients."""
        self.server.ask(packed(Type.STORE, id=self.id, key=key, value=value))


class Responder:
    """A ROUTER under the id that clients write as the address."""

    def __init__(self, application: Application, name: str) -> None:
        key = f"{RESPONDER_KEY}{name}"
        self.socket = application.context.socket(zmq.ROUTER)
        self.socket.routing_id = f"{key}:{application.id}".encode()
        self.socket.connect(application.port(Type.RESPONDER_PORT))
        application.store(key, '{"port":0}')

    def receive(self) -> tuple[list[bytes], bytes]:
        """The header and the data of the next request; SYNC and PING are answered here."""
        while True:
            frames = self.socket.recv_multipart()
            head, payload = frames[:4], frames[4:]
            type = value_of(payload)["type"]
            if type == Type.REQUEST:
                return head, payload[1]
            if type == Type.SYNC:
                self.socket.send_multipart([*head, packed(Type.RESPONSE, value=0, message="OK")])
            elif type == Type.PING:
                self.socket.send_multipart([*head, packed(Type.PONG)])

    def reply(self, head: list[bytes], data: bytes) -> None:
        """Send an answer; there may be several to one request."""
        self.socket.send_multipart([*head, packed(Type.RESPONSE), data])


def responder(application: Application, name: str) -> None:
    """Answer each request with its data in reverse, until killed."""
    one = Responder(application, name)
    while True:
        head, data = one.receive()
        one.reply(head, data[::-1])


def publisher(application: Application, name: str) -> None:
    """Wait for subscribers, publish, and end the stream; again and again, until killed."""
    key = f"{PUBLISHER_KEY}{name}"
    topic = f"{key}:{application.id}".encode()
    socket = application.context.socket(zmq.PUB)
    socket.sndhwm = 0
    socket.connect(application.port(Type.SUBSCRIBER_PORT))
    application.port(Type.PUBLISHER_PORT)
    synchronizer = Responder(application, f"publisher:{name}")
    application.store(key, '{"publisher_port":0,"n_subscribers":1,"sync_subscribers":true}')
    ready = 0
    while True:
        head, data = synchronizer.receive()
        type = value_of([data])["type"]
        synchronizer.reply(head, b"OK")
        if type == Type.SYNC_STREAM:
            socket.send_multipart([topic, packed(Type.SYNC_STREAM)])
        ready += type == Type.SUBSCRIBE
        if ready == SUBSCRIBERS:
            ready = 0
            for number in range(PUBLISHED):
                socket.send_multipart([topic, packed(Type.STREAM), b"%d" % number])
            socket.send_multipart([topic, packed(Type.STREAM_END)])


if __name__ == "__main__":
    role, name, id, endpoint, host = sys.argv[1:6]
    {"responder": responder, "publisher": publisher}[role](
        Application(int(id), endpoint, host), name
    )
