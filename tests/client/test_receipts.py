"""What callers are told, with a server that does right or wrong on purpose."""

import threading
from concurrent.futures import Future
from contextlib import contextmanager, suppress

import pytest
import zmq

from ccproxy.client import (
    CannotConfirm,
    Client,
    ClientLimits,
    InDoubt,
    NotConfirmed,
    Receipt,
    Refused,
)
from ccproxy.wire import cc
from ccproxy.wire import receipts as wire
from ccproxy.wire.zmtp.delivery import UNKNOWN, Forget
from tests.client.fake_server import SERVER, TIMEOUT, FakePeer, FakeServer

LIMITS = ClientLimits(linger=0.0, greeting=TIMEOUT)
CODEC = cc.CcCodec("server", lambda: 2.0)


@contextmanager
def pair(limits=LIMITS, **options):
    """A client, and the server that it is connected to."""
    with FakeServer() as server:
        client = Client(server.address, limits=limits, timeout=TIMEOUT, **options)
        try:
            yield client, server
        finally:
            with suppress(InDoubt):  # many tests leave messages without a receipt
                client.close()


def later(client: Client, count: int = 1) -> list[Future]:
    return [client.publish("a.b", {"n": n}, confirm="later") for n in range(count)]


def called(call) -> Future:
    """What a call in a thread of its own returns or raises."""
    found: Future = Future()

    def run() -> None:
        try:
            found.set_result(call())
        except BaseException as error:
            found.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return found


def ends(future: Future) -> BaseException | None:
    return future.exception(TIMEOUT)


def has_heard(client: Client, peer: FakePeer) -> None:
    """Wait until the client has read everything that its server has said."""
    answer = called(lambda: client.request("e.f", {}))
    request = peer.read()
    peer.send(cc.frames(request[:1], "reply", CODEC.encode("reply", {})))
    assert answer.result(TIMEOUT).type == "reply"


def test_a_receipt_says_kind_epoch_and_number():
    with pair() as (client, server):
        found = called(lambda: client.publish("a.b", {}, b"blob", confirm=True))
        peer = server.greeted()
        epoch = peer.producer.opening
        assert peer.read_word() == wire.Announcement(epoch, 1, peer.token)
        frames = peer.read()
        assert frames[:3] == [wire.number_frame(1), b"", b"a.b"]
        assert frames[4:] == [b"", b"blob"]
        peer.acknowledge(1)
        assert found.result(TIMEOUT) == Receipt("safe", epoch, 1)


def test_one_acknowledgement_answers_for_many():
    with pair() as (client, server):
        futures = later(client, 3)
        peer = server.greeted()
        peer.read_word()
        assert peer.read_numbers(3) == [1, 2, 3]
        peer.acknowledge(2, wire.HANDED)
        assert [one.result(TIMEOUT).number for one in futures[:2]] == [1, 2]
        assert futures[0].result().kind == "handed"
        assert not futures[2].done()
        peer.acknowledge(3)
        assert futures[2].result(TIMEOUT).kind == "safe"


def test_what_is_refused_has_a_reason():
    with pair() as (client, server):
        futures = later(client, 4)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(4)
        peer.refuse(2, 1, "full")
        peer.refuse(4, 1, UNKNOWN)
        peer.acknowledge(4)
        assert isinstance(ends(futures[3]), InDoubt)
        assert futures[2].result(TIMEOUT).number == 3
        assert futures[0].result(TIMEOUT).number == 1
        error = ends(futures[1])
        assert isinstance(error, Refused)
        assert isinstance(error, NotConfirmed)
        assert error.reason == "full"


def test_after_a_cut_it_goes_on_behind_what_the_server_has():
    with pair() as (client, server):
        futures = later(client, 5)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(5)
        epoch = peer.producer.opening
        peer.acknowledge(1)
        futures[0].result(TIMEOUT)
        peer.close()
        peer = server.greeted({epoch: 3})
        assert peer.producer.opening == epoch
        # libzmq may have had messages for the old connection: they come before the announcement.
        while (frames := peer.read())[:2] != [wire.WORD, b"next"]:
            assert wire.number_of(frames[0])
        assert wire.decode(frames) == wire.Announcement(epoch, 4, peer.token)
        assert peer.read_numbers(2) == [4, 5]
        peer.acknowledge(5)
        assert [one.result(TIMEOUT).number for one in futures] == [1, 2, 3, 4, 5]


