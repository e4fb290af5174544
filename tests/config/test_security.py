"""The kinds of the security options, and how well a listener is protected."""

from ipaddress import ip_network

import pytest

from ccproxy.config.links import ListenerOptions, ZmtpListenerOptions
from ccproxy.config.security import ALLOW, KEY, KEY_OR_FILE, NETWORKS, protection

TEXT = "HelloWorld" * 4


def test_networks():
    found = NETWORKS.parse("10.0.0.0/8, 192.168.1.7, fe80::/10")
    assert found == (ip_network("10.0.0.0/8"), ip_network("192.168.1.7"), ip_network("fe80::/10"))
    assert NETWORKS.parse(NETWORKS.show(found)) == found
    with pytest.raises(ValueError, match="without bits behind its mask, such as 10.0.0.0/8"):
        NETWORKS.parse("10.0.0.1/8")
    with pytest.raises(ValueError, match="an address or a network such as 10.0.0.0/8"):
        NETWORKS.parse("localhost")


def test_keys_and_files():
    assert KEY.parse(f" {TEXT} ") == TEXT == KEY_OR_FILE.parse(TEXT)
    with pytest.raises(ValueError, match="found 3 characters, expected a key"):
        KEY.parse("key")
    assert KEY_OR_FILE.parse("keys/server.key") == "keys/server.key"
    assert (ALLOW.parse("Any"), ALLOW.parse("keys")) == ("any", "keys")


@pytest.mark.parametrize(
    ("address", "options", "word"),
    [
        ("tcp://0.0.0.0:1", {}, "exposed"),
        ("tcp://*:1", {"open": True}, "open"),
        ("tcp://somewhere:1", {"addresses": NETWORKS.parse("10.0.0.0/8")}, "addresses"),
        ("tcp://[::]:1", {"curve_secret": "file"}, "curve"),
        ("tcp://127.0.0.1:1", {"plain_users": "file"}, "plain"),
        ("tcp://127.1.2.3:1", {}, "local"),
        ("tcp://[::1]:1", {}, "local"),
        ("tcp://LocalHost:1", {"open": True}, "local"),
        ("ipc:///tmp/x", {}, "local"),
    ],
)
def test_what_protects_a_listener(address, options, word):
    assert protection(address, ZmtpListenerOptions(**options)) == word


def test_other_protocols_have_no_keys():
    assert protection("tcp://*:1", ListenerOptions()) == "exposed"
