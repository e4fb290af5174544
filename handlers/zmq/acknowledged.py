"""PUSH and DEALER to another ccserver that acknowledges what it gets.

There is one far side, so messages wait in the store of its link, in the form in which they are
sent. It must never decide what is sent again: that is the link.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from ccproxy import Context, Link, LinkQueue, Receipt
from ccproxy.core.answers import AnswerIngress
from ccproxy.core.askers import Askers
from ccproxy.core.delivery.store import RunOrigin
from ccproxy.core.pool import Shape, payloads_of
from ccproxy.core.runs import Fates, MessageSource, Run, confirms, offered
from ccproxy.net.zmtp.role import LinkRole, NoMessages

from ..link_member import LinkMember
from .options import PUBLISHING, ZmqOptions


class AcknowledgedSink:
    """The store of the link for messages with envelopes or without: a Distributor with one peer,
    which also takes numbered messages of other links."""

    def __init__(self, link: Link, shape: Shape) -> None:
        """`shape` makes what is sent."""
        self._link = link
        self._shape = shape

    @property
    def name(self) -> str:
        """The section."""
        return self._queue.name

    @property
    def may_block(self) -> bool:
        """As the store."""
        return self._queue.may_block

    @property
    def blocked(self) -> bool:
        """As the store."""
        return self._queue.blocked

    def wait(self, call: Callable[[], None]) -> None:
        """Call `call` once, when the store has room again."""
        self._queue.wait(call)

    def offer(self, chunk: bytes, messages: int, receipt: Receipt | None = None) -> int:
        """Take messages with envelopes; how many."""
        return self._queue.offer(self._shaped(chunk, messages), messages, receipt)

    def accept(self, chunk: bytes, messages: int, origin: RunOrigin, receipt: Receipt) -> int:
        """Take what is new of messages with numbers of another link, and with envelopes."""
        queue, shaped = self._queue, self._shaped(chunk, messages)
        if confirms(queue):
            return queue.accept(shaped, messages, origin, receipt)
        return queue.offer(shaped, messages, receipt)

    def take(self, run: Run) -> Fates:
        """Take the messages of a run; what became of them."""
        return offered(run.messages, self._queue.offer(self._shape(run), run.messages))

    @property
    def _queue(self) -> LinkQueue:
        return self._link.sink

    def _shaped(self, chunk: bytes, messages: int) -> bytes:
        return self._shape(Run(None, messages, envelopes=chunk))


class AcknowledgedPush:
    """The link of one section that uses PUSH."""

    form = "payload"
    """What waits can go to the workers of another section, see `ccproxy.Member`."""

    def __init__(self, options: ZmqOptions, ctx: Context) -> None:
        [address] = options.connect
        self.link = ctx.link(address, options.acknowledged, role=self.role(options))
        self.sink = self.made()
        self.member = LinkMember(self.link, self.form, self.sink)

    def role(self, options: ZmqOptions) -> LinkRole:
        """Nothing comes back."""
        return LinkRole(b"PUSH", ingress=NoMessages)

    def made(self) -> AcknowledgedSink:
        """Where messages go."""
        return AcknowledgedSink(self.link, payloads_of)

    async def stop(self) -> None:
        """Does nothing: the link sends what waits."""

    def status(self) -> dict[str, Any]:
        """Facts for the status page; those of the delivery are with the link."""
        return {"address": self.link.address, "state": self.link.state}


class ServiceSink(AcknowledgedSink):
    """The same for a service, which may also speak first."""

    def __init__(self, link: Link, askers: Askers) -> None:
        super().__init__(link, askers.named)
        self._askers = askers

    def meet(self, source: MessageSource) -> None:
        """A client is connected."""
        self._askers.meet(source)


class AcknowledgedDealer(AcknowledgedPush):
    """The link of one section that uses DEALER. Requests are acknowledged, answers are not."""

    form = ""
    """The names of askers in front of what waits mean nothing to another socket."""

    def __init__(self, options: ZmqOptions, ctx: Context) -> None:
        self.askers = Askers()
        super().__init__(options, ctx)
        ctx.on_departure(self.askers.forget)

    def role(self, options: ZmqOptions) -> LinkRole:
        """Answers go to the askers."""
        ingress = partial(AnswerIngress, askers=self.askers)
        return LinkRole(b"DEALER", ingress=ingress, identity=options.own_identity)

    def made(self) -> AcknowledgedSink:
        """Where requests go."""
        return ServiceSink(self.link, self.askers)


def unacknowledgeable(name: str, options: ZmqOptions) -> Iterator[tuple[str, str]]:
    """Why no far side could acknowledge what a section sends, and what to do about it."""
    what, said = f"delivery = {options.delivery}", f"of [{name}]"
    if options.socket in PUBLISHING:
        why = "a subscription drops what its subscriber is not there for"
        yield f"{what} {said} has no meaning with socket = {options.socket}: {why}", ELSEWHERE
    elif options.socket == "req":
        why = "a request is done when it is answered"
        yield f"{what} {said} has no meaning with socket = req: {why}", "use socket = dealer"
    elif options.bind:
        what = f"{what} {said} is for connect, and not for bind"
        yield what, "let the other ccserver have the address"
    elif len(options.connect) > 1:
        what = f"{what} {said} needs one address, {len(options.connect)} are given"
        yield what, "take a section for each, and a group (handler = balance) in front of them"


ELSEWHERE = "use push and pull, or handler = proxy"
ACKNOWLEDGED: dict[str, type[AcknowledgedPush]] = {
    "push": AcknowledgedPush,
    "dealer": AcknowledgedDealer,
}
"""The sockets whose messages another ccserver can acknowledge."""
