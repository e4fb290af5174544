"""What only the thread decides; what it sends and receives is tested with the client."""

import pytest
import zmq

from ccproxy.client import CannotConfirm, Client, ClientLimits, InDoubt, connection
from tests.client.fake_server import TIMEOUT, FakeServer


def test_the_client_names_itself_in_the_handshake():
    with FakeServer() as server, Client(server.address) as client:
        peer = server.accept()
        assert peer.producer == client._producer.id


def test_a_libzmq_that_cannot_announce_gets_no_receipts(monkeypatch):
    setsockopt = zmq.Socket.setsockopt

    def old(socket: zmq.Socket, option: int, value: object) -> None:
        if option == zmq.METADATA:
            raise zmq.ZMQError(zmq.EINVAL)
        setsockopt(socket, option, value)

    monkeypatch.setattr(zmq.Socket, "setsockopt", old)
    with FakeServer() as server, Client(server.address) as client:
        peer = server.accept()
        assert peer.producer is None
        with pytest.raises(CannotConfirm, match="cannot ask for receipts"):
            client.publish("a.b", {}, confirm=True)
        client.publish("a.b", {})
        assert peer.read()[1] == b"a.b"


def test_a_thread_that_fails_leaves_nobody_waiting(monkeypatch):
    with FakeServer() as server:
        client = Client(server.address, limits=ClientLimits(linger=0.0, greeting=TIMEOUT))
        future = client.publish("a.b", {}, confirm="later")
        failures = []
        monkeypatch.setattr("threading.excepthook", failures.append)
        monkeypatch.setattr(client._producer, "hear", None)
        server.greeted()
        assert isinstance(future.exception(TIMEOUT), ConnectionError)
        client._thread._thread.join(TIMEOUT)
        assert [one.exc_type for one in failures] == [TypeError]
        with pytest.raises(InDoubt, match="1 with receipt wanted were never sent"):
            client.close()


def test_a_server_with_another_mechanism_is_tried_again(monkeypatch):
    """libzmq itself never does that."""
    monkeypatch.setattr(connection, "SHORTEST_WAIT", 0.01)
    with FakeServer() as server, Client(server.address, timeout=TIMEOUT) as client:
        server.answered_with(b"CURVE")
        peer = server.greeted()
        future = client.publish("a.b", {}, confirm="later")
        peer.read_word()
        peer.acknowledge(*peer.read_numbers(1))
        assert future.result(TIMEOUT).number == 1
        assert client.problem == ""
