"""The options of `protocol = zmq`."""

import pytest

from ccproxy.config.options import options_of
from ccproxy.protocols.zmq.options import SOCKETS, ZmqListenerOptions


def test_the_socket_and_the_type_are_needed():
    needed = {one.name for one in options_of(ZmqListenerOptions) if one.required}
    assert needed == {"socket", "type"}
    kinds = {one.name: one.kind for one in options_of(ZmqListenerOptions)}
    assert [kinds["socket"].parse(word) for word in SOCKETS] == list(SOCKETS)
    assert kinds["subscribe"].parse("a, b:c") == ("a", "b:c")


def test_a_socket_that_sends_has_another_place():
    [kind] = [one.kind for one in options_of(ZmqListenerOptions) if one.name == "socket"]
    with pytest.raises(ValueError, match="pub sends: it is for a section with handler = zmq"):
        kind.parse("pub")


def test_links_have_the_limits_of_the_section():
    options = ZmqListenerOptions(
        socket="sub", type="bus", connect=("tcp://h:1",), peer_queue=2048, peer_on_full="block",
        reconnect=0.5, max_message=99,
    )  # fmt: skip
    link = options.link
    assert link.limits == options.limits and link.reconnect == 0.5 and link.max_message == 99
