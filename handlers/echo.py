"""The handler `echo`: answers `echo.request` and pings other servers."""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import Actions, Context, Handler, LinkOptions, Message, Plan, Reply, kinds, option
from ccproxy.wire import cc

from .ping import PING_INTERVAL, Watch


class Echo(Handler):
    """Sends each request back to its sender as a response; warns if a pinged server is silent."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The servers to ping."""

        ping_remotes: tuple[str, ...] = option(kinds.addresses, default=(), help="servers to ping")

    watches: tuple[Watch, ...] = ()

    def explain(self, type: str, plan: Plan) -> str:
        """Only requests have an answer."""
        answered = type == "echo.request"
        return "answered with echo.response" if answered else "logged as unknown"

    async def start(self, ctx: Context) -> None:
        """Ping each address once a second, each over its own link."""
        self.ctx = ctx
        link = LinkOptions(queue_messages=1, linger=0.0)
        self.watches = tuple(Watch(ctx, one, link) for one in self.options.ping_remotes)
        for watch in self.watches:
            ctx.every(PING_INTERVAL, watch.ping)

    def handle(self, message: Message) -> Actions:
        """Answer a request; KeyError or ValueError if it lacks a field."""
        if message.type != "echo.request":
            self.ctx.log.warning("unknown msg: %s", message.type)
            return None
        asked = message.value()
        texts = {f"orig_{key}": cc.text(asked, key) for key in ("hostname", "target")}
        return Reply("echo.response", {**texts, "orig_time": cc.number(asked, "time")})
