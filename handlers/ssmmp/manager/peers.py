"""The connections of agents: a name for each, and a message to answer it by.

A name is the whole route, so that agents behind any number of servers are told apart. It must
never know what is written to them.
"""

from __future__ import annotations

from dataclasses import replace

from ccproxy import Message


class Peers:
    """One message of each peer by the name of the peer, without its payload."""

    def __init__(self) -> None:
        self._messages: dict[str, Message] = {}
        self._names: dict[bytes, dict[str, None]] = {}

    def __len__(self) -> int:
        return len(self._messages)

    def names(self) -> list[str]:
        """All peers."""
        return list(self._messages)

    def name_of(self, message: Message) -> str:
        """The name of the peer a message came from; it is known from now on."""
        name = ".".join([one.hex() for one in message.route])
        if name not in self._messages:
            self._messages[name] = replace(message, payload=(), length=1)
            self._names.setdefault(message.route[0], {})[name] = None
        return name

    def find(self, name: str) -> Message | None:
        """A message of a peer, to answer."""
        return self._messages.get(name)

    def forget(self, name: str) -> None:
        """The peer is gone, or is not written to any more."""
        message = self._messages.pop(name, None)
        if message is None:
            return
        names = self._names[message.route[0]]
        names.pop(name)
        if not names:
            del self._names[message.route[0]]

    def behind(self, identity: bytes) -> list[str]:
        """The peers reached through a connection."""
        return list(self._names.get(identity, ()))
