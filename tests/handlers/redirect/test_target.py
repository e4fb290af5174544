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


def test_the_lifetime_of_connections_is_given_or_that_of_the_protocol():
    def lifetime(protocol, **limits):
        return ServiceTarget(HERE, PROTOCOLS[protocol], ConnectionLimits(**limits)).lifetime

    assert [lifetime(one) for one in PROTOCOLS] == [float("inf"), 4.5, 4.5]
    assert [lifetime(one, lifetime=0.0) for one in PROTOCOLS] == [float("inf")] * 3
    assert [lifetime(one, lifetime=9.0) for one in PROTOCOLS] == [9.0] * 3


@pytest.mark.parametrize("protocol", ["sodep", "http", "jsonrpc"])
def test_the_form_knows_the_place_and_the_longest_answer(protocol):
    form = ServiceTarget(HERE, PROTOCOLS[protocol], ConnectionLimits(answer=77)).form()
    assert form.name == protocol
    if protocol == "sodep":
        assert form.limits.message == 77
    else:
        assert (form.host, form.path, form.limits.body) == ("h:8001", "/base", 77)
