"""The contract of a protocol: what the base class answers."""

import pytest

from ccproxy.protocol import ListenerOptions, MessageProtocol


def test_a_protocol_may_do_without_a_listener_and_without_services():
    bare = MessageProtocol("bare")
    assert bare.Options is ListenerOptions
    assert list(bare.check(None)) == []
    assert bare.service("tcp://h:1", 9) is None
    with pytest.raises(NotImplementedError, match="protocol bare has no listener"):
        bare.listener(None, None)
