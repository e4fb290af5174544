"""The client of an xMsg registrar: who publishes and who subscribes to what.

with Registrar("tcp://127.0.0.1:8888") as registrar:
    registrar.register("Publisher", registration("me", proxy, "A", "B", "C"))
    print(registrar.ask("findPublisher", registration("", proxy, "A")))
"""

from __future__ import annotations

from typing import Any

import zmq
from xmsg import CLASSES, Proxy

REGISTRATION = CLASSES["Registration"]
ANY = "*"
UNDEFINED = "undefined"
"""As the host of a query: any host."""
SUCCESS = b"success"


def registration(name: str, proxy: Proxy, domain: str, subject: str = ANY, type: str = ANY) -> Any:
    """What is said of one actor: its name, its proxy and its topic; `*` for an absent part."""
    return REGISTRATION(
        name=name, host=proxy.host, port=proxy.port, domain=domain, subject=subject, type=type
    )


def query(domain: str = ANY, subject: str = ANY, type: str = ANY, host: str = UNDEFINED) -> Any:
    """What is asked for; `*` for any."""
    return registration(UNDEFINED, Proxy(host, 0), domain, subject, type)


class RegistrarError(Exception):
    """The registrar has refused a request; the text says why."""


class Registrar:
    """One REQ socket, which is made anew after a request without an answer."""

    def __init__(self, address: str, timeout: float = 10.0, sender: str = "contrib") -> None:
        self.address = address
        self._timeout = timeout
        self._sender = sender.encode()
        self._socket = self._open()

    def __enter__(self) -> Registrar:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()

    def register(self, kind: str, record: Any) -> None:
        """Add a record; `kind` is Publisher or Subscriber."""
        self.ask(f"register{kind}", record)

    def remove(self, kind: str, record: Any) -> None:
        """Remove the records of this topic with the same name and host."""
        self.ask(f"remove{kind}Registration", record)

    def remove_host(self, host: str) -> None:
        """Remove all records of a host, publishers and subscribers."""
        self.ask("removeAllRegistration", host)

    def ask(self, action: str, data: Any) -> list[Any]:
        """The records that answer any request; TimeoutError if no answer comes, RegistrarError if
        it is an error."""
        body = data.encode() if isinstance(data, str) else data.SerializeToString()
        self._socket.send_multipart([action.encode(), self._sender, body])
        if not self._socket.poll(int(1000 * self._timeout)):
            self._socket.close()
            self._socket = self._open()
            raise TimeoutError(f"{self.address} does not answer {action}")
        _, _, status, *records = self._socket.recv_multipart()
        if status != SUCCESS:
            raise RegistrarError(status.decode())
        return [REGISTRATION.FromString(one) for one in records]

    def _open(self) -> Any:
        made = zmq.Context.instance().socket(zmq.REQ)
        made.linger = 0
        made.connect(self.address)
        return made
