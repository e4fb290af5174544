"""An example protocol: one JSON object with a `type` on each line of a TCP connection.

[listen:lines]
protocol = jsonlines
address  = tcp://127.0.0.1:5000
longest  = 64 KiB
"""

import json
from dataclasses import dataclass

from ccproxy import ListenerOptions, MessageProtocol, kinds, option
from ccproxy.net.stream_listener import MessagePeer, StreamListener


class LinePeer(MessagePeer):
    """One connection: lines in, replies on lines out."""

    rest = b""

    def received(self, stream, data):
        """Take whole lines; a line that is too long ends the connection."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        self.held = len(self.rest)
        for line in lines:
            try:
                value = json.loads(line)
                self.take(str(value.pop("type")), value, size=len(line) + 1)
            except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
                self.malformed(len(line) + 1, "a line is no JSON object with a type")
        if len(self.rest) > self.listener.options.longest:
            self.malformed(len(self.rest), "a line is longer than longest")
            stream.finish("line too long")

    def unit(self, type, value):
        """A reply on one line."""
        return json.dumps({"type": type, **value}).encode() + b"\n"


class JsonLines(MessageProtocol):
    """JSON objects on lines; the type is the member `type`."""

    @dataclass(frozen=True, slots=True)
    class Options(ListenerOptions):
        """The longest line."""

        longest: int = option(kinds.size, default=65536, help="most bytes of a line")

    about = "JSON objects on lines; the type is the member type"

    def check(self, plan):
        """A queue must have room for the longest line."""
        if plan.options.longest > plan.options.peer_queue:
            yield plan.problem("longest", "longest is more than peer-queue")

    def listener(self, plan, kit):
        """A listener of lines."""
        return StreamListener(plan, kit, LinePeer)
