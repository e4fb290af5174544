"""ccproxy: one INI-configured message switch. Everything a plugin's author needs stands here."""

from ccproxy.config import kinds
from ccproxy.config.links import (
    LinkOptions,
    ListenerOptions,
    TypedListenerOptions,
    ZmtpListenerOptions,
)
from ccproxy.config.options import NoOptions, option
from ccproxy.config.plan import ListenerPlan, Plan
from ccproxy.config.problems import Problem
from ccproxy.core.counted_queue import LinkQueue
from ccproxy.core.flows import Target
from ccproxy.core.message import Action, Actions, Message, NativeAnswer, Reply, Send, Value
from ccproxy.core.outbox import Limits, Outbox
from ccproxy.core.sinks import TAKEN, MovedRun, Receipt, Sink
from ccproxy.core.verdict import (
    Accepted,
    Deliver,
    Discard,
    Forward,
    Full,
    Receiver,
    Refuse,
    Verdict,
)
from ccproxy.courier import Answer, Call, Courier, Fault, Result, Tree
from ccproxy.handler import Context, Handler, Link, Member, Onward, Wire, WireOwner
from ccproxy.net.work import Steps
from ccproxy.protocol import Listener, MessageProtocol
from ccproxy.verb import Verb

__version__ = "0.1.0"

__all__ = [
    "TAKEN", "Accepted", "Action", "Actions", "Answer", "Call", "Context", "Courier", "Deliver",
    "Discard", "Fault", "Forward", "Full", "Handler", "Limits", "Link", "LinkOptions", "LinkQueue",
    "Listener", "ListenerOptions", "ListenerPlan", "Member", "Message", "MessageProtocol",
    "MovedRun", "NativeAnswer", "NoOptions", "Onward", "Outbox", "Plan", "Problem", "Receipt",
    "Receiver", "Refuse", "Reply", "Result", "Send", "Sink", "Steps", "Target", "Tree",
    "TypedListenerOptions", "Value", "Verb", "Verdict", "Wire", "WireOwner", "ZmtpListenerOptions",
    "__version__", "kinds", "option",
]  # fmt: skip