def test_a_server_that_was_restarted_gets_everything_again():
    with pair() as (client, server):
        futures = later(client, 3)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(3)
        peer.close()
        peer = server.greeted()
        assert peer.read_word().number == 1
        assert peer.read_numbers(3) == [1, 2, 3]
        peer.acknowledge(3)
        assert ends(futures[2]) is None


def test_unnumbered_messages_and_requests_work_beside():
    with pair() as (client, server):
        future = client.publish("a.b", {}, confirm="later")
        client.publish("c.d", {})
        answer = called(lambda: client.request("e.f", {}))
        peer = server.greeted()
        seen = [peer.read() for _ in range(4)]
        assert sorted(one[-3] for one in seen if one[0] != wire.WORD) == [b"a.b", b"c.d", b"e.f"]
        request = next(one for one in seen if one[-3] == b"e.f")
        peer.send(cc.frames(request[:1], "reply", CODEC.encode("reply", {})))
        assert answer.result(TIMEOUT).type == "reply"
        peer.acknowledge(1)
        assert ends(future) is None


def test_many_threads_get_their_own_receipts():
    with pair() as (client, server):
        found = [called(lambda: client.publish("a.b", {}, confirm=True).number) for _ in range(20)]
        peer = server.greeted()
        peer.read_word()
        assert peer.read_numbers(20) == list(range(1, 21))
        peer.acknowledge(20)
        assert sorted(one.result(TIMEOUT) for one in found) == list(range(1, 21))


# No answer


class Nothing:
    """What a wait returns in which nothing was done."""

    done = frozenset()


def test_without_an_answer_the_message_is_in_doubt_and_is_not_given_up(monkeypatch):
    sent = threading.Event()
    monkeypatch.setattr("ccproxy.client.client._wait", lambda *_: sent.wait(TIMEOUT) and Nothing)
    with pair() as (client, server):
        found = called(lambda: client.publish("a.b", {}, confirm=True, timeout=0.5))
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        sent.set()
        error = ends(found)
        assert isinstance(error, InDoubt), error
        assert "no receipt for a.b in 0.5 s; the message may have arrived" in str(error)
        peer.close()
        peer = server.greeted()
        peer.read_word()
        assert peer.read_numbers(1) == [1]


def test_what_was_never_sent_is_no_doubt_and_is_never_sent():
    with pair() as (client, server):
        with pytest.raises(ConnectionError, match="no receipt .* the message was not sent"):
            client.publish("a.b", {}, confirm=True, timeout=0.05)
        future = client.publish("c.d", {}, confirm="later")
        peer = server.greeted()
        assert peer.read_word().number == 2
        assert peer.read()[:3] == [wire.number_frame(2), b"", b"c.d"]
        peer.acknowledge(2)
        assert ends(future) is None


def test_a_server_that_gives_no_receipts():
    limits = ClientLimits(linger=0.0, greeting=0.05)
    with zmq.Context() as context, context.socket(zmq.ROUTER) as router:
        router.setsockopt(zmq.LINGER, 0)
        port = router.bind_to_random_port("tcp://127.0.0.1")
        with Client(f"tcp://127.0.0.1:{port}", limits=limits, timeout=TIMEOUT) as client:
            with pytest.raises(CannotConfirm, match="gives no receipts: .* was not sent"):
                client.publish("a.b", {}, confirm=True)
            with pytest.raises(CannotConfirm):
                client.publish("a.b", {}, confirm="later")
            client.publish("c.d", {})
            assert router.poll(1000 * TIMEOUT)
            assert router.recv_multipart()[2] == b"c.d"


