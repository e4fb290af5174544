"""A connection dialled once for a handler that speaks a protocol of its own over it.

It must never connect again by itself: only its owner knows what a lost connection means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions
from ccproxy.config.tls import SecureLinkOptions
from ccproxy.core.outbox import Limits
from ccproxy.core.pace import NOTHING, Pending
from ccproxy.handler import WireOwner
from ccproxy.net.shared import Kit
from ccproxy.net.sockets import connect
from ccproxy.net.stream import Stream
from ccproxy.net.tls import OpeningLimits, TlsOpening
from ccproxy.wire.tls import TlsSession


class Dial:
    """See `ccproxy.handler.Wire`; the owner is told `opened`, then `closed`, or only `closed`."""

    def __init__(self, address: Address, owner: WireOwner, kit: Kit, options: LinkOptions) -> None:
        self._address = address
        self._tls = options.tls if isinstance(options, SecureLinkOptions) else None
        self._owner = owner
        self._kit = kit
        self._options = options
        self._stream: Stream | None = None
        self._diverted: tuple[Callable[[bytes], Any], Callable[[Any], None]] | None = None
        self.send: Callable[[Sequence[bytes | memoryview]], int] = _unconnected
        """Writes one unit that is in pieces at once; for the end of a turn of the loop."""
        self.over = False
        """True once the owner is told nothing more."""
        self._task = asyncio.get_running_loop().create_task(self._connect(), name=f"dial {address}")
        self._task.add_done_callback(_report)

    def write(self, data: bytes) -> bool:
        """Queue whole units; False before `opened`, after `closed`, or if the outbox is full."""
        return self._stream is not None and self._stream.write(data)

    def divert(self, pass_on: Callable[[bytes], Any], remains: Callable[[Any], None]) -> None:
        """See `Stream.divert`; to be called before `opened`."""
        self._diverted = pass_on, remains

    @property
    def waiting(self) -> int:
        """Bytes that are queued and not written."""
        return 0 if self._stream is None else self._stream.box.bytes

    def when_sent(self, call: Callable[[], None]) -> None:
        """Call once, when some of what waits is written."""
        if self._stream is not None:
            self._stream.box.wait(call)

    def pause(self) -> None:
        """Do not read for now."""
        if self._stream is not None:
            self._stream.pause()

    def resume(self) -> None:
        """Read again."""
        if self._stream is not None:
            self._stream.resume()

    def close(self) -> None:
        """Close at once; the owner is told nothing more."""
        self.over = True
        self._task.cancel()
        if self._stream is not None:
            self._stream.close("closed here")

    lingers = False

    def received(self, stream: Stream, data: bytes) -> None:
        """Pass on bytes that came."""
        self._owner.received(self, data)

    def pending(self) -> Pending:
        """Nothing: the handler has every byte."""
        return NOTHING

    def secured(self, stream: Stream, session: TlsSession) -> None:
        """The handshake of TLS is done."""
        self.send = stream.send
        self._owner.opened(self)

    def unsecured(self, stream: Stream, reason: str, word: str) -> None:
        """The handshake has failed; `closed` says why."""

    def closed(self, stream: Stream, reason: str) -> None:
        """The connection is over."""
        if not self.over:
            self.over = True
            self._owner.closed(self, reason)

    async def _connect(self) -> None:
        tls = self._tls
        try:
            if tls is not None and not tls.fresh:
                await asyncio.get_running_loop().run_in_executor(None, tls.refresh)
            sock = await connect(self._address, self._options)
        except OSError as error:
            if not self.over:
                self.over = True
                self._owner.closed(self, error.strerror or str(error))
            return
        limits: Limits = self._options.limits
        self._stream = stream = Stream(sock, str(self._address), self, self._kit, limits)
        if self._diverted is not None:
            stream.divert(*self._diverted)
        if tls is None:
            self.send = stream.send
            stream.open()
            self._owner.opened(self)
            return
        make = partial(tls.session, self._address.host)
        times = OpeningLimits(self._options.handshake_timeout)
        opening = TlsOpening(stream, make, self._kit.handshakes, self, times)
        stream.open()
        opening.start()


def _report(task: asyncio.Task[None]) -> None:
    """Log at once what the owner has raised; the loop would say it when the task is forgotten."""
    if not task.cancelled() and (error := task.exception()) is not None:
        what = {"message": f"failed: {task.get_name()}", "exception": error, "task": task}
        task.get_loop().call_exception_handler(what)


def _unconnected(pieces: Sequence[bytes | memoryview]) -> int:
    """Take nothing: there is no connection yet."""
    return 0
