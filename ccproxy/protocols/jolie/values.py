"""The neutral value model: what crosses between sodep, http and jsonrpc, and the two sides of it.

A value is a tree as Jolie has it: a payload and named vectors of children. Calls, results and
faults are the only things that cross; ids and connections belong to one side. Nothing here knows
bytes, and nothing may change a value because a protocol cannot carry it: that is `Unportable`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from ccproxy.core.pace import Pending
from ccproxy.net.work import Steps

Payload = None | bool | int | float | str | bytes
"""An `int` takes the narrowest form, 32 or 64 bits; `bytes` are what Jolie calls raw."""


MAX_NODES = 1 << 20
"""Values and names of children in one message, so that a million numbers fit; more is refused."""


class Unportable(ValueError):
    """A value that a protocol cannot carry, or that the sender's bytes do not determine."""


class Long(int):
    """An integer that is 64 bits wide whatever its size; equal to the `int` of the same number."""


class Value:
    """A value in whatever form it came; it is read only when its tree is asked for."""

    __slots__ = ()

    @property
    def size(self) -> int:
        """Bytes on the wire, 0 where that is not known."""
        return 0

    def tree(self) -> Tree:
        """The value as a tree; Unportable if the bytes behind it are no value."""
        raise NotImplementedError


@dataclass(slots=True)
class Tree(Value):
    """One node: a payload (None: void) and vectors of children, their names in order."""

    payload: Payload = None
    children: dict[str, list[Tree]] = field(default_factory=dict)

    def tree(self) -> Tree:
        """Itself."""
        return self


class Call(NamedTuple):
    """One request. `path` is the resource path, "/" for the receiver itself."""

    path: str
    operation: str
    value: Value


class Result(NamedTuple):
    """The answer of a call that went well; an acknowledgement has the void value."""

    value: Value


class Fault(NamedTuple):
    """The answer of a call that failed."""

    name: str
    value: Value


Answer = Result | Fault


def io_fault(text: str) -> Fault:
    """The fault that reports a failure between caller and service; Jolie programs catch it."""
    return Fault("IOException", Tree(text))


class Reading(NamedTuple):
    """What is still to be read out of so many bytes, all of which are here, in steps.

    Of a caller these are calls, a list of `Asked`; of a service an `Answer`, or None if it belongs
    to another call.
    """

    steps: Steps[Any]
    size: int


class Asked(NamedTuple):
    """A call that came in, or the fault with which an unreadable one is to be answered.

    In the place of large calls there is a `Reading`, which counts as one call until it is done.

    `token` goes back with the answer; None means that the caller does not wait for one.
    """

    token: Any
    call: Call | Fault | Reading


class Unexecuted(NamedTuple):
    """In the place of an answer: the service refused the request before it executed the call.

    `request` may be sent in its place, in the form of `ServiceSide.send`; `fault` answers the call
    if it is sent no more.
    """

    fault: Fault
    request: Any


class Answered(NamedTuple):
    """An answer of a service to the call of this id."""

    id: int
    answer: Answer | Reading | Unexecuted


class CallerSide(Protocol):
    """One connection of a caller: bytes in, calls out, answers in, bytes out."""

    wake: Callable[[], None]
    """Called by the side when there is something to write; once, until it is taken."""
    direct: bool
    """False if every call is to be given to the owner: no fast path."""

    @property
    def calls(self) -> int:
        """Calls without answer."""

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on, "" while it can; wait until it is `closing`."""

    @property
    def too_big(self) -> bool:
        """True if that is because of a message that is longer than it may be."""

    @property
    def unwelcome(self) -> bool:
        """True if that is because of a caller that may not call here."""

    @property
    def closing(self) -> bool:
        """The last answer was given; close the connection when what is taken is written."""

    @property
    def crowded(self) -> bool:
        """True while so much waits for the answer to an earlier call that no more should be fed."""

    def pending(self) -> Pending:
        """What was fed and is no whole call yet, and whether the caller waits for an answer."""

    def feed(self, data: bytes) -> list[Asked]:
        """The calls that became whole. After an `answer`, `feed(b"")` may give the next."""

    def eof(self) -> None:
        """The caller will send no more; answers may still be given."""

    def drain(self, reason: str) -> None:
        """Read no further call; the side is `closing` once the calls so far are answered.

        A call that is half here is refused for the reason, if the protocol has a way to say so.
        """

    def answer(self, token: Any, answer: Answer) -> None:
        """Answer one call; what the protocol cannot carry is answered with a fault."""

    def take(self) -> list[bytes | memoryview]:
        """The bytes to be written since the last time, in pieces; none if nothing is."""


class ServiceSide(Protocol):
    """One connection to a service: requests in, bytes out, bytes in, answers out."""

    @property
    def passage(self) -> Any:
        """What is to be bound to the connection once the bytes of `send` are written, because more
        follows; None for a whole request. See `http.passage`."""

    @property
    def broken(self) -> str:
        """Why the connection cannot be read on, "" while it can; its calls are lost then."""

    @property
    def closing(self) -> bool:
        """True if the service ends the connection behind its last answer; then send no request."""

    def send(self, request: Any) -> list[bytes | memoryview]:
        """The pieces of a request made by `Form.request`; those of a small one are joined."""

    def feed(self, data: bytes) -> list[Answered]:
        """The answers that became whole."""

    def eof(self) -> list[Answered]:
        """The service will send no more; an answer that ends with the connection becomes whole."""


def walk(tree: Tree) -> Iterator[tuple[str, Tree]]:
    """Every node with its place, such as `.a[1].b[0]`; the root's place is ""."""
    rest = [("", tree)]
    while rest:
        place, node = rest.pop()
        yield place, node
        for name, vector in node.children.items():
            rest += [(f"{place}.{name}[{index}]", one) for index, one in enumerate(vector)]
