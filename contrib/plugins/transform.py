"""An example plugin: changes messages and forwards them, and lets replies find their way back.

[routes]
log = h:tag

[h:tag]
handler   = transform
remote-cc = tcp://127.0.0.1:22633
site      = lux
prefix    = site

The message `log.info` with the field `log_msg` arrives at the far side as `site.log.info` with the
same fields and `site`. The options of links (`queue`, `on-full`, ...) belong to it as well.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ccproxy import Actions, Context, Handler, LinkOptions, Message, Send, kinds, option


class Transform(Handler):
    """Forwards each message under another type, with one field more."""

    @dataclass(frozen=True, slots=True)
    class Options(LinkOptions):
        """Where to, what is added, and the options of the link."""

        remote_cc: str = option(kinds.address, help="address of the server to forward to")
        site: str = option(kinds.text, help="value of the field `site` that is added")
        prefix: str = option(kinds.message_type, default="", help="put in front of the type")

    async def start(self, ctx: Context) -> None:
        """Open the link; the server closes it when the handler stops."""
        self.ctx = ctx
        self.link = ctx.link(self.options.remote_cc, self.options)

    def handle(self, message: Message) -> Actions:
        """The changed message; `route` stays in front, so that a reply comes back to its asker."""
        value = {**message.value(), "site": self.options.site}
        type = ".".join(filter(None, (self.options.prefix, message.type)))
        self.ctx.count("transformed")
        return Send(self.link, type, value, message.blob, message.route)

    def status(self) -> dict[str, Any]:
        """What a status page shows of the link."""
        return {"address": self.link.address, "state": self.link.state}
