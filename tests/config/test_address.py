"""Addresses: what is read, what is refused and why, and which two cannot be listened on."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.config.address import FORMS, SPELLINGS, Address


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("tcp://127.0.0.1:22632", "127.0.0.1", 22632),
        ("tcp://*:22632", "*", 22632),
        ("tcp://localhost:0", "localhost", 0),
        ("tcp://db-1.example.org.:5", "db-1.example.org.", 5),
        ("tcp://[::1]:80", "::1", 80),
        ("tcp://[fe80::1%eth0]:80", "fe80::1%eth0", 80),
        ("tcp://host_1:*", "host_1", 0),
    ],
)
def test_tcp(text, host, port):
    address = Address.parse(text)
    assert (address.scheme, address.host, address.port) == ("tcp", host, port)
    assert address.text == text


def test_ipc_takes_any_path():
    assert Address.parse("ipc:///tmp/x.sock").path == "/tmp/x.sock"
    assert Address.parse("ipc://@abstract").path == "@abstract"


@pytest.mark.parametrize(
    "text",
    [
        "", "tcp", "tcp:/x:1", "127.0.0.1:1", "udp://h:1", "tcp://h", "tcp://h:", "tcp://:1",
        "tcp://h:65536", "tcp://h:-1", "tcp://h:1 2", "tcp://h:\u0663", "tcp://1.2.3:1",
        "tcp://1.2.3.256:1", "tcp://::1:1", "tcp://[::1]", "tcp://[::1", "tcp://[x]:1",
        "tcp://a b:1", "tcp://-a:1", "tcp://a..b:1", "ipc://", "ipc://@", "ipc://a\nb",
        "ipc://" + "x" * 108, "inproc://x", "tcp://h:000001", "TCP://h:1",
    ],
)  # fmt: skip
def test_refused_with_what_was_found_and_expected(text):
    with pytest.raises(ValueError, match=r"^found .*, expected "):
        Address.parse(text)


@pytest.mark.parametrize(
    ("text", "ours"),
    [
        ("socket://localhost:9000", "tcp://localhost:9000"),
        ("socket://localhost:9000/", "tcp://localhost:9000"),
        ("socket://*:*", "tcp://*:0"),
        ("socket://[::1]:80", "tcp://[::1]:80"),
        ("localsocket:/run/x.sock", "ipc:///run/x.sock"),
        (" localsocket:///run/x.sock/ ", "ipc:///run/x.sock"),
        ("tcp://h:1", "tcp://h:1"),
        ("ipc://@name", "ipc://@name"),
    ],
)
def test_a_listener_takes_the_spellings_of_jolie(text, ours):
    address = Address.listening(text)
    assert (str(address), address.text) == (ours, ours)
    assert address == Address.parse(ours)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("socket://h:9000/!/Sum", "nothing behind the port"),
        ("socket://h:9000/api", "nothing behind the port"),
        ("socket:h:9000", "two slashes"),
        ("socket://h", "socket://HOST:PORT"),
        ("socket://::1:80", "brackets"),
        ("localsocket:abs:/x", "ipc://@NAME for a name without a file"),
        ("localsocket://abs/x", "ipc://@NAME for a name without a file"),
        ("localsocket:x", "whole path"),
        ("localsocket://x/y", "whole path"),
        ("localsocket:/", "whole path"),
        ("localsocket:", "whole path"),
        ("localsocket:/x/!/Sum", "nothing behind the file"),
        ("localsocket:/" + "x" * 107, "at most 107 bytes"),
        ("udp://h:1", ", ".join(SPELLINGS)),
        ("", "an address such as tcp://HOST:PORT"),
    ],
)
def test_what_a_listener_cannot_have(text, expected):
    with pytest.raises(ValueError, match=r"^found .*, expected ") as error:
        Address.listening(text)
    assert expected in str(error.value)


def test_only_listeners_take_them():
    for text in ("socket://h:1", "localsocket:/x"):
        with pytest.raises(ValueError, match="expected "):
            Address.parse(text)


def test_names_without_a_file():
    assert Address.parse("ipc:///x").file == "/x"
    assert Address.parse("ipc://@x").file == Address.parse("tcp://h:1").file == ""
    assert Address.parse("ipc:///x").unix == "/x"
    assert Address.parse("ipc://@x").unix == "\0x"


@pytest.mark.parametrize("text", ["tcp://*:1", "tcp://h:0", "tcp://h:*"])
def test_what_can_only_be_listened_on(text):
    assert Address.parse(text)
    with pytest.raises(ValueError, match="connect"):
        Address.remote(text)


@pytest.mark.parametrize(
    ("one", "two", "clash"),
    [
        ("tcp://a:1", "tcp://a:1", True),
        ("tcp://a:1", "tcp://A:1", True),
        ("tcp://a:1", "tcp://b:1", False),
        ("tcp://a:1", "tcp://a:2", False),
        ("tcp://*:1", "tcp://a:1", True),
        ("tcp://a:1", "tcp://0.0.0.0:1", True),
        ("tcp://localhost:1", "tcp://127.0.0.1:1", True),
        ("tcp://a:0", "tcp://a:0", False),
        ("ipc://a", "ipc://a", True),
        ("ipc://a", "ipc://b", False),
        ("ipc://a", "tcp://a:1", False),
    ],
)
def test_clashes(one, two, clash):
    assert Address.parse(one).clashes(Address.parse(two)) is clash
    assert Address.parse(two).clashes(Address.parse(one)) is clash


@pytest.mark.parametrize(
    ("one", "listening", "same"),
    [
        ("tcp://127.0.0.1:1", "tcp://*:1", True),
        ("tcp://localhost:1", "tcp://127.0.0.1:1", True),
        ("tcp://Here:1", "tcp://here:1", True),
        ("tcp://10.0.0.1:1", "tcp://0.0.0.0:1", False),  # perhaps, but it cannot be known
        ("tcp://127.0.0.1:1", "tcp://127.0.0.1:2", False),
        ("ipc:///a", "ipc:///a", True),
    ],
)
def test_a_link_to_our_own_listener_is_found(one, listening, same):
    assert Address.parse(one).leads_to(Address.parse(listening)) is same


def test_equality_is_by_meaning_not_by_spelling():
    assert Address.parse("tcp://[::0001]:1") == Address.parse("tcp://[::1]:1")


hosts = st.one_of(
    st.just("*"),
    st.ip_addresses(v=4).map(str),
    st.ip_addresses(v=6).map(lambda host: f"[{host}]"),
    st.from_regex(r"[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,8}){0,2}", fullmatch=True),
)


@given(hosts, st.integers(0, 65535))
def test_what_is_shown_can_be_read_again(host, port):
    address = Address.parse(f"tcp://{host}:{port}")
    assert Address.parse(str(address)) == address


@given(st.text(max_size=40))
def test_any_text_is_an_address_or_a_value_error(text):
    try:
        address = Address.parse(text)
    except ValueError:
        return
    assert address.scheme in FORMS
    assert Address.parse(str(address)) == address
