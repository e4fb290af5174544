"""The question to a server of its own: what is asked, and when it is over."""

import socket

import pytest
import zmq

from ccproxy.client.ready import ReadyQuestion
from ccproxy.wire.receipts import GIVEN, PROPERTY
from tests.client.fake_server import TIMEOUT


def asked(endpoint):
    """The answer to a question."""
    question, poller = ReadyQuestion(endpoint), zmq.Poller()
    try:
        for _ in range(1000):
            poller.register(question.socket, question.events)
            assert poller.poll(1000 * TIMEOUT)
            if question.step():
                return question.answer
        raise AssertionError("no end")
    finally:
        question.close()


@pytest.mark.parametrize(
    ("said", "answer"), [(GIVEN, True), (b"1;x=2", True), (b"", False), (b"2", False)]
)
@pytest.mark.parametrize("bind", ["tcp://127.0.0.1:*", "tcp://[::1]:*", "ipc:///TMP/socket"])
def test_any_server_answers(said, answer, bind, tmp_path):
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        router.setsockopt(zmq.IPV6, 1)
        if said:
            router.setsockopt(zmq.METADATA, PROPERTY + b":" + said)
        router.bind(bind.replace("/TMP", str(tmp_path)))
        assert asked(router.getsockopt(zmq.LAST_ENDPOINT).rstrip(b"\0").decode()) is answer


@pytest.mark.parametrize("words", [b"", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def test_a_server_that_does_not_speak_zmtp_gives_no_answer(words):
    with socket.create_server(("127.0.0.1", 0)) as server:
        question = ReadyQuestion(f"tcp://0.0.0.0:1;127.0.0.1:{server.getsockname()[1]}")
        made, _ = server.accept()
        made.sendall(words)
        made.close()
        over = False
        poller = zmq.Poller()
        poller.register(question.socket, zmq.POLLIN)
        while not over:
            assert poller.poll(1000 * TIMEOUT)
            over = question.step()
        assert question.answer is None
        question.close()


@pytest.mark.parametrize("endpoint", ["inproc://x", "tcp://127.0.0.1", "tipc://{1,2,3}", "x"])
def test_other_addresses_are_those_of_libzmq_alone(endpoint):
    with pytest.raises(ValueError, match="neither tcp nor ipc"):
        ReadyQuestion(endpoint)


def test_an_address_where_nothing_is_can_be_asked_again(tmp_path):
    with pytest.raises(OSError, match="No such file"):
        ReadyQuestion(f"ipc://{tmp_path}/none")
