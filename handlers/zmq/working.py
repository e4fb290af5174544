"""The sockets that give each message to one peer: workers connect, or are connected to.

It must never give a worker more than its window.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

from ccproxy import Context, LinkOptions, Outbox, ZmtpListenerOptions
from ccproxy.core.pool import WindowWorker, WorkerPool
from ccproxy.net.zmtp.link import drained
from ccproxy.net.zmtp.role import LinkRole, ListenerRole, NoMessages, no_answers

from .member import PoolMember
from .options import ZmqOptions


class WorkingSocket:
    """All workers of one section that uses PUSH."""

    form = "payload"
    """What messages in the backlog look like, see `ccproxy.Member`."""

    def __init__(self, name: str, options: ZmqOptions, ctx: Context) -> None:
        self.sink = WorkerPool(ctx.outbox(name, options.limits))
        self.options = options

    @cached_property
    def member(self) -> PoolMember:
        """The workers, for a group that the section is in."""
        return PoolMember(self.sink, self.form)

    def listener_role(self) -> ListenerRole:
        """For workers that connect to us."""
        return ListenerRole(
            self.options.socket.upper().encode(), NoMessages, joined=self.joined, left=self.left,
            own_identities=True, replies=no_answers,
        )  # fmt: skip

    def link_role(self) -> LinkRole:
        """For workers that we connect to."""
        return self.listener_role().dialled()

    def listener_options(self) -> ZmtpListenerOptions:
        """The options of `bind`: the queue of a worker is its window."""
        options = self.options
        return replace(
            options.listener, peer_queue=options.worker_window, zmq_hwm=None,
            peer_queue_messages=options.worker_window_messages, peer_on_full="block",
        )  # fmt: skip

    def link_options(self) -> LinkOptions:
        """The options of `connect`."""
        options = self.options
        return replace(
            options, queue=options.worker_window, zmq_hwm=None,
            queue_messages=options.worker_window_messages, on_full="block",
        )  # fmt: skip

    def joined(self, identity: bytes, box: Outbox) -> None:
        """A worker has come."""
        self.sink.join(WindowWorker(identity, box))

    def left(self, identity: bytes, box: Outbox) -> None:
        """A worker is gone."""
        self.sink.leave(identity)

    async def stop(self) -> None:
        """Let the workers take what waits, for at most `linger`; drop the rest."""
        if self.sink.workers:
            await drained(self.sink.backlog, self.options.linger)
        self.sink.backlog.clear("stop")

    def status(self) -> dict[str, Any]:
        """Facts for the status page."""
        pool = self.sink
        return {
            "workers": len(pool.workers),
            "waiting": pool.backlog.waiting,
            "given": pool.backlog.sent,
            "returned": pool.returned,
            "dropped": sum(pool.backlog.dropped.values()),
        }
