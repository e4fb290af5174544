import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.redirect.handler import Redirect
from ccproxy_handlers.redirect.location import Location
from ccproxy_handlers.redirect.options import SECTION_TABLE, Options, SectionTable


def test_a_table_is_pairs_and_name_sections():
    table = SECTION_TABLE.parse("Sum => h:sum, A/B => h:inner,\n/C/ => h:sum")
    assert table.pairs == (("Sum", "h:sum"), ("A/B", "h:inner"), ("C", "h:sum"))
    assert list(table) == ["h:sum", "h:inner"]
    assert SECTION_TABLE.parse(SECTION_TABLE.show(table)) == table
    assert not SECTION_TABLE.parse("")


@pytest.mark.parametrize("text", ["Sum", "Sum =>", "=> h:sum", "S um => h:s", "A => h:a, A => h:b"])
def test_what_is_no_pair_is_said(text):
    with pytest.raises(ValueError, match="expected"):
        SECTION_TABLE.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("timeout = 1 s", 'lacks "location"'),
        ("location = nowhere", "expected socket://HOST:PORT"),
        ("location = socket://h:0", "expected socket://HOST:PORT"),
    ],
)
def test_options_that_make_no_sense(text, says):
    with pytest.raises(ValueError, match=says):
        options_for(Redirect, text)


def test_the_limits_of_connections_to_the_service():
    options = options_for(Redirect, "location = socket://h:1\nqueue = 1 MiB\nkeepalive = no")
    limits = options.limits()
    assert (limits.bytes, limits.answer) == (1 << 20, 64 << 20)
    # Where the INI is silent, their number is left to the protocol.
    assert (limits.connections, limits.most) == (0, 8)
    # The calls in flight are limited, not the bytes that are written.
    assert options.wire().limits.bytes > 1 << 40
    assert options.wire().keepalive is None
    assert limits.lifetime is None
    endless = options_for(Redirect, "location = socket://h:1\nlifetime = 0")
    assert endless.limits().lifetime == 0.0
    fixed = options_for(Redirect, "location = socket://h:1\nconnections = 3\nmax-message = 1 MiB")
    assert (fixed.limits().connections, fixed.limits().most, fixed.limits().answer) == (
        3,
        0,
        1 << 20,
    )


def test_a_section_may_divide_calls_without_a_place_of_its_own():
    options = options_for(Redirect, {"redirects": SectionTable((("A", "h:a"),))})
    assert (options.location, options.protocol) == (None, "sodep")


@pytest.mark.parametrize(
    ("location", "protocol", "right"),
    [
        ("http://h:1", "http", True),
        ("http://h:1", "jsonrpc", True),
        ("http://h:1", "sodep", False),
        ("http://h:1", "https", False),
        ("https://h:1", "https", True),
        ("socket://h:1", "http", True),
    ],
)  # fmt: skip
def test_a_location_of_the_web_is_for_protocols_of_the_web(location, protocol, right):
    def made():
        return Options(location=Location.parse(location), protocol=protocol)

    if right:
        assert made().location == Location("h", 1)
        return
    with pytest.raises(ValueError, match=f"{location.partition(':')[0]}:// needs protocol = "):
        made()
