"""ccproxy: one INI-configured message switch. Everything a plugin's author needs stands here."""

from ccproxy.config import kinds
from ccproxy.config.links import LinkOptions
from ccproxy.config.options import NoOptions, option
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.core.message import Action, Actions, Message, NativeAnswer, Reply, Send, Value
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.verdict import Deliver, Discard, Forward, Full, Refuse, Verdict
from ccproxy.handler import Context, Handler, Link, Wire, WireOwner

__version__ = "0.1.0"

__all__ = [
    "Action", "Actions", "Context", "Deliver", "Discard", "Forward", "Full", "Handler", "Limits",
    "Link", "LinkOptions", "Message", "NativeAnswer", "NoOptions", "Outbox", "Plan", "Problem",
    "Refuse", "Reply", "Send", "Value", "Verdict", "Wire", "WireOwner", "__version__", "kinds",
    "option",
]  # fmt: skip
