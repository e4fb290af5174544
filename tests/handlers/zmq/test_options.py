"""The options of the handler `zmq` and those of its listeners."""

import pytest

from ccproxy.testing import options_for
from ccproxy_handlers.zmq.handler import Zmq


def test_the_limits_of_the_section_hold_for_each_peer():
    options = options_for(
        Zmq, "socket = xpub\nbind = tcp://127.0.0.1:1\nqueue = 2K\non-full = block\nmax-peers = 3"
    )
    listener = options.listener
    assert listener.limits == options.limits and listener.max_peers == 3
    assert listener.frame_limits == options.frame_limits and listener.pings == options.pings


def test_several_addresses():
    options = options_for(Zmq, "socket = pub\nbind = tcp://*:1, ipc:///tmp/x\n")
    assert options.bind == ("tcp://*:1", "ipc:///tmp/x")
    with pytest.raises(ValueError, match="expected xpub"):
        options_for(Zmq, "socket = pull\nbind = tcp://*:1")
