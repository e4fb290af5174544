"""protocol = ssmmp: a listener of texts."""

from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.ssmmp.listener import TextListener
from ccproxy.protocols.ssmmp.protocol import SsmmpProtocol


async def test_its_listener_takes_texts(kit):
    assert Plugins().protocol("ssmmp") is SsmmpProtocol
    options = ListenerOptions()
    plan = ListenerPlan("listen:x", "ssmmp", SsmmpProtocol, "tcp://127.0.0.1:0", options, 1)
    assert isinstance(SsmmpProtocol("ssmmp").listener(plan, kit()), TextListener)
