import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.redirect.handler import Redirect
from ccproxy_handlers.redirect.options import SECTION_TABLE, SectionTable


def test_ways_are_pairs_and_name_sections():
    ways = SECTION_TABLE.parse("Sum => h:sum, A/B => h:inner,\n/C/ => h:sum")
    assert ways.pairs == (("Sum", "h:sum"), ("A/B", "h:inner"), ("C", "h:sum"))
    assert list(ways) == ["h:sum", "h:inner"]
    assert SECTION_TABLE.parse(SECTION_TABLE.show(ways)) == ways
    assert not SECTION_TABLE.parse("")


@pytest.mark.parametrize("text", ["Sum", "Sum =>", "=> h:sum", "S um => h:s", "A => h:a, A => h:b"])
def test_what_is_no_way_is_said(text):
    with pytest.raises(ValueError, match="expected"):
        SECTION_TABLE.parse(text)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("timeout = 1 s", 'lacks "location"'),
        ("redirects = A => h:a\nstate = x", '"state" has no meaning'),
        ("location = nowhere", "expected socket://HOST:PORT"),
        ("location = socket://h:0", "expected socket://HOST:PORT"),
        ("location = socket://h:1\nprotocol = soap", "expected sodep, http or jsonrpc"),
    ],
)
def test_options_that_make_no_sense(text, says):
    with pytest.raises(ValueError, match=says):
        options_for(Redirect, text)


@pytest.mark.parametrize("protocol", ["sodep", "http", "jsonrpc"])
def test_the_longest_answer_is_a_limit_of_each_protocol(protocol):
    given = f"location = socket://h:1\nprotocol = {protocol}\n"
    for text, most in (("", 64 << 20), ("max-message = 1 MiB", 1 << 20)):
        limits = options_for(Redirect, given + text).target().form().limits
        assert getattr(limits, "message" if protocol == "sodep" else "body") == most


def test_the_target_and_its_connections():
    options = options_for(Redirect, "location = socket://h:1\nqueue = 1 MiB\nkeepalive = no")
    target = options.target()
    assert (str(target.location), target.shape.connections) == ("socket://h:1", 1)
    assert options.target_at(target.location, "http").shape.connections == 64
    # What is under way is bounded, not what is written.
    assert options.wire().limits.bytes > 1 << 40
    assert options.wire().keepalive is None
    assert options_for(Redirect, {"redirects": SectionTable((("A", "h:a"),))}).target() is None
