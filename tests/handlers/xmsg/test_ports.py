"""The ports of a proxy follow from the first one."""

import pytest

from ccproxy_handlers.xmsg.ports import BLOCK, REMOTE_BLOCK, beside


@pytest.mark.parametrize(
    ("text", "parsed"),
    [("tcp://*:7771", "tcp://*:7771"), ("socket://10.0.0.1:1/", "tcp://10.0.0.1:1")],
)
def test_the_address_of_a_block(text, parsed):
    assert BLOCK.parse(text) == parsed


@pytest.mark.parametrize("text", ["ipc:///tmp/x", "tcp://*:0", "tcp://*:65532", "7771"])
def test_what_no_block_begins_with(text):
    with pytest.raises(ValueError, match="expected"):
        BLOCK.parse(text)


def test_a_block_to_connect_to_has_a_host():
    assert REMOTE_BLOCK.parse("tcp://dpe:7771") == "tcp://dpe:7771"
    with pytest.raises(ValueError, match="a host to connect to"):
        REMOTE_BLOCK.parse("tcp://*:7771")


def test_addresses_beside():
    assert beside("tcp://*:7771", 1) == "tcp://*:7772"
    assert beside("tcp://[::1]:7771", 4) == "tcp://[::1]:7775"
