"""Connections by name."""

from ccproxy.testing import message
from ccproxy_handlers.ssmmp.manager.peers import Peers


def test_a_name_is_the_whole_route():
    peers = Peers()
    near = peers.name_of(message("ssmmp.x", {"text": "x"}, route=(b"gate",)))
    far = peers.name_of(message("ssmmp.x", {"text": "x"}, route=(b"gate", b"node-7")))
    other = peers.name_of(message("ssmmp.x", {"text": "x"}, route=(b"g", b"ate")))
    assert len({near, far, other}) == len(peers) == 3
    assert sorted(peers.names()) == sorted([near, far, other])
    assert peers.behind(b"gate") == [near, far]
    assert peers.find(far).route == (b"gate", b"node-7")
    assert peers.find(far).payload == (), "texts are not kept"
    peers.forget(near)
    assert peers.behind(b"gate") == [far]
    peers.forget(far)
    peers.forget(far)
    assert peers.behind(b"gate") == [] and peers.find(far) is None and len(peers) == 1
