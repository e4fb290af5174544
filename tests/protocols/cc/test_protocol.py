"""protocol = cc: a ROUTER with the options of ZMTP listeners."""

from ccproxy.config.links import ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.plugins import Plugins
from ccproxy.protocols.cc.protocol import CcProtocol


async def test_its_listener_speaks_zmtp(kit):
    assert Plugins().protocol("cc") is CcProtocol
    options = ZmtpListenerOptions(max_peers=3)
    plan = ListenerPlan("listen:x", "cc", CcProtocol, "tcp://127.0.0.1:0", options, 1)
    listener = CcProtocol("cc").listener(plan, kit())
    assert isinstance(listener, ZmtpListener) and listener.options is options
    assert CcProtocol("cc").service(None, 1) is None
