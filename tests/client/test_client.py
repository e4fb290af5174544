import itertools
import json
import queue
import socket
import threading
import time
from contextlib import closing, contextmanager

import pytest
import zmq

from ccproxy.client import HIGH_WATER_MARK, Client, ClientLimits
from ccproxy.wire import cc

CODEC = cc.CcCodec("server", lambda: 2.0)
TIMEOUT = 60.0
"""Seconds after which a test gives up; nothing takes that long."""


class Router:
    """A server of bare libzmq: a thread that hands each message to `answer`."""

    def __init__(self, context: zmq.Context, answer, host: str = "127.0.0.1") -> None:
        self.seen: queue.Queue[list[bytes]] = queue.Queue()
        self._answer = answer
        self._socket = context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._quit = context.socket(zmq.PAIR)
        self._quit.bind(f"inproc://quit-{id(self)}")
        self._end = context.socket(zmq.PAIR)
        self._end.connect(f"inproc://quit-{id(self)}")
        self._socket.setsockopt(zmq.IPV6, int("[" in host))
        port = self._socket.bind_to_random_port(f"tcp://{host}")
        self.address = f"tcp://{host}:{port}"
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _run(self) -> None:
        poller = zmq.Poller()
        poller.register(self._socket, zmq.POLLIN)
        poller.register(self._end, zmq.POLLIN)
        while self._end not in dict(poller.poll()):
            frames = self._socket.recv_multipart()
            for reply in self._answer(frames) or ():
                self._socket.send_multipart(reply)
            self.seen.put(frames)
        self._end.close()
        self._socket.close()

    def stop(self) -> None:
        self._quit.send(b"")
        self._thread.join(TIMEOUT)
        self._quit.close()


@contextmanager
def server(answer=lambda frames: None, host="127.0.0.1"):
    context = zmq.Context()
    router = Router(context, answer, host)
    try:
        yield router
    finally:
        router.stop()
        context.term()


def reply(frames: list[bytes], type: str = "reply", value: dict | None = None, blob=None):
    """A reply along the whole route of a request."""
    route = frames[: frames.index(b"")]
    return cc.frames(route, type, CODEC.encode(type, value or {}, blob))


def test_publish_sends_the_frames_of_cc():
    with server() as router, Client(router.address, hostname="me", identity=b"id-1") as client:
        client.publish("pub.x", {"n": 1}, b"data")
        client.publish("log.info", {})
        first, second = router.seen.get(timeout=TIMEOUT), router.seen.get(timeout=TIMEOUT)
        assert (first[:3], first[4:]) == ([b"id-1", b"", b"pub.x"], [b"", b"data"])
        value = json.loads(first[3])
        assert abs(value.pop("time") - time.time()) < 60
        assert value == {"req": "pub.x", "hostname": "me", "n": 1, "blob_hash": ""}
        assert second[4:] == [b""]


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="no IPv6 on this host")
def test_a_server_with_an_ipv6_address():
    with (
        server(lambda frames: [reply(frames)], "[::1]") as router,
        Client(router.address) as client,
    ):
        assert client.request("a.b", {}, timeout=TIMEOUT).type == "reply"


def test_request_ids_are_those_of_the_original():
    with server(lambda frames: [reply(frames)]) as router, Client(router.address) as client:
        for number in (1, 2, 3):
            client.request("echo.request", {})
            frames = router.seen.get(timeout=TIMEOUT)
            assert frames[1:3] == [b"Q%06d" % number, b""]


def test_ids_start_again_after_six_digits():
    with server(lambda frames: [reply(frames)]) as router, Client(router.address) as client:
        client._numbers = itertools.count(999_998)
        for expected in (b"Q999999", b"Q000001"):
            client.request("a", {})
            assert router.seen.get(timeout=TIMEOUT)[1] == expected


def test_the_answer_has_value_blob_and_payload():
    answer = lambda frames: [reply(frames, "reply.a", {"x": 1}, b"blob")]  # noqa: E731
    with server(answer) as router, Client(router.address) as client:
        found = client.request("a", {})
        assert (found.type, found.value["x"], found.blob) == ("reply.a", 1, b"blob")
        assert found.value["hostname"] == "server"
        assert found.payload[1:] == (b"", b"blob")


def test_no_answer_is_a_timeout():
    with server() as router, Client(router.address) as client:
        with pytest.raises(TimeoutError, match=r"no answer to a\.b in 0.05 s"):
            client.request("a.b", {}, timeout=0.05)
        assert client._asked == {}


def test_late_and_foreign_answers_are_ignored():
    def answer(frames):
        known = reply(frames)
        return [
            [known[0], b"Q999999", *known[2:]],
            [known[0], b"x", *known[1:]],
            [known[0], b"no delimiter"],
            known,
            known,
        ]

    with server(answer) as router, Client(router.address) as client:
        client.request("a", {})
        client.request("b", {})
        assert client.ignored >= 6


def test_an_answer_that_cannot_be_read_is_a_value_error():
    def answer(frames):
        return [[*frames[:3], b"reply", b"not json", b""]]

    with (
        server(answer) as router,
        Client(router.address) as client,
        pytest.raises(ValueError, match="not a JSON object"),
    ):
        client.request("a", {})