def test_a_server_that_cannot_confirm_in_the_place_of_one_that_could():
    with pair() as (client, server):
        futures = later(client, 1)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        client._thread._limits = ClientLimits(greeting=0.05)
        peer.close()
        server.accept()
        assert server.accept().producer is None  # the question
        assert isinstance(ends(futures[0]), InDoubt)
        assert "gives no receipts" in str(ends(futures[0]))


def test_a_server_that_is_only_busy_is_waited_for():
    with pair(ClientLimits(linger=0.0, greeting=0.05)) as (client, server):
        futures = later(client, 2)
        peer = server.accept()
        server.probed()  # a question that gets no answer is put again
        question = server.accept(wire.GIVEN)
        with pytest.raises((EOFError, ConnectionError)):
            question.read()
        assert not any(one.done() for one in futures)
        peer.greet()
        peer.read_word()
        assert peer.read_numbers(2) == [1, 2]
        peer.acknowledge(2)
        assert [ends(one) for one in futures] == [None, None]


def test_a_greeting_ends_the_question():
    with pair(ClientLimits(linger=0.0, greeting=0.05)) as (client, server):
        futures = later(client, 1)
        peer = server.accept()
        question, _ = server._socket.accept()
        with question:
            peer.greet()
            peer.read_word()
            peer.read_numbers(1)
            peer.acknowledge(1)
            assert ends(futures[0]) is None
            question.settimeout(TIMEOUT)
            while question.recv(4096):
                pass


def test_a_fenced_client_ends_and_says_why():
    with pair() as (client, server):
        futures = later(client, 1)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        peer.send(wire.encode(wire.Fenced("the client at 10.0.0.2 has this producer id")))
        error = ends(futures[0])
        assert isinstance(error, InDoubt)
        assert "10.0.0.2" in str(error)
        with pytest.raises(EOFError):
            peer.read()
        with pytest.raises(ConnectionError, match=r"10\.0\.0\.2"):
            client.publish("a.b", {}, confirm=True)
        with pytest.raises(ConnectionError, match=r"10\.0\.0\.2"):
            client.publish("a.b", {})


# Wrong words

EIGHT = (8).to_bytes(8, "big")


def ack(epoch: int, number: int, kind: bytes = b"safe") -> list[bytes]:
    return [wire.WORD, b"ack", epoch.to_bytes(8, "big"), number.to_bytes(8, "big"), kind]


