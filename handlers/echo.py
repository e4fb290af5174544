"""The handler `echo`: answers `echo.request` and pings other servers."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import Actions, Context, Handler, LinkOptions, Message, Reply, kinds, option
from ccproxy.wire import cc

from .ping import PERIOD, Watch


class Echo(Handler):
    """Answers to the sender what it asked; warns when a pinged server is silent."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """Whom to ping."""

        ping_remotes: tuple[str, ...] = option(kinds.addresses, default=(), help="servers to ping")

    watches: tuple[Watch, ...] = ()

    async def start(self, ctx: Context) -> None:
        """Ping each address once a second over a link of its own."""
        self.ctx = ctx
        link = LinkOptions(queue_messages=1, linger=0.0)
        self.watches = tuple(Watch(ctx, one, link) for one in self.options.ping_remotes)
        for watch in self.watches:
            ctx.every(PERIOD, watch.ping)

    def handle(self, message: Message) -> Actions:
        """KeyError or ValueError if the request lacks a field."""
        if message.type != "echo.request":
            self.ctx.log.warning("unknown msg: %s", message.type)
            return None
        asked = message.value()
        texts = {f"orig_{key}": cc.text(asked, key) for key in ("hostname", "target")}
        return Reply("echo.response", {**texts, "orig_time": cc.number(asked, "time")})