def test_a_stream_ends_after_silence():
    def answer(frames):
        return [reply(frames, "part", {"n": number}) for number in range(3)]

    with server(answer) as router, Client(router.address) as client:
        parts = [one.value["n"] for one in client.stream("a", {}, timeout=6.0)]
        assert parts == [0, 1, 2]
        assert client._asked == {}


def test_a_stream_without_any_answer_is_a_timeout():
    with (
        server() as router,
        Client(router.address, timeout=0.05) as client,
        pytest.raises(TimeoutError),
    ):
        list(client.stream("a", {}))


def test_a_stream_can_be_left_early():
    def answer(frames):
        return [reply(frames, "part", {"n": number}) for number in range(1000)]

    with server(answer) as router, Client(router.address) as client:
        with closing(client.stream("a", {})) as parts:
            assert next(parts).value["n"] == 0
        assert client._asked == {}


def test_many_threads_get_their_own_answers():
    def answer(frames):
        asked = json.loads(frames[frames.index(b"") + 2])
        return [reply(frames, "reply", {"n": asked["n"]})]

    wrong: list[object] = []

    def work(client: Client, start: int) -> None:
        for number in range(start, start + 50):
            if client.request("a", {"n": number}).value["n"] != number:
                wrong.append(number)

    with server(answer) as router, Client(router.address) as client:
        threads = [
            threading.Thread(target=work, args=(client, 1000 * one), daemon=True)
            for one in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT)
        assert not any(thread.is_alive() for thread in threads)
        assert wrong == []
        assert client.ignored == 0


@pytest.fixture
def unheard() -> str:
    """An address where no server listens."""
    with zmq.Context() as context, context.socket(zmq.ROUTER) as taken:
        port = taken.bind_to_random_port("tcp://127.0.0.1")
    return f"tcp://127.0.0.1:{port}"


def publish_until_full(client: Client, wait: float = 0.0) -> int:
    """How many messages were taken before there was no room."""
    for number in range(10 * HIGH_WATER_MARK):
        try:
            client.publish("a", {}, wait=wait)
        except ConnectionError as error:
            assert "no room to send: 10 messages wait" in str(error)  # noqa: PT017
            return number
    raise AssertionError("the queue has no end")


def test_without_a_server_publish_ends_in_an_error(unheard):
    with Client(unheard, limits=ClientLimits(queue=10, linger=0.0)) as client:
        # A patient sender fills libzmq's part too; how much that is, libzmq does not promise.
        assert publish_until_full(client, wait=0.2) >= 10


def test_what_waits_is_sent_when_the_server_comes(unheard):
    with Client(unheard, limits=ClientLimits(queue=10, linger=0.0)) as client:
        taken = publish_until_full(client, wait=0.2)
        with zmq.Context() as context, context.socket(zmq.ROUTER) as late:
            late.setsockopt(zmq.LINGER, 0)
            late.bind(unheard)
            for _ in range(taken):
                assert late.poll(1000 * TIMEOUT), "a message was lost"
                late.recv_multipart()
            client.publish("last", {}, wait=TIMEOUT)
            assert late.poll(1000 * TIMEOUT)
            assert late.recv_multipart()[2] == b"last"


def test_close_sends_what_waits():
    with server() as router:
        with Client(router.address, limits=ClientLimits(linger=TIMEOUT)) as client:
            for _ in range(500):
                client.publish("a", {})
        for _ in range(500):
            router.seen.get(timeout=TIMEOUT)


def test_close_is_bounded_and_may_be_repeated(unheard):
    client = Client(unheard, limits=ClientLimits(linger=0.1))
    client.publish("a", {})
    begin = time.monotonic()
    client.close()
    client.close()
    assert time.monotonic() - begin < 30.0


def test_a_closed_client_says_so(unheard):
    client = Client(unheard, limits=ClientLimits(linger=0.0))
    client.close()
    with pytest.raises(ConnectionError, match="closed"):
        client.publish("a", {})
    with pytest.raises(ConnectionError, match="closed"):
        client.request("a", {})


def test_closing_ends_open_requests(unheard):
    client = Client(unheard, limits=ClientLimits(linger=0.0))
    found: queue.Queue[Exception] = queue.Queue()

    def ask() -> None:
        try:
            client.request("a", {}, timeout=60.0)
        except ConnectionError as error:
            found.put(error)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    while not client._asked:
        thread.join(0.01)
    client.close()
    assert "closed" in str(found.get(timeout=TIMEOUT))
    thread.join(TIMEOUT)


@pytest.mark.parametrize("address", ["", "tcp://", "nonsense", "tcp://127.0.0.1:x"])
def test_an_address_that_is_none_is_a_value_error(address):
    with pytest.raises(ValueError, match="cannot connect"):
        Client(address)


def test_what_cc_cannot_carry_is_a_value_error(unheard):
    with Client(unheard, limits=ClientLimits(linger=0.0)) as client:
        with pytest.raises(ValueError, match="invalid message type"):
            client.publish("a b", {})
        with pytest.raises(ValueError, match="cannot carry"):
            client.request("a", {"x": b"bytes"})
        assert client._asked == {}
