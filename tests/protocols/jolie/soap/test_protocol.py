"""protocol = soap: a listener of calls, and the form of calls to a service."""

import pytest

from ccproxy.config.plan import ListenerPlan
from ccproxy.plugins import Plugins
from ccproxy.protocols.jolie.http.listener import WebListener
from ccproxy.protocols.jolie.soap.form import Soap
from ccproxy.protocols.jolie.soap.protocol import SoapListenerOptions
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy_handlers.redirect.location import Location


async def test_listener_and_service_have_its_form(kit):
    factory = Plugins().protocol("soap")
    options = SoapListenerOptions(type="calc", max_message=77, namespace="urn:x", fault_status=400)
    plan = ListenerPlan("listen:c", "soap", factory, "tcp://127.0.0.1:0", options, 1)
    listener = factory("soap").listener(plan, kit())
    assert isinstance(listener, WebListener) and listener.prefix == "calc"
    assert isinstance(listener.form, Soap) and listener.form.limits.body == 77
    assert listener.form.style == CallStyle(namespace="urn:x", fault_status=400)
    place = Location(host="h", port=8001, path="/a")
    form = factory("soap").service(place, 99)
    assert isinstance(form, Soap) and form.limits.body == 99 and form.name == "soap"
    styled = factory("soap").styled_service(place, 99, CallStyle(namespace="urn:y"))
    assert styled.style.namespace == "urn:y"


@pytest.mark.parametrize(
    ("status", "warning"),
    [(500, None), (400, None), (200, True), (299, True), (204, False), (205, False), (302, False)],
)
def test_a_status_that_is_no_fault_to_others(status, warning):
    factory = Plugins().protocol("soap")
    options = SoapListenerOptions(type="calc", fault_status=status)
    plan = ListenerPlan("listen:c", "soap", factory, "tcp://127.0.0.1:0", options, 1)
    found = list(factory("soap").check(plan))
    assert [one.warning for one in found] == ([] if warning is None else [warning])
    assert all("400" in one.hint for one in found)
