"""To accept at a block of ports is to be a proxy there, to connect is to be its client."""

import pytest

from ccproxy.core.outbox import Limits
from ccproxy.testing import FakeContext, options_for
from ccproxy_handlers.xmsg.ends import GatewayEnd
from ccproxy_handlers.xmsg.gateway import ClaraGateway
from ccproxy_handlers.zmq.bus import Bus

OPTIONS = options_for(ClaraGateway, "address = tcp://127.0.0.1:7001\nworker-window = 3K")


@pytest.fixture
def ctx():
    made = FakeContext()
    yield made
    made.close()


@pytest.mark.parametrize(
    ("listens", "publish", "subscribe"),
    [(True, (b"XSUB", 7001), (b"XPUB", 7002)), (False, (b"XSUB", 7002), (b"XPUB", 7001))],
)
def test_the_sockets_of_an_end(ctx, listens, publish, subscribe):
    end = GatewayEnd("tcp://127.0.0.1:7001", listens, OPTIONS)
    bus = Bus("h:x", OPTIONS, ctx)
    end.publish_to(ctx, bus)
    end.subscribe_to(ctx, bus)
    made = [(role.socket, int(where[-4:])) for where, role in ctx.bound.items()]
    made += [(link.role.socket, int(link.address[-4:])) for link in ctx.links]
    assert made == [publish, subscribe]
    assert Limits(OPTIONS.queue) == OPTIONS.limits


@pytest.mark.parametrize(
    ("address", "listens", "exposed"),
    [("tcp://*:1", True, True), ("tcp://127.0.0.1:1", True, False), ("tcp://x:1", False, False)],
)
def test_an_end_that_everybody_reaches(address, listens, exposed):
    assert GatewayEnd(address, listens, OPTIONS).exposed == exposed
