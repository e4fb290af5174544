"""The commands of a ZMTP connection that is up: PING and PONG with their timer, ERROR, and those
that the sink of its messages knows.

It must never look at messages; it is only told that something came.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from ccproxy.net.sender import Sender
from ccproxy.net.zmtp.role import CommandSink, SubscriptionSink
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.commands import COMMAND_MAX, Error, Other, Ping, error, parse_frame
from ccproxy.wire.zmtp.frames import COMMAND, span
from ccproxy.wire.zmtp.heartbeat import Heartbeat

SAID = "the peer said: "
"""How the reason begins for which a connection was closed, if the peer has given it."""
RUN = 100
"""Commands in a row that are obeyed before the time is looked at: about 0.3 ms."""
TICK = 0.05
"""Seconds between two checks at least. A peer that we do not read counts as silent, so its deadline
is over all the time, and without this limit the check would run without a pause."""


class CommandHandler:
    """Sends due commands, answers the peer's, and calls `close` with a reason at the end."""

    __slots__ = (
        "_close", "_commands", "_ended", "_heartbeat", "_loop", "_sender", "_subscriptions",
        "_timer", "_ttl", "paused",
    )  # fmt: skip

    def __init__(
        self,
        heartbeat: Heartbeat,
        sender: Sender,
        close: Callable[[str], None],
        ended: Callable[[str], None],
    ) -> None:
        """`ended` is called in the place of `close` when the peer itself has said ERROR."""
        self.paused = False
        self._subscriptions: SubscriptionSink | None = None
        """Is told of SUBSCRIBE and CANCEL, if we are a publisher's socket."""
        self._commands: CommandSink | None = None
        self._heartbeat = heartbeat
        self._sender = sender
        self._close = close
        self._ended = ended
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._ttl = 0
        self.on_timer()

    @property
    def last_heard(self) -> float:
        """When anything came from the peer, by the clock of the loop."""
        return self._heartbeat.last_heard

    @property
    def reached(self) -> bool:
        """True if the peer's system has everything that was sent."""
        return self._sender.reached

    def serve(self, feed: object) -> None:
        """Tell the sink of the peer's messages of the commands that it knows."""
        if isinstance(feed, SubscriptionSink):
            self._subscriptions = feed
        if isinstance(feed, CommandSink):
            self._commands = feed
            feed.opened(self)

    def tell(self, command: bytes) -> None:
        """Send a command at the end of this turn, with others in one write."""
        self._sender.command_later(command)

    def tell_now(self, command: bytes) -> None:
        """Send a command at once: the connection is about to be closed."""
        self._sender.command(command)

    def heard(self) -> None:
        """Note that the peer lives: something came, or we did not read for a reason of ours."""
        self._heartbeat.heard(self._loop.time())

    def obey(self, data: bytes, start: int) -> int:
        """Obey the commands from `start` on, up to `RUN` of them; where the last one ends.

        ZmtpError if one is too long, or cut.
        """
        for _ in range(RUN):
            found = span(data, start) if start < len(data) and data[start] & COMMAND else None
            if found is None:
                break
            end = found[2]
            if end - start > COMMAND_MAX:
                raise ZmtpError(f"command of {end - start} bytes or more; limit {COMMAND_MAX}")
            if end > len(data):
                break
            self.handle(data[start:end])
            start = end
            if self._sender.closed:
                break
        return start

    def handle(self, unit: bytes) -> None:
        """Obey one whole command; ignore unknown ones, as libzmq does. ZmtpError if it is cut."""
        command = parse_frame(unit)
        if isinstance(command, Ping):
            self._sender.command_later(self._heartbeat.ping(self._loop.time(), command))
            if command.ttl != self._ttl or self._timer is None:
                # The next check comes early enough for the same TTL: to set it anew costs time.
                self._ttl = command.ttl
                self.on_timer()
        elif isinstance(command, Error):
            self._ended(f"{SAID}{command.reason}")
        elif isinstance(command, Other) and command.subscribes is not None:
            if self._subscriptions is None:
                self._close(f"{command.name.decode()} is for publishers' sockets")
            else:
                self._subscriptions.change(command.subscribes, command.body)
        elif isinstance(command, Other) and self._commands is not None:
            self._commands.command(command.name, command.body)

    def refuse(self, reason: str, fate: str = "") -> None:
        """Tell the peer why its connection is about to be closed, if it understands that; `fate` is
        that of its next message, if this is the reason.

        libzmq 4.2 and later ignores an ERROR at this point and connects again. A ccserver learns
        from it that it need not send its message again.
        """
        if fate and self._commands is not None:
            self._commands.refused(fate)
        if self._heartbeat.understood:
            self._sender.command(error(reason))

    def on_timer(self) -> None:
        """Send the PING that is due, close a silent peer, and set the timer for the next check."""
        self.stop()
        now = self._loop.time()
        dead = self._heartbeat.dead(now)
        if dead and not self.paused:
            self._close(dead)
            return
        self._sender.command(self._heartbeat.due(now))
        again = self._heartbeat.next(now)
        if again is not None and not self._sender.closed:
            self._timer = self._loop.call_at(max(again, now + TICK), self.on_timer)

    def stop(self) -> None:
        """Cancel the timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
