"""The options of `protocol = zmq`."""

from ccproxy.config.options import options_of
from ccproxy.protocols.zmq.options import SOCKETS, ZmqListenerOptions


def test_the_socket_and_the_type_are_needed():
    needed = {one.name for one in options_of(ZmqListenerOptions) if one.required}
    assert needed == {"socket", "type"}
    kinds = {one.name: one.kind for one in options_of(ZmqListenerOptions)}
    assert [kinds["socket"].parse(word) for word in SOCKETS] == list(SOCKETS)
    assert kinds["subscribe"].parse("a, b:c") == ("a", "b:c")
