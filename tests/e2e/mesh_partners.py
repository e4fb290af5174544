"""A Manager by hand, for tests of agents: plain text over a blocking socket, one line a message."""

from __future__ import annotations

import socket
from typing import Any

from ccproxy.protocols import ssmmp

SECONDS = 60.0


class HandManager:
    """It listens; `accept` takes an agent and registers it."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(SECONDS)
        self.port = self.listener.getsockname()[1]
        self.sock: socket.socket | None = None
        self.id = 1000
        self.messages: list[ssmmp.SsmmpMessage] = []

    def accept(self, status: int = 200) -> ssmmp.SsmmpMessage:
        """The registration of the agent that connects; it is answered."""
        self.drop()
        self.sock, _ = self.listener.accept()
        self.sock.settimeout(SECONDS)
        self.reader = ssmmp.Reader()
        self.messages.clear()
        asked = self.expect("initiation_request")
        self.answer("initiation_response", asked.id, status=status)
        return asked

    def answer(self, type: str, id: int, **fields: Any) -> None:
        message = ssmmp.MANAGER_TO_AGENT.make(type, id, **fields)
        self.sock.sendall(ssmmp.format(message))

    def ask(self, type: str, **fields: Any) -> int:
        """Send a request; its id."""
        self.id += 1
        self.answer(type, self.id, **fields)
        return self.id

    def execute(self, name: str, key: int, sockets: Any = (), plugs: Any = ()) -> int:
        return self.ask(
            "execution_request", agent_network_address="127.0.0.1", service_name=name,
            service_instance_id=key,
            plug_configuration=tuple(ssmmp.PlugEntry(*one) for one in plugs),
            socket_configuration=tuple(ssmmp.SocketEntry(*one) for one in sockets),
        )  # fmt: skip

    def expect(self, type: str, id: int = 0) -> ssmmp.SsmmpMessage:
        """The next message of this type, and with this id if one is given; others are dropped."""
        while True:
            while self.messages:
                message = self.messages.pop(0)
                if message.type == type and id in (0, message.id):
                    return message
            data = self.sock.recv(65536)
            assert data, f"the agent hung up before {type}"
            self.messages += [ssmmp.parse(unit) for unit in self.reader.feed(data)]

    def drop(self) -> None:
        if self.sock is not None:
            self.sock.close()
            self.sock = None

    def close(self) -> None:
        self.drop()
        self.listener.close()
