"""The sockets that get answers, DEALER and REQ: services connect, or are connected to.

It must never keep what is needed to lead an answer back: the service returns that, or the request
under way has it.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from ccproxy import Context, Outbox
from ccproxy.core.answers import AnswerIngress, Requester, RequestIngress
from ccproxy.core.askers import Askers, enveloped
from ccproxy.core.pool import WorkerPool
from ccproxy.core.runs import MessageSource, PeerInput
from ccproxy.core.switch import Switch
from ccproxy.net.zmtp.role import LinkRole, ListenerRole

from .options import ZmqOptions
from .working import WorkingSocket

CHECKS = 10
"""How often in the time for an answer it is looked whether one is overdue."""
CHECK_INTERVAL = 0.05
"""Seconds between two such looks at least."""
STEP = 500
"""Requests that are given up at a time."""


class ServicePool(WorkerPool):
    """The services of a DEALER socket, which may also speak first."""

    def __init__(self, backlog: Outbox, askers: Askers) -> None:
        super().__init__(backlog, askers.named)
        self._askers = askers

    def meet(self, source: MessageSource) -> None:
        """A client is connected."""
        self._askers.meet(source)


class DealerSocket(WorkingSocket):
    """The services of one section that uses DEALER."""

    form = ""
    """The names of askers in front of what waits mean nothing to another socket."""

    def __init__(self, name: str, options: ZmqOptions, ctx: Context) -> None:
        super().__init__(name, options, ctx)
        self.askers = Askers()
        self.sink = ServicePool(self.sink.backlog, self.askers)
        self.ctx = ctx
        ctx.on_departure(self.askers.forget)

    def listener_role(self) -> ListenerRole:
        """For services that connect to us."""
        ingress = partial(AnswerIngress, askers=self.askers)
        return replace(super().listener_role(), ingress=ingress)

    def link_role(self) -> LinkRole:
        """For services that we connect to."""
        return replace(super().link_role(), identity=self.options.own_identity)


class ReqSocket(WorkingSocket):
    """The services of one section that uses REQ."""

    form = "request"

    def __init__(self, name: str, options: ZmqOptions, ctx: Context) -> None:
        super().__init__(name, options, ctx)
        self.sink = WorkerPool(self.sink.backlog, enveloped)
        self.ctx = ctx
        self.lost = 0
        """Requests whose service went away before it answered."""
        self.unanswered = 0
        """Requests whose service has not answered in time."""
        self._requesters: dict[bytes, Requester] = {}
        if options.answer_timeout:
            ctx.every(max(CHECK_INTERVAL, options.answer_timeout / CHECKS), self._give_up)

    def listener_role(self) -> ListenerRole:
        """For services that connect to us."""
        return replace(super().listener_role(), ingress=self.ingress)

    def link_role(self) -> LinkRole:
        """For services that we connect to."""
        return replace(super().link_role(), identity=self.options.own_identity)

    def ingress(self, switch: Switch, input: PeerInput) -> RequestIngress:
        """Takes the answers of a service."""
        return RequestIngress(switch, input, self._requesters[input.source.identity])

    def joined(self, identity: bytes, box: Outbox) -> None:
        """A service has come."""
        one = Requester(identity, box, self.options.resend, self.ctx.now)
        self._requesters[identity] = one
        self.sink.join(one)

    def left(self, identity: bytes, box: Outbox) -> None:
        """A service is gone."""
        under_way, before = bool(self._requesters.pop(identity).request), self.sink.returned
        self.sink.leave(identity)
        self.lost += int(under_way and self.sink.returned == before)

    def status(self) -> dict[str, Any]:
        """Facts for the status page."""
        return {**super().status(), "lost": self.lost, "unanswered": self.unanswered}

    def _give_up(self) -> None:
        """Wait no longer for answers that are overdue."""
        seconds = self.options.answer_timeout
        late = [one for one in self._requesters.values() if one.overdue(seconds)][:STEP]
        if late:
            self.unanswered += len(late)
            self.ctx.count("requests.unanswered", len(late))
            self.sink.take_back([request for one in late for request in one.give_up()])
