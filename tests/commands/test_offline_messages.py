"""Messages as listeners of each protocol would make them."""

from types import SimpleNamespace

import pytest

from ccproxy.commands.offline_messages import PEER, OfflinePeer
from ccproxy.config.links import ListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.message import NativeAnswer, Reply
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.values import Call, Fault, Tree
from ccproxy.protocols.zmq.options import ZmqListenerOptions


def listener(protocol, options):
    return ListenerPlan("listen:x", protocol, SimpleNamespace, "tcp://127.0.0.1:1", options, 1)


def zmq(socket):
    return listener("zmq", ZmqListenerOptions(socket=socket, type="bus"))


def test_a_cc_message():
    message = OfflinePeer().message("a.b", {"x": 1}, listener("cc", ListenerOptions()))
    assert message.value()["x"] == 1
    assert (message.type, message.route, message.origin) == ("a.b", (PEER,), None)
    assert message.listener == "listen:x"


def test_a_type_that_no_message_has():
    assert OfflinePeer().message("a..b", None, listener("cc", ListenerOptions())).payload == ()


@pytest.mark.parametrize(("socket", "answered"), [("xsub", 0), ("pull", 0), ("router", 1)])
def test_frames_of_zeromq(socket, answered):
    peer, place = OfflinePeer(), zmq(socket)
    delimiter = (b"",) * answered
    message = peer.message("bus", {"frames": ["one", "two"]}, place)
    assert message.payload == (*delimiter, b"one", b"two")
    assert message.value() == {"frames": [b"one", b"two"]}
    assert peer.answered_on(place) == bool(answered)


def test_a_call_and_its_answers():
    peer = OfflinePeer()
    place = listener("sodep", CallListenerOptions(type="calc"))
    message = peer.message("calc.Sum.add", {"x": 5}, place)
    [call] = message.payload
    assert (call.path, call.operation, message.value()) == ("/Sum", "add", {"x": 5})
    assert peer.message("calc.add", None, place).payload[0] == Call("/", "add", Tree())
    assert message.origin.answer(message, NativeAnswer(Fault("Wrong", Tree("why")))) == "replied"
    assert message.origin.answer(message, Reply("reply.calc.Sum.add", {"data": 8})) == "replied"
    [(type, fault), other] = peer.take()
    assert type == "reply.calc.Sum.add"
    assert fault["error"]["message"] == "Wrong"
    assert other == ("reply.calc.Sum.add", {"data": 8})
    assert peer.take() == []


def test_a_value_of_another_protocol():
    peer = OfflinePeer()
    place = listener("lines", ListenerOptions())
    message = peer.message("a", [1, "two"], place)
    assert message.value() == [1, "two"]
    assert message.blob is None
    message.origin.answer(message, Reply("b", {"x": 1}))
    assert peer.take() == [("b", {"x": 1})]
    with pytest.raises(TypeError):
        message.origin.answer(message, Reply("b", {"x": b""}))
