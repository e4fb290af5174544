"""The whole contract of a protocol on one page: what `protocol = WORD` means, and what it makes.

A protocol is a class, found by its word like a handler: an entry point of the group
`ccproxy.protocols`, or a file `WORD.py` in a plugin folder. A `[listen:NAME]` section that names
the word gets a `Listener` from it, and a handler that calls services may ask it for the form in
which a service is called. What it needs to bind, read, write, count and log is in the `Kit` and in
the modules of `ccproxy.net`. A protocol must never touch the server, nor wait on the loop.
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from ccproxy.config.links import ListenerOptions, TypedListenerOptions
from ccproxy.config.problems import Problem

if typing.TYPE_CHECKING:
    from ccproxy.config.plan import ListenerPlan
    from ccproxy.core.outbox import Outbox
    from ccproxy.net.acceptor import Accepting
    from ccproxy.net.shared import Kit


class Listener(typing.Protocol):
    """What the server asks of a listener, whatever it speaks.

    `ccproxy.net.stream_listener.StreamListener` and `ccproxy.net.zmtp.listener.ZmtpListener` are
    complete ones to build on. A reload may change `name`, the section it belongs to.
    """

    name: str

    @property
    def acceptor(self) -> Accepting:
        """What accepts its connections."""

    @property
    def options(self) -> ListenerOptions:
        """The options of its section, as the plan has them."""

    @property
    def calls(self) -> int:
        """Calls of its peers that are not answered yet; 0 where messages are no calls."""

    def stop_reading(self) -> None:
        """Read no more; what waits is still written, and calls under way are answered."""

    async def close_peers(self, reason: str, seconds: float) -> None:
        """Close every connection, after what waits for it is written if that takes at most
        `seconds`. Calls that are still under way are answered with a fault."""

    def drop(self, wanted: Callable[[str], bool], reason: str) -> int:
        """Close the peers with a wanted name, HOST:PORT or NAME@HOST:PORT; how many there were."""

    def reconfigure(self, options: Any) -> None:
        """New options after a reload: limits hold at once, the rest for connections to come."""

    def outboxes(self) -> list[Outbox]:
        """One that sums up the outboxes of peers that are gone, then those of all peers."""


class MessageProtocol:
    """Base class of protocols. One instance serves one section."""

    Options: ClassVar[type[ListenerOptions]] = ListenerOptions
    """The options of its listeners besides `protocol` and `address`: a frozen dataclass of
    `option(...)` fields that inherits from ListenerOptions, or from TypedListenerOptions when
    messages get their type from the listener (`type = WORD` in the INI)."""

    about: ClassVar[str] = ""
    """One line: what is spoken, and which type a message gets."""

    calls_services: ClassVar[bool] = False
    """True if `service` gives a form, so that a handler may name this protocol."""

    secured: ClassVar[bool] = False
    """True if connections are inside TLS; its listeners have an option `tls-certificate`."""

    def __init__(self, word: str) -> None:
        """`word` is what the INI calls it."""
        self.word = word

    def check(self, plan: ListenerPlan) -> Iterable[Problem]:
        """Problems of a section beyond what its options can say; `plan.problem(option, ...)` makes
        one. No side effects."""
        return ()

    def listener(self, plan: ListenerPlan, kit: Kit) -> Listener:
        """A listener of this section, not bound yet: the server calls `acceptor.open`.

        NotImplementedError of a protocol that only calls services.
        """
        raise NotImplementedError(f"protocol {self.word} has no listener")

    def service(self, location: Any, longest: int) -> object | None:
        """The form in which a service at `location` is called, with answers of at most `longest`
        bytes; None if this protocol calls no services. What a form is depends on the handler that
        asks: `redirect` needs a `ccproxy.protocols.jolie.form.Form`."""
        return None

    def styled_service(self, location: Any, longest: int, style: Any) -> object | None:
        """As `service`, in the style that the handler's section asks for; without an own method a
        protocol has one style. What a style is depends on the handler: `redirect` gives a
        `ccproxy.protocols.jolie.style.CallStyle`."""
        return self.service(location, longest)


__all__ = ["Listener", "ListenerOptions", "MessageProtocol", "TypedListenerOptions"]
