"""An example protocol on the data path: PUSH sockets send jobs, whose first word is the type.

[listen:jobs]
protocol = pull
address  = tcp://127.0.0.1:5557
type     = job

A message `resize a.png` gets the type `job.resize` and is passed on like a CC message.
"""

from dataclasses import dataclass
from functools import partial

from ccproxy import MessageProtocol, ZmtpListenerOptions, kinds, option
from ccproxy.core.keyed import KeyedIngress
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.wire.zmtp.frames import span


class Pull(MessageProtocol):
    """Messages of PUSH sockets; the type is TYPE.FIRST-WORD."""

    @dataclass(frozen=True, slots=True)
    class Options(ZmtpListenerOptions):
        """What stands in front of the first word."""

        type: str = option(kinds.message_type, help="the first part of the types of its messages")

    about = "messages of PUSH sockets; the type is TYPE.FIRST-WORD"

    def listener(self, plan, kit):
        """A PULL socket."""
        prefix = plan.options.type.encode() + b"."

        def type_of(data, start, end):
            """The prefix and the first word of the first frame."""
            _, begin, behind = span(data, start)
            return prefix + data[begin : min(behind, begin + 64)].partition(b" ")[0]

        ingress = partial(KeyedIngress, type_of=type_of)
        return ZmtpListener(plan, kit, ListenerRole(b"PULL", ingress))
