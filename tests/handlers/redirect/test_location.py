import pytest

from ccproxy_handlers.redirect.location import Location


@pytest.mark.parametrize(
    ("text", "location", "again"),
    [
        ("socket://h:9000", Location("h", 9000), "socket://h:9000"),
        ("tcp://h:9000/", Location("h", 9000), "socket://h:9000"),
        ("socket://h:9000/!/Sum", Location("h", 9000, resource="/Sum"), "socket://h:9000/!/Sum"),
        ("socket://h:1/b/!/A/!/B", Location("h", 1, "", "/b/", "/A/B"), "socket://h:1/b/!/A/B"),
        ("socket://[::1]:80/b", Location("::1", 80, path="/b"), "socket://[::1]:80/b"),
        ("http://h:81/b", Location("h", 81, path="/b"), "socket://h:81/b"),
        ("http://h", Location("h", 80), "socket://h:80"),
        ("https://h/!/A", Location("h", 443, resource="/A"), "socket://h:443/!/A"),
        ("localsocket:/run/s", Location(file="/run/s"), "localsocket:/run/s"),
        ("ipc:///run/s", Location(file="/run/s"), "localsocket:/run/s"),
        ("ipc://@s", Location(file="@s"), "ipc://@s"),
        ("ipc://@s/!/A", Location(file="@s", resource="/A"), "ipc://@s/!/A"),
        ("localsocket:///r/s/!/A", Location(file="/r/s", resource="/A"), "localsocket:/r/s/!/A"),
    ],
)  # fmt: skip
def test_locations(text, location, again):
    found = Location.parse(text)
    assert found == location
    assert str(found) == again
    assert Location.parse(str(found)) == found


@pytest.mark.parametrize(
    "text", ["", "h:9000", "socket://h", "socket://h:0", "socket://h:65536", "socket://h:9000x",
             "local", "socket://:9", "localsocket:", "socket://a b:9", "socket://h:9/a b", "socket://h:9/è"],
)  # fmt: skip
def test_what_is_no_location_says_what_is(text):
    with pytest.raises(ValueError, match="expected socket://"):
        Location.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("localsocket:abs:/x", "ipc://@NAME for a name without a file"),
        ("localsocket://abs/x", "ipc://@NAME for a name without a file"),
        ("localsocket://x/y", "localsocket:/PATH"),
        ("ipc://x", "localsocket:/PATH"),
        ("localsocket:@x", "localsocket:/PATH"),
        ("localsocket:/" + "x" * 107, "at most 107 bytes"),
        ("socket://1.2.3:4", "four numbers"),
        ("socket://-a:4", "a host name"),
    ],
)
def test_what_could_not_be_dialled_is_found_before_it_is(text, expected):
    with pytest.raises(ValueError, match=expected):
        Location.parse(text)


def test_a_resource_of_the_target_stands_in_front_of_what_is_forwarded():
    inner = Location.parse("socket://h:9000/!/Inner")
    assert inner.forward("/") == "/Inner"
    assert inner.forward("/A") == "/Inner/A"
    assert Location("h", 1).forward("/A") == "/A"
