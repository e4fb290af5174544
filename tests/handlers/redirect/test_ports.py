import pytest

from ccproxy.protocols.jolie.values import Call, Tree
from ccproxy.testing import options_for, run_handler
from ccproxy_handlers.redirect.handler import Redirect
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.ports import PortMaker

TABLE = "operations = a => h:a\ntimeout = 3 s"


@pytest.fixture
def maker():
    others = {"h:a": Redirect("h:a", options_for(Redirect, "location = socket://h:9"))}
    with run_handler(Redirect, TABLE, others) as redirect:
        yield PortMaker(redirect.ctx, redirect.handler.options, redirect.handler.respond)


def test_a_port_has_the_options_of_the_section(maker):
    target = maker.target(Location("h", 1), "http")
    assert (target.limits.timeout, target.protocol.word) == (3.0, "http")
    port = maker.port(target)
    assert len(port) == len(port.port) == 0
    port.ask(None, Call("/", "sum", Tree()))
    assert [wire.address for wire in maker.ctx.wires] == ["tcp://h:1"]


@pytest.mark.parametrize(
    ("location", "protocol", "says"),
    [
        ("socket://h:1", "nope", 'no protocol "nope"'),
        ("socket://h:1", "cc", "no service can be called"),
        ("http://h:1", "sodep", "needs protocol = http or jsonrpc"),
    ],
)
def test_what_cannot_be_called(maker, location, protocol, says):
    with pytest.raises(ValueError, match=says):
        maker.target(Location.parse(location), protocol)
