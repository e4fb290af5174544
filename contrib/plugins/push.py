"""An example handler whose peers are sinks: each message goes to one connected PULL socket.

[routes]
job = h:workers

[h:workers]
handler = push
bind    = tcp://127.0.0.1:5558

A worker gets the frames behind the type. The one with the fewest waiting bytes is next, of equal
ones each in turn; a message for which none has room has the fate `full`.
"""

from dataclasses import dataclass

from ccproxy import TAKEN, Forward, Handler, ZmtpListenerOptions, kinds, option
from ccproxy.net.zmtp.role import ListenerRole, NoMessages
from ccproxy.wire.cc import split
from ccproxy.wire.zmtp.frames import boundaries, pack, unpack


class Workers:
    """A sink that hands each message to one of the peers."""

    may_block = blocked = False

    def __init__(self, name):
        self.name = name
        self.boxes = {}

    def offer(self, chunk, messages, receipt=None):
        """Take each message that a worker has room for."""
        start = taken = 0
        for end in boundaries(chunk):
            _, _, payload = split(unpack(chunk[start:end]))
            job = pack(payload or (b"",))
            taken += self.give(job)
            start = end
        if receipt is not None and taken:
            receipt(taken, TAKEN)
        return taken

    def give(self, job):
        """Hand one job to the worker with the least to do, of equal ones to the next in turn."""
        free = [
            name for name, box in self.boxes.items() if box.bytes + len(job) <= box.limits.bytes
        ]
        if not free:
            return 0
        name = min(free, key=lambda name: self.boxes[name].bytes)
        box = self.boxes[name] = self.boxes.pop(name)
        return box.offer(job, 1)

    def wait(self, call):
        """Never needed: nothing waits here."""


class Push(Handler):
    """Hands each message to one of the PULL sockets that are connected."""

    standalone = True

    @dataclass(frozen=True, slots=True)
    class Options(ZmtpListenerOptions):
        """Where workers connect, and the options of listeners."""

        bind: str = option(kinds.listen_address, help="address that workers connect to")

    def __init__(self, name, options):
        super().__init__(name, options)
        self.workers = Workers(name)

    async def start(self, ctx):
        """Accept workers."""
        boxes = self.workers.boxes
        joined, left = boxes.__setitem__, lambda identity, box: boxes.pop(identity)
        role = ListenerRole(b"PUSH", NoMessages, joined=joined, left=left)
        self.address = ctx.bind(self.options.bind, self.options, role)

    def decide(self, type):
        """Every message is for a worker."""
        return Forward(self.workers)

    def status(self):
        """How many workers there are."""
        return {"workers": len(self.workers.boxes)}
