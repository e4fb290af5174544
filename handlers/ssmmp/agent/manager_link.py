"""The agent's link to its Manager: at which address, since when it is silent, and its messages.

The address is the configured one, or the one that a Manager has redirected the agent to. This
module must never decide when to connect: the engine says so.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from ccproxy import Context
from ccproxy.protocols import ssmmp

from .manager_connections import ConnectionCallbacks, connection_to
from .options import PLAIN

PROBE = "agent_health_control_request"
"""A Manager that sends these says something regularly, so its silence means that it is gone."""


@dataclass(frozen=True, slots=True)
class ManagerCallbacks:
    """The functions that the link calls; `unlinked` gets the reason."""

    linked: Callable[[], None]
    unlinked: Callable[[str], None]
    received: Callable[[ssmmp.SsmmpMessage], None]


class ManagerLink:
    """`address` is that of the latest attempt to connect."""

    def __init__(self, configured: str, ctx: Context, callbacks: ManagerCallbacks) -> None:
        self.address = configured
        self._configured = configured
        self._ctx = ctx
        self._callbacks = callbacks
        self._connection_callbacks = ConnectionCallbacks(
            self._linked, callbacks.unlinked, self._received
        )
        self._connection = connection_to(configured, ctx, self._connection_callbacks)
        self._attempt = 0
        self._heard = 0.0
        self._probed = False

    def connect(self, delay: float, address: str) -> None:
        """Connect after a delay, unless another attempt is ordered before; to `address` if that is
        given, else to the configured one."""
        self._attempt += 1
        wanted = _in_form_of(self._configured, address)
        self._ctx.call_later(delay, partial(self._connect, self._attempt, wanted))

    def send(self, message: ssmmp.SsmmpMessage) -> None:
        """Send a message; it is lost if the connection ends."""
        self._connection.send(message)

    def close(self) -> None:
        """Close the connection; no callback follows."""
        self._connection.close()

    def silence(self) -> float:
        """Seconds since the Manager has last said anything; 0 if it need not say anything."""
        return self._ctx.now() - self._heard if self._probed else 0.0

    def _connect(self, attempt: int, address: str) -> None:
        if attempt != self._attempt:
            return
        if address != self.address:
            self._connection.close()
            self._connection = connection_to(address, self._ctx, self._connection_callbacks)
            self.address = address
        self._connection.connect()

    def _linked(self) -> None:
        self._heard, self._probed = self._ctx.now(), False
        self._callbacks.linked()

    def _received(self, text: str | bytes) -> None:
        self._heard = self._ctx.now()
        try:
            message = ssmmp.parse(text, ssmmp.Actor.AGENT)
        except ssmmp.Malformed as error:
            self._ctx.count("malformed.manager")
            if error.answer:
                self._connection.send(error.answer)
            return
        self._probed = self._probed or message.type == PROBE
        self._callbacks.received(message)


def _in_form_of(configured: str, address: str) -> str:
    """An address in the form of the configured one; without an address the configured one."""
    if not address or "://" in address:
        return address or configured
    return (PLAIN if configured.startswith(PLAIN) else "tcp://") + address
