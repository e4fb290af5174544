"""protocol = http: a listener of calls, and the form of calls to a service."""

from ccproxy.config.plan import ListenerPlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http import Http
from ccproxy.protocols.jolie.http.access import HttpListenerOptions
from ccproxy.protocols.jolie.http.listener import WebListener
from ccproxy_handlers.redirect.location import Location


async def test_listener_and_service_have_its_form(kit):
    factory = Plugins().protocol("http")
    options = HttpListenerOptions(type="calc", max_message=77)
    plan = ListenerPlan("listen:c", "http", factory, "tcp://127.0.0.1:0", options, 1)
    listener = factory("http").listener(plan, kit())
    assert isinstance(listener, WebListener) and listener.prefix == "calc"
    assert isinstance(listener.form, Http) and listener.form.limits.body == 77
    form = factory("http").service(Location(host="h", port=8001, path="/a"), 99)
    assert isinstance(form, Http) and form.limits.body == 99 and form.name == "http"