WRONG = {
    "an ack of a number that was never sent": lambda epoch: ack(epoch, 3),
    "an ack of a kind that is none": lambda epoch: ack(epoch, 1, b"maybe"),
    "an ack that is cut": lambda epoch: ack(epoch, 1)[:3],
    "an ack with a short number": lambda epoch: [*ack(epoch, 1)[:3], b"\1", b"safe"],
    "a have of a number that was never sent": lambda epoch: wire.encode(
        wire.Greeting(SERVER, {epoch: 9}, EIGHT)
    ),
    "a have that is cut": lambda epoch: [wire.WORD, b"have", SERVER],
    "a nack of numbers that were never sent": lambda epoch: [
        wire.WORD, b"nack", epoch.to_bytes(8, "big"), EIGHT, EIGHT, b"full",
    ],
    "a word without a name": lambda epoch: [wire.WORD],
    "a word of clients": lambda epoch: wire.encode(Forget()),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_word_is_an_error_and_no_receipt(wrong):
    with pair() as (client, server):
        futures = later(client, 2)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(2)
        peer.send(WRONG[wrong](peer.producer.opening))
        for one in futures:
            assert isinstance(ends(one), InDoubt), ends(one)
            assert "wrong receipts" in str(ends(one))
        with pytest.raises(CannotConfirm, match="wrong receipts"):
            client.publish("a.b", {}, confirm=True)
        peer.acknowledge(2)  # nothing that it says is believed any more
        peer.close()
        peer = server.greeted()
        has_heard(client, peer)
        found = client.publish("c.d", {}, confirm="later")
        assert peer.read_word().number == 3
        assert peer.read_numbers(1) == [3]
        peer.acknowledge(3)
        assert ends(found) is None


def test_words_in_front_of_a_greeting_are_no_receipts():
    with pair() as (client, server):
        futures = later(client, 1)
        peer = server.accept()
        peer.acknowledge(1)
        peer.refuse(1, 1, "full")
        peer.greet()
        peer.read_word()
        peer.read_numbers(1)
        has_heard(client, peer)
        assert not futures[0].done()
        peer.acknowledge(1)
        assert ends(futures[0]) is None


# Bounds, and the end


def test_the_number_of_unconfirmed_messages_is_bounded():
    with pair(ClientLimits(linger=0.0, greeting=TIMEOUT, unconfirmed=2)) as (client, server):
        futures = later(client, 2)
        with pytest.raises(ConnectionError, match="no room: 2 messages wait for their receipts"):
            client.publish("a.b", {}, confirm="later", timeout=0.0)
        third = called(lambda: client.publish("a.b", {}, confirm=True))
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(2)
        peer.acknowledge(1)
        assert ends(futures[0]) is None
        assert peer.read_numbers(1) == [3]
        peer.acknowledge(3)
        assert third.result(TIMEOUT).number == 3


def test_their_bytes_are_bounded():
    limits = ClientLimits(linger=0.0, greeting=TIMEOUT, unconfirmed_bytes=10_000)
    with pair(limits) as (client, _):
        client.publish("a.b", {}, bytes(6000), confirm="later")
        with pytest.raises(ConnectionError, match="no room: 1 messages"):
            client.publish("a.b", {}, bytes(6000), confirm="later", timeout=0.0)
        with pytest.raises(ValueError, match="unconfirmed_bytes is 10000"):
            client.publish("a.b", {}, bytes(20_000), confirm="later")


def test_a_call_out_of_a_callback_waits_for_no_room():
    with pair(ClientLimits(linger=0.0, greeting=TIMEOUT, unconfirmed=1)) as (client, server):
        first = client.publish("a.b", {}, confirm="later")
        seen: Future = Future()

        def again(_: Future) -> None:
            with pytest.raises(RuntimeError, match="wait for itself"):
                client.publish("a.b", {}, confirm=True)
            client.publish("a.b", {}, confirm="later")
            try:
                client.publish("a.b", {}, confirm="later")
            except ConnectionError as error:
                seen.set_result(str(error))

        first.add_done_callback(again)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        peer.acknowledge(1)
        assert "no room" in seen.result(TIMEOUT)


def test_what_confirm_may_be():
    with pair() as (client, _), pytest.raises(ValueError, match="confirm is 'soon', expected"):
        client.publish("a.b", {}, confirm="soon")


def test_a_future_cannot_be_cancelled():
    with pair() as (client, _):
        [future] = later(client)
        assert not future.cancel()


def test_close_waits_for_receipts_and_says_goodbye():
    with pair(ClientLimits(linger=TIMEOUT, greeting=TIMEOUT)) as (client, server):
        [future] = later(client)
        closed = called(client.close)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        peer.acknowledge(1)
        assert closed.result(TIMEOUT) is None
        assert future.result().number == 1
        assert peer.read_word() == Forget()


def test_close_says_what_is_in_doubt():
    with pair() as (client, server):
        [future] = later(client)
        peer = server.greeted()
        peer.read_word()
        peer.read_numbers(1)
        with pytest.raises(InDoubt, match="1 messages that may have arrived have no receipt, 0 "):
            client.close()
        assert isinstance(ends(future), InDoubt)
        client.close()
        with pytest.raises(EOFError):
            peer.read()
        with pytest.raises(ConnectionError, match="closed"):
            client.publish("a.b", {}, confirm=True)


def test_close_says_what_was_never_sent():
    with pair() as (client, _):
        [future] = later(client)
        with pytest.raises(InDoubt, match="0 messages .* 1 with receipt wanted were never sent"):
            client.close()
        assert isinstance(ends(future), ConnectionError)


def test_the_error_that_ends_a_block_is_not_hidden():
    def failing() -> None:
        with FakeServer() as server, Client(server.address, limits=LIMITS) as client:
            later(client)
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        failing()
