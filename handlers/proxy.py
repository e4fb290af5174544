"""The handler `proxy`: forwards all its messages to another server, unchanged; replies come back.

The handler does not see the messages: the switch appends them to the queue of the link. It must
never look into a payload.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ccproxy import (
    Context,
    Forward,
    Handler,
    Link,
    Plan,
    Problem,
    kinds,
    option,
)
from ccproxy.config.spools import SpoolOptions, spool_problems

from .dead_letters import DeadLetters
from .link_member import LinkMember
from .ping import PING_INTERVAL, Watch


class Proxy(Handler):
    """One link to `remote-cc`, which keeps the order; its options say how much may wait."""

    @dataclass(frozen=True, slots=True)
    class Options(SpoolOptions):
        """The address, whether to ping it, and the options of the link."""

        remote_cc: str = option(kinds.address, help="address of the server to forward to")
        ping: bool = option(
            kinds.flag, default=False, help="ping the far side each second, warn when it is silent"
        )
        dead_letters: str = option(
            kinds.section, default="",
            help="handler section that gets what the far side refuses, with the reason",
        )  # fmt: skip

    watch: Watch | None = None
    link: Link

    def check(self, plan: Plan) -> Iterator[Problem]:
        """Warn if the address is that of this server: messages would come back without end."""
        for what, hint, warning in spool_problems(self.name, plan):
            yield self.problem(plan, what, hint, warning=warning)
        for one in plan.listeners:
            if one.protocol == "cc" and one.reached_by(self.options.remote_cc):
                what = f"[{self.name}] forwards to {self.options.remote_cc}, to this server itself"
                hint = f"[{one.section}] in line {one.line} listens there: messages go in a circle"
                yield self.problem(plan, what, hint, warning=True)

    def explain(self, type: str, plan: Plan) -> str:
        """Nothing is changed."""
        dead = self.options.dead_letters
        return "passed on unchanged; replies come back to the sender" + (
            f"; what the far side refuses goes to {dead}" if dead else ""
        )

    async def start(self, ctx: Context) -> None:
        """Open the link; with `ping = yes` the first ping goes out after a second."""
        self.ctx = ctx
        if not self.options.ping:
            self.link = ctx.link(self.options.remote_cc, self.options)
        else:
            self.watch = Watch(ctx, self.options.remote_cc, self.options)
            self.link = self.watch.link
            ctx.every(PING_INTERVAL, self.watch.ping)
        self._member = LinkMember(self.link)
        if self.options.dead_letters:
            self.link.on_dead(DeadLetters(ctx, self.options.dead_letters).take)

    @property
    def joins_groups(self) -> bool:
        """It has one link."""
        return True

    def member(self) -> LinkMember:
        """The link, for a group that this section is in."""
        return self._member

    def decide(self, type: str) -> Forward:
        """Forward every type to the link."""
        return Forward((self.link.sink,))

    def status(self) -> dict[str, Any]:
        """The values for a status page; see `Watch.status` for those of pings."""
        if self.watch:
            return self.watch.status()
        return {"address": self.link.address, "state": self.link.state}
