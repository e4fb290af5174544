#!/usr/bin/env python3
"""A stand-in for a CAMEO server: it keeps keys, tells its ports, and publishes events.

It starts no applications. Like the real one it connects to the proxy ports on loopback, under the
routing id 0:0, and binds its base port for the applications of this machine.

    python contrib/cameo/server.py 7000 10000 10001 10002
"""

from __future__ import annotations

import json
import sys
from typing import Any

import zmq
from protocol import SERVER, Type, answer

UNDEFINED = -2


class Server:
    """The keys of all applications, and how each request is answered."""

    def __init__(self, ports: tuple[int, int, int], publisher: zmq.Socket[Any]) -> None:
        self.keys: dict[tuple[int, str], str] = {}
        self.ports = {
            Type.STATUS: 0,
            Type.RESPONDER_PORT: ports[0],
            Type.PUBLISHER_PORT: ports[1],
            Type.SUBSCRIBER_PORT: ports[2],
        }
        self.publisher = publisher

    def answer(self, request: dict[str, Any]) -> bytes:
        """The answer to one request; empty for one that is not known."""
        type = request.get("type")
        if type in self.ports:
            return answer(self.ports[type])
        if type == Type.VERSION:
            return b'{"major":3,"minor":1,"revision":1}'
        if type == Type.SYNC:
            self.publish("status", id=-1, name="", applicationState=0, pastApplicationStates=0)
            return answer(0)
        key = (request.get("id", 0), request.get("key", ""))
        if type == Type.STORE:
            self.keys[key] = request["value"]
            self.publish("keyvalue", id=key[0], name="", status=Type.STORE, key=key[1], value="")
            return answer(0)
        if type == Type.GET:
            found = self.keys.get(key)
            return answer(UNDEFINED, "Key is undefined") if found is None else answer(0, found)
        return b""

    def publish(self, topic: str, **fields: Any) -> None:
        """Publish an event."""
        self.publisher.send_multipart([topic.encode(), json.dumps(fields).encode()])


def main() -> None:
    """Serve until killed."""
    base, *ports = map(int, sys.argv[1:5])
    context: zmq.Context[Any] = zmq.Context()
    publisher = context.socket(zmq.PUB)
    publisher.connect(f"tcp://127.0.0.1:{ports[2]}")
    server = Server((ports[0], ports[1], ports[2]), publisher)
    router = context.socket(zmq.ROUTER)
    router.routing_id = SERVER
    router.connect(f"tcp://127.0.0.1:{ports[0]}")
    router.bind(f"tcp://127.0.0.1:{base}")
    while True:
        *head, request = router.recv_multipart()
        try:
            found = server.answer(json.loads(request))
        except ValueError:
            found = b""
        # The real server too sends the header alone for what it cannot read.
        router.send_multipart([*head, found] if found else head)


if __name__ == "__main__":
    main()
