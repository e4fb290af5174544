"""The handler `xmsg-registrar`: who publishes and who subscribes to what, for actors of xMsg.

Requests of clients go to the pure registry; what is found goes back, large answers in steps, and
what is changed is in the state file first, if there is one. It must never decide what a request
means, nor block.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ccproxy import (
    Context,
    Discard,
    Handler,
    Outbox,
    Plan,
    Problem,
    Steps,
)
from ccproxy.config.address import Address
from ccproxy.core.runs import PeerInput
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.role import ListenerRole, no_answers
from ccproxy.wire.zmtp.frames import MORE

from ..zmq.handler import exposed
from .actions import NOT_THREE, Altered, RegistrarRefusal, Registry, alters
from .database import STEP
from .durable import DurableRecords, restore
from .expiry import Expiry
from .matching import Selection
from .registrar_options import RegistrarOptions
from .requests import Request, RequestSink

SUCCESS = "success"
QUICK = 6
"""Steps of a query that are done at once; for more, others get their turn in between."""
UNREAD = "too many large answers are not read yet"
LARGE = 1 << 20
"""Bytes of an answer from which on its parts are joined in a thread: Python lets the loop go on
meanwhile, for bytes of this size."""
EXPIRE_INTERVAL = 1.0
"""Seconds between two looks for records of clients that are gone."""
EXPIRE_AT_ONCE = 200
"""Records that are removed in one turn of the loop."""


class XmsgRegistrar(Handler):
    """The registrar of xMsg actors and CLARA DPEs, with its records in memory or in a file."""

    Options = RegistrarOptions
    # A successor gets the address and the state file when this one has let go of them.
    standalone = True

    def __init__(self, name: str, options: Any) -> None:
        super().__init__(name, options)
        self.registry = Registry(options.limits_of_records)
        self.bound = ""
        self._durable: DurableRecords | None = None
        self._expiry = Expiry(options.expire)
        self._boxes: dict[bytes, Outbox] = {}
        self._clients: dict[bytes, RequestSink] = {}
        self._sender = b""
        self._sweeping = self._stopping = False

    def check(self, plan: Plan) -> Iterator[Problem]:
        """Clients must not come unseen."""
        return exposed(self, [self.options.address], plan)

    def listens_on(self) -> tuple[str, ...]:
        """One address."""
        return (self.options.address,)

    async def start(self, ctx: Context) -> None:
        """ValueError, OSError or sqlite3.Error if the state file or the address cannot be had."""
        self.ctx = ctx
        options: RegistrarOptions = self.options
        if options.state:
            full = options.state_sync == "full"
            restored = partial(restore, options.state, full, self.registry, self._expiry)
            # In a thread, because a reload with another option does this while the server works.
            file = await ctx.run_blocking(restored, ctx.now())
            self._durable = DurableRecords(ctx, file, self._settle)
            ctx.log.info("state file=%s records=%d", options.state, self.registry.count)
        if options.expire:
            ctx.every(EXPIRE_INTERVAL, self._expire)
        self._sender = f"{Address.parse(options.address).host}:registrar".encode()
        role = ListenerRole(
            b"REP", self._client, joined=self._joined, left=self._left, own_identities=True,
            replies=no_answers,
        )  # fmt: skip
        self.bound = ctx.bind(options.address, options, role)

    def decide(self, type: str) -> Discard:
        """Routes lead nowhere here."""
        return Discard("a registrar takes requests at its own address only")

    def status(self) -> dict[str, Any]:
        """How many records there are, and whether they are kept."""
        counts = {kind.lower() + "s": one.count for kind, one in self.registry.databases.items()}
        kept = {}
        if self._durable is not None:
            kept = {"commits": self._durable.commits, "fault": self._durable.fault}
        return {**counts, "clients": len(self._clients), **kept}

    async def stop(self) -> None:
        """Let go of the state file; changes are refused from now on."""
        self._stopping = True
        if self._durable is not None:
            await self._durable.end()

    # Clients

    def _client(self, switch: Switch, input: PeerInput) -> RequestSink:
        """The input of a client."""
        identity = input.source.identity
        made = RequestSink(switch, input, self._boxes.pop(identity), self._request)
        self._clients[identity] = made
        if self.options.expire:
            self._expiry.joined(identity, made.address)
        return made

    def _joined(self, identity: bytes, box: Outbox) -> None:
        self._boxes[identity] = box

    def _left(self, identity: bytes, box: Outbox) -> None:
        self._boxes.pop(identity, None)
        client = self._clients.pop(identity, None)
        if client is not None:
            client.gone = True
            self._expiry.left(identity, self.ctx.now())

    # Requests

    def _request(self, client: RequestSink, request: Request) -> None:
        """One request; whatever it is, there will be an answer."""
        if not request.proper:
            self._refuse(client, NOT_THREE)
            return
        if alters(request.action) and (why := self._unalterable):
            self._refuse(client, f"nothing can be changed: {why}")
            return
        outcome = self.registry.request(request.action, request.data)
        if isinstance(outcome, RegistrarRefusal):
            self._refuse(client, outcome.status)
        elif isinstance(outcome, Selection):
            self._found(client, outcome)
        else:
            self._altered(client, outcome)

    @property
    def _unalterable(self) -> str:
        """Why no record may come or go, empty if it may."""
        if self._stopping:
            return "the registrar is stopping"
        return self._durable.fault if self._durable is not None else ""

    def _refuse(self, client: RequestSink, status: str) -> None:
        self.ctx.count("refused")
        client.answer(self._sender, status)

    # Queries

    def _found(self, client: RequestSink, found: Selection) -> None:
        self.ctx.count("queries")
        if self._too_much(found.bytes):
            self._refuse(client, UNREAD)
            return
        steps = self._collect(client, found)
        if found.size <= QUICK * STEP and quick(steps, QUICK):
            return
        self.ctx.work(steps, found.bytes, lambda: not client.gone)

    def _collect(self, client: RequestSink, found: Selection) -> Steps[None]:
        """Gather the records of an answer, in steps."""
        parts: list[bytes] = []
        size, last = 0, b""
        for frames in found.frames():
            if frames:
                parts += (last, b"".join(frames[:-1]))
                last = frames[-1]
                size += len(parts[-1]) + len(last)
            if size > client.room:
                self._refuse(client, f"there is room for {client.room} bytes of an answer")
                return
            yield
        if self._too_much(size):  # of those that began together, the first ones fill it
            self._refuse(client, UNREAD)
            return
        if last:
            parts.append(bytes((last[0] & ~MORE,)) + last[1:])
        if size > LARGE:
            self.ctx.task(self._join(client, parts))
        else:
            client.answer(self._sender, SUCCESS, b"".join(parts))

    def _too_much(self, size: int) -> bool:
        """True if an answer is large, and others have not read so much."""
        if size <= LARGE:
            return False
        options: RegistrarOptions = self.options
        return sum(one.unread for one in self._clients.values()) + size > options.max_unread

    async def _join(self, client: RequestSink, parts: list[bytes]) -> None:
        records = await self.ctx.run_blocking(b"".join, parts)
        client.answer(self._sender, SUCCESS, records)

    # Changes

    def _altered(self, client: RequestSink, altered: Altered) -> None:
        self.ctx.count("changes")
        if altered.registered:
            self._expiry.registered(client.client, altered.kind, altered.registered)
        self._keep(altered, client.address, partial(self._kept, client))

    def _keep(
        self, altered: Altered, address: str, done: Callable[[str], None] | None = None
    ) -> None:
        """Have a change in the state file before it is answered."""
        durable = self._durable
        # What changes nothing waits as well: it may depend on a change that is on its way.
        if durable is not None and not (altered.nothing and durable.idle):
            durable.commit(altered, address, done)
            return
        if done is not None:
            done("")
        self._settle(altered)

    def _kept(self, client: RequestSink, fault: str) -> None:
        if fault:
            self._refuse(client, f"the registration may be lost: {fault}")
        else:
            client.answer(self._sender, SUCCESS)

    def _settle(self, altered: Altered) -> None:
        """Free what was removed, once nothing needs it."""
        if not altered.removals:
            return
        self.registry.settle(altered)
        if not self._sweeping:
            self._sweeping = True
            self.ctx.work(self._sweep(), 0, lambda: True)

    def _sweep(self) -> Steps[None]:
        for numbers in self.registry.sweep():
            for number in numbers:
                self._expiry.forget(number)
            yield
        self._sweeping = False

    def _expire(self) -> None:
        """Remove records of clients that are gone for too long."""
        due = self._expiry.due(self.ctx.now(), EXPIRE_AT_ONCE)
        for kind, numbers in due.items():
            alive = self.registry.alive(kind, numbers)
            self.ctx.count("expired", len(alive))
            self._keep(self.registry.remove(kind, alive), "")
        if due:
            self.ctx.call_later(0.0, self._expire)


def quick(steps: Steps[None], most: int) -> bool:
    """Do some steps now; True if that was all."""
    for _ in range(most):
        try:
            next(steps)
        except StopIteration:
            return True
    return False
