"""protocol = jsonrpc: a listener of calls, and the form of calls to a service."""

from ccproxy.config.plan import ListenerPlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http.access import WebListenerOptions
from ccproxy.protocols.jolie.http.listener import WebListener
from ccproxy.protocols.jolie.jsonrpc.form import JsonRpc
from ccproxy_handlers.redirect.location import Location


async def test_listener_and_service_have_its_form(kit):
    factory = Plugins().protocol("jsonrpc")
    options = WebListenerOptions(type="calc", max_message=77)
    plan = ListenerPlan("listen:c", "jsonrpc", factory, "tcp://127.0.0.1:0", options, 1)
    listener = factory("jsonrpc").listener(plan, kit())
    assert isinstance(listener, WebListener) and listener.prefix == "calc"
    assert isinstance(listener.form, JsonRpc) and listener.form.limits.body == 77
    form = factory("jsonrpc").service(Location(host="h", port=8001, path="/a"), 99)
    assert isinstance(form, JsonRpc) and form.limits.body == 99 and form.name == "jsonrpc"
