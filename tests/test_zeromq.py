"""Sockets for command lines, beside sockets of libzmq."""

import threading
import time
from types import SimpleNamespace

import pytest
import zmq

from ccproxy.zeromq import opened, received, send


@pytest.fixture
def subscriber():
    """A SUB of libzmq with one topic, in a thread; what comes first is kept in `came`."""
    found = SimpleNamespace(came=[], end=threading.Event())
    with zmq.Context() as context, context.socket(zmq.SUB) as far:
        far.linger = 0
        found.address = f"tcp://127.0.0.1:{far.bind_to_random_port('tcp://127.0.0.1')}"
        far.subscribe(b"top")

        def work():
            while not found.came and not found.end.is_set():
                if far.poll(10):
                    found.came.append(far.recv_multipart())

        thread = threading.Thread(target=work)
        thread.start()
        yield found
        found.end.set()
        thread.join()


def test_a_publisher_waits_for_the_subscriber_of_its_topic(subscriber):
    with (
        opened("xpub", subscriber.address) as publisher,
        pytest.raises(TimeoutError, match="no subscriber of this topic"),
    ):
        send(publisher, [b"other"], time.monotonic() + 0.1)
    with opened("xpub", subscriber.address) as publisher:
        send(publisher, [b"topic", b"1"], time.monotonic() + 60)
    while not subscriber.came:
        time.sleep(0.005)
    assert subscriber.came == [[b"topic", b"1"]]


def test_a_message_is_not_sent_into_nothing():
    with opened("push", "tcp://127.0.0.1:1") as made, pytest.raises(TimeoutError):
        send(made, [b"x"], time.monotonic() + 0.05)


def test_messages_until_none_comes():
    with zmq.Context() as context, context.socket(zmq.PUSH) as far:
        far.linger = 0
        port = far.bind_to_random_port("tcp://127.0.0.1")
        with opened("pull", f"tcp://127.0.0.1:{port}") as made:
            for number in range(2):
                far.send_multipart([b"%d" % number, b""])
            found = received(made, 6.0)
            assert list(found) == [[b"0", b""], [b"1", b""]]
