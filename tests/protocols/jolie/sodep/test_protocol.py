"""protocol = sodep: a listener of calls, and the form of calls to a service."""

from ccproxy.config.plan import ListenerPlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.listener import CallListener
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy_handlers.redirect.location import Location


async def test_listener_and_service_have_its_form(kit):
    factory = Plugins().protocol("sodep")
    options = CallListenerOptions(type="calc", max_message=77)
    plan = ListenerPlan("listen:c", "sodep", factory, "tcp://127.0.0.1:0", options, 1)
    listener = factory("sodep").listener(plan, kit())
    assert isinstance(listener, CallListener) and listener.prefix == "calc"
    assert isinstance(listener.form, Sodep) and listener.form.limits.message == 77
    form = factory("sodep").service(Location(host="h", port=8001, path="/a"), 99)
    assert isinstance(form, Sodep) and form.limits.message == 99 and form.name == "sodep"
