import pytest

from ccproxy.plugins import Plugins
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.target import ConnectionLimits, ServiceTarget

PROTOCOLS = {word: Plugins().protocol(word)(word) for word in ("sodep", "http", "jsonrpc")}

HERE = Location.parse("socket://h:8001/base")


def test_targets_of_the_same_place_protocol_and_limits_are_equal():
    limits = ConnectionLimits(timeout=5.0)
    assert ServiceTarget(HERE, PROTOCOLS["http"], limits) == ServiceTarget(
        HERE, PROTOCOLS["http"], limits
    )
    assert ServiceTarget(HERE, PROTOCOLS["http"], limits) != ServiceTarget(HERE, PROTOCOLS["http"])
    assert ServiceTarget(HERE, PROTOCOLS["http"]) != ServiceTarget(HERE, PROTOCOLS["sodep"])


@pytest.mark.parametrize("protocol", ["sodep", "http", "jsonrpc"])
def test_the_form_knows_the_place_and_the_longest_answer(protocol):
    form = ServiceTarget(HERE, PROTOCOLS[protocol], ConnectionLimits(answer=77)).form()
    assert form.name == protocol
    if protocol == "sodep":
        assert form.limits.message == 77
    else:
        assert (form.host, form.path, form.limits.body) == ("h:8001", "/base", 77)
