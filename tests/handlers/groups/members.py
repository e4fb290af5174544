"""Members without a far side, for tests of groups."""

from ccproxy import LinkOptions
from ccproxy.core.pool import WorkerPool
from ccproxy.testing import FakeLink
from ccproxy_handlers.link_member import LinkMember
from ccproxy_handlers.zmq.member import PoolMember


class LinkHandler:
    """What a group needs of a started `proxy`."""

    def __init__(self, name, **options):
        self.link = FakeLink(f"h:{name}", LinkOptions(**options), None)
        self.own = LinkMember(self.link)

    def member(self):
        return self.own

    @property
    def bodies(self):
        """Takes what waits as if it was sent: the last frame of each message."""
        return [message.payload[-1] for message in self.link.take()]


class PoolHandler:
    """What a group needs of a started `zmq` with a pool of workers."""

    def __init__(self, box, form="payload"):
        self.pool = WorkerPool(box)
        self.own = PoolMember(self.pool, form)

    def member(self):
        return self.own
