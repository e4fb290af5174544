"""The options and checks that all listeners of calls have, whatever they speak.

It must never open or start anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ccproxy.config import kinds, tls
from ccproxy.config.links import TypedListenerOptions, max_message
from ccproxy.config.options import option
from ccproxy.config.plan import ListenerPlan
from ccproxy.config.problems import Problem
from ccproxy.protocols.jolie.style import raw


@dataclass(frozen=True, slots=True)
class CallListenerOptions(TypedListenerOptions):
    """The options of listeners whose peers make calls."""

    timeout: float = option(
        kinds.duration("s", least=0.001), default=60.0,
        help="time after which a call that no handler has answered is answered with a fault",
    )  # fmt: skip
    max_message: int = max_message("in bytes on the wire; of HTTP, of its body")
    raw: str = raw()


@dataclass(frozen=True, slots=True)
class SecureCallListenerOptions(CallListenerOptions):
    """The options of listeners whose peers make calls inside TLS."""

    tls_certificate: str = tls.certificate()
    tls_key: str = tls.key()
    tls_client_ca: str = tls.client_ca()


def check(plan: ListenerPlan) -> Iterator[Problem]:
    """What the options alone cannot say."""
    if plan.options.peer_on_full == "drop-old":
        what = '"peer-on-full = drop-old" has no meaning with calls: no answer is ever dropped'
        hint = "it is taken as drop-new, which ends the connection instead"
        yield plan.problem("peer-on-full", what, hint, warning=True)
