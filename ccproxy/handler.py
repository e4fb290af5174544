"""The whole contract of a handler on one page: what you write, what you get, what you answer.

A handler is a class; the INI section `[h:NAME]` with `handler = WORD` makes one instance of it.
The switch asks `decide(type)` once for each message type and remembers the answer; only when the
answer is Deliver does `handle(message)` see each message. A handler must never touch the server,
open sockets itself, or wait inside `handle`: everything it may use comes through its Context.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from ccproxy.config.options import NoOptions
from ccproxy.config.problems import Problem
from ccproxy.core.counted_queue import LinkQueue
from ccproxy.core.message import Action, Actions, Message
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import Member, MovedRun
from ccproxy.core.verdict import (
    Accepted,
    Deliver,
    Discard,
    Forward,
    Full,
    Receiver,
    Refuse,
    Verdict,
)
from ccproxy.net.work import Steps, result

if TYPE_CHECKING:
    import asyncio

    from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
    from ccproxy.config.plan import Plan
    from ccproxy.core.flows import Target
    from ccproxy.net.flush import Flushable
    from ccproxy.net.zmtp.role import LinkRole, ListenerRole
    from ccproxy.protocol import MessageProtocol


class Link(Protocol):
    """An outgoing connection that reconnects by itself; made by `Context.link`."""

    @property
    def address(self) -> str:
        """The address as the INI gives it."""

    @property
    def outbox(self) -> Outbox:
        """The bounded queue in front of it."""

    @property
    def sink(self) -> LinkQueue:
        """Where messages for the far side go: the outbox, or a store with acknowledged delivery."""

    @property
    def state(self) -> str:
        """connecting, up, refused, wrong-key, paused or gone."""

    @property
    def reason(self) -> str:
        """Why it is not up; empty if it is, or if that is not known yet."""

    def on_state(self, call: Callable[[str], None]) -> None:
        """Call with the new state whenever it changes, on the loop; one call for each link."""

    def give_back(self, most: int) -> list[MovedRun]:
        """Take out what was never written, about `most` bytes, as if it had never been offered.
        While the link is not up, with `on-doubt = resend` also what is not acknowledged."""

    def on_dead(self, call: Callable[[bytes, int, str], None]) -> None:
        """Call with whole messages that the far side will not take, their number, and the reason;
        they are counted as dropped. One call for each link."""


class Wire(Protocol):
    """A byte stream made by `Context.dial`."""

    def write(self, data: bytes) -> bool:
        """Queue whole units of the protocol; False if they are dropped."""

    def send(self, pieces: Sequence[bytes | memoryview]) -> int:
        """The same for a unit in pieces, written at the end of a turn: `Context.flush_later`. It
        may be another function once the wire is open; 0 if the unit is dropped."""

    def divert(self, pass_on: Callable[[bytes], Any], remains: Callable[[Any], None]) -> None:
        """Give bytes that come to `pass_on`, which is quicker than `received`, as long as they are
        not under TLS; what it returns is given to `remains`, unless it is None. Call it before
        `opened`."""

    @property
    def waiting(self) -> int:
        """Bytes that are queued and not written."""

    def when_sent(self, call: Callable[[], None]) -> None:
        """Call once, when some of what waits is written."""

    def pause(self) -> None:
        """Do not read for now."""

    def resume(self) -> None:
        """Read again."""

    def close(self) -> None:
        """Close at once; the owner hears nothing more."""


class WireOwner(Protocol):
    """The object that has dialled: it is told what happens, on the loop."""

    def opened(self, wire: Wire) -> None:
        """Connected."""

    def received(self, wire: Wire, data: bytes) -> None:
        """Bytes came; `b""`: the other side will send no more."""

    def closed(self, wire: Wire, reason: str) -> None:
        """Not connected, or not any more; the last that is heard of it."""


class Context:
    """What a running handler may use. Times are seconds; callbacks run on the switch's loop.

    The server and the testing kit inherit from this class. Its own methods do nothing, or raise
    RuntimeError where a handler cannot go on without an answer.
    """

    name: str
    log: logging.LoggerAdapter[logging.Logger]

    def link(
        self,
        address: str,
        options: LinkOptions,
        on_message: Callable[[Message], None] | None = None,
        role: LinkRole | None = None,
        apart: str = "",
    ) -> Link:
        """Open a link. Replies that carry a route go back to their askers by themselves;
        `on_message` gets what comes without one (pongs, answers to messages sent by `Send`).
        A `role` makes it another socket than a DEALER, with another use of what comes. Links of one
        address are one, unless they have different words `apart`."""
        raise _missing("links")

    def release(self, link: Link) -> None:
        """Close a link, once what waits in it is sent, or after its `linger`."""

    def outbox(self, name: str, limits: Limits) -> Outbox:
        """A queue of the handler's own; what it holds counts for the option `memory`."""
        return Outbox(name, limits)

    @property
    def routes(self) -> tuple[str, ...]:
        """The prefixes of `[routes]` that name this handler."""
        return ()

    def protocol(self, word: str) -> MessageProtocol:
        """The protocol of a word, for handlers that call services; ValueError if there is none.

        An option of the kind `kinds.protocol` finds a wrong word before the start.
        """
        raise _missing("protocols")

    def dial(self, address: str, owner: WireOwner, options: LinkOptions) -> Wire:
        """Connect once, for a protocol of the handler's own; closed when the handler stops."""
        raise _missing("connections")

    async def listen(self, address: str, factory: Callable[[], asyncio.BaseProtocol]) -> str:
        """Accept connections of a protocol of the handler's own; the bound address is returned."""
        return address

    def bind(self, address: str, options: ZmtpListenerOptions, role: ListenerRole) -> str:
        """Accept ZMTP peers, whose outboxes `role.joined` and `role.left` tell of; the bound
        address. They are closed when the handler stops; give it `standalone = True`, so that a
        reload frees the address first. OSError if the address cannot be had."""
        raise _missing("listeners")

    def handler(self, section: str) -> Handler:
        """Another handler, started, for options such as `forward-to`."""
        raise _missing("other handlers")

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of all handlers that run."""
        return ()

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again until the handler stops; the first call is one period from now."""

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once, unless the handler stops before."""

    def flusher(self, one: Flushable) -> Callable[[], None]:
        """A call that does `flush_later(one)`, for something that is flushed often."""
        return lambda: self.flush_later(one)

    def flush_later(self, one: Flushable) -> None:
        """Call `one.flush()` once, at the end of this turn of the loop."""

    def now(self) -> float:
        """Seconds of a clock that never goes back."""
        return 0.0

    def time(self) -> float:
        """Seconds since 1970."""
        return 0.0

    def on_departure(self, call: Callable[[bytes], None]) -> None:
        """Call with the identity (`Message.route[0]`) of each peer that is gone."""

    def targets(self, type: str, below: bool) -> Sequence[Target]:
        """Where the routes lead messages of a type to, and with `below` those of longer types that
        have routes of their own; for what comes in at listeners of the handler's own."""
        return ()

    def watch(self, call: Callable[[], None]) -> None:
        """Call whenever `targets` may answer otherwise: routes hold after all handlers started."""

    def unwatch(self, call: Callable[[], None]) -> None:
        """Call no more."""

    def flows_changed(self) -> None:
        """Every `decide` is asked again; call it when an earlier answer is no longer right."""

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter of this handler; shown in the statistics."""

    def unanswered(self, reason: str) -> None:
        """Count a call that the service behind this handler has not answered, among the handler's
        faults, and log why: at most once in 10 s, with the sum."""

    def dispatch(self, handler: Handler, message: Message) -> str:
        """Give a message that was held back to another handler, as if it came in now.

        Its fate this time; or `waits`, with nothing done, while a full outbox that it is for has
        `on-full = block`: try again later.
        """
        return "consumed"

    def act(self, actions: Actions, message: Message | None = None) -> None:
        """Carry out actions later than `handle` returned; `message` is the one a Reply answers."""

    async def run_blocking(self, call: Callable[..., Any], *args: Any) -> Any:
        """Run what waits (files, databases) in a bounded pool of threads."""
        raise _missing("threads")

    def work(self, steps: Steps[None], size: int, wanted: Callable[[], bool]) -> None:
        """Compute on the loop what takes long: a generator that yields after a millisecond at most.

        `size` are the bytes of its input, whose sum has a limit; it ends early once it is not
        `wanted`. Outside a server it is computed at once.
        """
        result(steps)

    async def spawn(self, command: Sequence[str]) -> asyncio.subprocess.Process:
        """Start a process that is ended when the handler stops."""
        raise _missing("processes")

    def task(self, work: Awaitable[None]) -> None:
        """Run a coroutine until the handler stops; an exception in it is logged with its name."""
        if isinstance(work, Coroutine):
            work.close()  # not to be run here, and Python warns of a coroutine that never ran


def _missing(what: str) -> RuntimeError:
    return RuntimeError(f"there are no {what} outside a running server")


@dataclass(frozen=True, slots=True)
class Onward:
    """What becomes of messages of one type behind a handler: in a line for an operator, `wrong` if
    that is a fault, and the other sections that they reach."""

    text: str = ""
    sections: tuple[str, ...] = ()
    wrong: bool = False


class Handler:
    """Base class. Override what you care about; every default does the harmless thing."""

    Options: ClassVar[type] = NoOptions
    """A frozen dataclass of `option(...)` fields."""

    roles: ClassVar[frozenset[str]] = frozenset({"local", "remote"})
    """`cc-role`s it may run in besides `insecure`."""

    runs: ClassVar[Literal["loop", "thread"]] = "loop"
    """Where `handle` runs. "loop": it returns within 5 ms, always; a handler that takes longer
    stops all others for that time and is named in the log. "thread": it may wait or compute; one
    thread of its own, one message at a time, in order, behind a bounded queue."""

    exclusive: ClassVar[bool] = False
    """True if a message must reach only one such handler: of those that match, the one of the
    longest prefix gets it. For handlers that make calls, where twice is not the same as once."""

    standalone: ClassVar[bool] = False
    """True if it opens listeners of its own, so that it starts without a route."""

    starts_dry: ClassVar[bool] = False
    """True for a standalone handler whose start touches nothing but its context: `explain` starts
    it on a context without effects, in order to ask it."""

    commands: ClassVar[str] = ""
    """The beginning of the types that are commands of operators, such as "mesh."; a peer with an
    `[allow:NAME]` section needs `operate = yes` for them."""

    def __init__(self, name: str, options: Any) -> None:
        self.name = name
        self.options = options
        self.ctx: Context

    def check(self, plan: Plan) -> Iterable[Problem]:
        """Problems of this section beyond what its options can say. No side effects."""
        return ()

    def problem(self, plan: Plan, what: str, hint: str = "", warning: bool = False) -> Problem:
        """A problem of this section, at its line, for `check`; line 0 if nothing starts from it."""
        mine = plan.handler(self.name)
        return Problem(plan.file, mine.line if mine else 0, what, hint, warning)

    def listens_on(self) -> Iterable[str]:
        """The addresses that `start` listens on; `check` reports those that are taken already. Not
        started, no side effects."""
        return ()

    @classmethod
    def check_file(cls, file: str, text: str) -> Iterable[Problem] | None:
        """Problems of a file that an option names, when `ccserver check` is given that file itself;
        None if the text is no such file. No side effects."""
        return None

    def explain(self, type: str, plan: Plan) -> str:
        """What becomes of messages of this type, in one line for `ccserver explain`; the first line
        of the class's docstring if it is not overridden. Not started, no side effects."""
        return (self.__class__.__doc__ or "").partition("\n")[0]

    async def start(self, ctx: Context) -> None:
        """Open links, listeners and timers, all through `ctx`."""
        self.ctx = ctx

    def decide(self, type: str) -> Verdict:
        """Asked once for each message type, and again after `ctx.flows_changed()`."""
        return Deliver()

    def handle(self, message: Message) -> Actions | Accepted:
        """Asked for each message of a type for which `decide` said Deliver.

        A handler on the loop that has a message safe only later, in a file or a database, returns
        `Accepted(message)` and calls a method of it then.
        """
        return None

    @property
    def joins_groups(self) -> bool:
        """True if it can be a member of a group, such as failover. Not started."""
        return False

    def member(self) -> Member:
        """What a group gives messages to, if `joins_groups`. Started."""
        raise NotImplementedError

    def reloaded(self) -> Iterable[str] | None:
        """The configuration was read again and this section is as it was: time to look at files of
        the handler's own. The lines returned say what is different now; `-r` prints them."""
        return None

    def drain(self) -> Awaitable[None] | None:
        """A reload has put another handler in this place, no message will come. What is returned
        is done when what is under way here is, and then `stop` is called; None: now."""
        return None

    def follow(self, type: str) -> Onward:
        """What the running handler does with messages of this type now, for `ccserver why`."""
        return Onward()

    def status(self) -> dict[str, Any]:
        """Facts for the status page and the infofile, such as the state of a link."""
        return {}

    async def stop(self) -> None:
        """Let go of what `start` took; must work after a failed start. Links, listeners, timers,
        tasks and processes of `ctx` are closed by the server afterwards."""


__all__ = [
    "Accepted", "Action", "Actions", "Context", "Deliver", "Discard", "Forward", "Full", "Handler",
    "Limits", "Link", "LinkQueue", "Member", "Message", "Onward", "Outbox", "Receiver", "Refuse",
    "Verdict", "Wire", "WireOwner",
]  # fmt: skip
