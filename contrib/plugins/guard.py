"""An example courier: sees each call before and each answer after a service, as in Jolie.

[h:sum]
handler  = redirect
location = socket://localhost:8001
couriers = h:guard

[h:guard]
handler = guard
token   = 0123-4567

A call has to carry the child `token`, which is taken out before the service gets the call. When the
service fails, its callers are told only that it failed. Both are written to the log.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass

from ccproxy import Answer, Call, Courier, Fault, Handler, Tree, kinds, option


class Guard(Courier, Handler):
    """Lets calls with the right `token` through, and hides the reasons of failures."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The token that a call has to carry."""

        token: str = option(kinds.text, secret=True, help="what a call has to carry as its token")

    def before(self, call: Call) -> Call | Answer:
        """The call without its token; a fault instead of an answer if it is not the right one."""
        value = call.value.tree()
        children = dict(value.children)
        given = [str(one.payload) for one in children.pop("token", [])]
        right = len(given) == 1 and hmac.compare_digest(
            given[0].encode("utf-8", "replace"), self.options.token.encode()
        )
        if not right:
            self.ctx.count("denied")
            self.ctx.log.warning("denied operation=%.60r path=%.60r", call.operation, call.path)
            return Fault("AccessDenied", Tree("the token is not the right one"))
        return call._replace(value=Tree(value.payload, children))

    def after(self, call: Call, answer: Answer) -> Answer:
        """The answer; of a failure only that the service failed."""
        if isinstance(answer, Fault) and answer.name == "IOException":
            text = answer.value.tree().payload
            self.ctx.log.warning("failed operation=%.60r: %.200r", call.operation, text)
            return Fault("IOException", Tree("The service failed"))
        return answer
