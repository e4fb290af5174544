"""Where the sockets listen, and which options they have."""

import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.cameo.handler import CameoProxy
from ccproxy_handlers.cameo.options import HOST, PROXY_PORTS


def options(text):
    return options_for(CameoProxy, text)


def test_three_ports_on_all_interfaces_or_one():
    found = options("proxy-ports = 10000, 10001,10002")
    assert found.addresses_of_sockets == tuple(f"tcp://0.0.0.0:1000{one}" for one in range(3))
    found = options("proxy-ports = 10000, 10001, 10002\nhost = ::1")
    assert found.address(2) == "tcp://[::1]:10002"


def test_an_address_wins_over_its_port():
    text = "proxy-ports = 10000, 10001, 10002\ninternal = tcp://127.0.0.1:10002"
    found = options(text).addresses_of_sockets
    assert found[1:] == ("tcp://0.0.0.0:10001", "tcp://127.0.0.1:10002")
    assert options("responder = tcp://127.0.0.1:1").addresses_of_sockets[1:] == ("", "")


@pytest.mark.parametrize(
    "text", ["1, 2", "1, 2, 3, 4", "a, b, c", "1, 2, 65536", "1, 2, 2", "0, 1, 2", "-1,1,2"]
)
def test_other_ports_are_mistakes(text):
    with pytest.raises(ValueError, match="three"):
        PROXY_PORTS.parse(text)


@pytest.mark.parametrize("text", ["tcp://127.0.0.1", "127.0.0.1:1", "[::1]", "a b", "", "1.2.3"])
def test_a_host_is_no_address(text):
    with pytest.raises(ValueError, match="expected a host without scheme and port"):
        HOST.parse(text)


@pytest.mark.parametrize("text", ["127.0.0.1", "::1", "*", "site.example.org"])
def test_hosts(text):
    assert HOST.parse(text) == text


def test_ports_are_shown_as_they_are_written():
    assert PROXY_PORTS.show(PROXY_PORTS.parse("1,2, 3")) == "1, 2, 3"


def test_subscribers_have_the_limits_of_all_peers():
    found = options(
        "publisher = tcp://127.0.0.1:1\npeer-queue = 1 MiB\nzmq_hwm = 1000\n"
        "peer-on-full = drop-old\nmax-peers = 7\npeer-heartbeat = 5 s\n"
        "max-subscriptions = 9\ncurve-allow = any"
    )
    sending = found.publishing
    assert sending.limits == found.limits == sending.listener.limits
    assert (found.limits.bytes, found.limits.messages, found.limits.policy) == (
        1 << 20, 2000, "drop-old",
    )  # fmt: skip
    assert sending.listener.max_peers == 7 and sending.listener.curve_allow == "any"
    assert sending.listener.pings == found.pings and sending.max_subscriptions == 9
    assert sending.socket == "xpub" and found.listener is found
