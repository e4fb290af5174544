"""A registrar as a process, asked over real sockets: recorded requests, any requests, kill -9."""

import json
import random
import socket
import sys
import threading
from itertools import count
from pathlib import Path

import pytest
import zmq

from ccproxy_handlers.xmsg.messages import classes

XMSG = Path(__file__).parents[1] / "handlers" / "xmsg"
VECTORS = Path(__file__).parents[1] / "vectors" / "xmsg"
sys.path.insert(0, str(XMSG))
from naive import NaiveRegistrar  # noqa: E402

del sys.path[0]

MESSAGE = classes("bytes")["Registration"]
INI = """
[ccserver]
cc-role = local
[h:registrar]
handler = xmsg-registrar
address = tcp://127.0.0.1:PORT1
"""
KEPT = INI + "state = records.db\n"
TIMEOUT = 60_000


def record(name=b"n", domain=b"A", subject=b"B", type=b"C", host=b"h", port=1, **more):
    return MESSAGE(
        name=name, domain=domain, subject=subject, type=type, host=host, port=port, **more
    ).SerializeToString()


class Client:
    """A REQ socket."""

    def __init__(self, address):
        self._socket = zmq.Context.instance().socket(zmq.REQ)
        self._socket.linger = 0
        self._socket.rcvtimeo = TIMEOUT
        self._socket.connect(address)

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._socket.close()

    def ask(self, *frames):
        """The frames of the answer."""
        self._socket.send_multipart(frames)
        return self._socket.recv_multipart()

    def records(self, action, data=b""):
        """The records of an answer, which is a success."""
        first, _, status, *records = self.ask(action.encode(), b"test", data)
        assert (first.decode(), status) == (action, b"success")
        return sorted(records)


@pytest.fixture
def running(start):
    return start(INI)


@pytest.mark.parametrize("name", ["registrar", "registrar-probe", "clara-registrar"])
def test_what_the_original_answered(running, name):
    with Client(running.address()) as client:
        for vector in json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["vectors"]:
            frames = [bytes.fromhex(one) for one in vector["frames"]]
            first, _, status, *records = client.ask(*frames)
            answer = vector["answer"]
            if "required" in answer:  # the original dies of it
                assert first == frames[0]
                assert (status == b"success") == ("with the current records" in answer["required"])
            elif isinstance(answer, list):
                expected = [bytes.fromhex(one) for one in answer[0]["frames"]]
                assert [first, status] == [expected[0], expected[2]]
                assert sorted(records) == sorted(expected[3:])
            else:
                assert first.decode() == answer["topic"]
                assert (status == b"success") == (answer["status"] == "success")
                assert sorted(one.hex() for one in records) == sorted(answer["records"])


def test_it_answers_as_a_naive_registrar(running):
    choose = random.Random(7).choice
    naive = NaiveRegistrar()
    kinds = ("Publisher", "Subscriber")
    actions = [f"{word}{kind}" for kind in kinds for word in ("find", "filter", "exact", "all")]
    actions += [f"register{kind}" for kind in kinds] * 4
    actions += [f"remove{kind}Registration" for kind in kinds]
    with Client(running.address()) as client:
        for number in range(2000):
            words = [choose([b"A", b"AB", b"B", b"*", b"A:B", b"x"]) for _ in range(3)]
            data = record(
                choose([b"n", b"m"]), *words, choose([b"h1", b"h2", b"undefined"]), number % 3
            )
            action = choose(actions)
            if number % 100 == 0:
                action, data = "removeAllRegistration", b"h1"
            success, records = naive.request(action, data)
            found = client.ask(action.encode(), b"test", data)
            assert (found[2] == b"success", sorted(found[3:])) == (success, records), action


def test_a_dealer_gets_its_answers_in_order(running):
    with zmq.Context.instance().socket(zmq.DEALER) as dealer:
        dealer.linger, dealer.rcvtimeo = 0, TIMEOUT
        dealer.connect(running.address())
        for number in range(500):
            dealer.send_multipart(
                [b"hop", b"%d" % number, b"", b"registerPublisher", b"s", record(b"%d" % number)]
            )
        for number in range(500):
            assert dealer.recv_multipart()[:2] == [b"hop", b"%d" % number]


def test_hostile_input_harms_nothing(running):
    with Client(running.address()) as client:
        for length in range(len(record())):
            assert client.ask(b"registerPublisher", b"s", record()[:length])[2]
        for frames in ([b""], [b"", b""], [b"a"] * 4, [b"registerPublisher", b"s", bytes(900_000)]):
            assert client.ask(*frames)[2] != b"success"
        assert client.ask(b"\xff" * 100_000, b"s", b"")[2] == b"unknown registration request"
        with socket.create_connection(("127.0.0.1", running.ports["PORT1"])) as raw:
            raw.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert client.records("allPublisher") == sorted(
            [record()[:length] for length in (14, 17)]  # they are whole at the end of a field
        )


def test_topics_of_one_client_are_bounded(start):
    running = start(INI + "max-records = 300\n")
    with Client(running.address()) as client:
        found = [
            client.ask(b"registerPublisher", b"s", record(type=b"%d" % number))[2]
            for number in range(400)
        ]
        assert (
            found
            == [b"success"] * 300 + [b"there are 300 records already, which is the limit"] * 100
        )
        assert len(client.records("allPublisher")) == 300


def test_kill_9_loses_no_registration_that_was_answered(start):
    running = start(KEPT)
    answered = []
    numbers = count()
    killed = threading.Event()

    def register():
        with Client(running.address()) as client:
            while True:
                data = record(b"%d" % next(numbers))
                client._socket.send_multipart([b"registerSubscriber", b"s", data])
                while not client._socket.poll(50):
                    if killed.is_set():
                        return
                assert client._socket.recv_multipart()[2] == b"success"
                answered.append(data)

    threads = [threading.Thread(target=register) for _ in range(8)]
    for one in threads:
        one.start()
    with Client(running.address()) as client:
        while len(answered) < 500:
            client.records("allPublisher")
    running.kill()
    killed.set()
    for one in threads:
        one.join()
    again = start(KEPT)
    with Client(again.address()) as client:
        found = client.records("allSubscriber")
        assert set(answered) <= set(found)
        assert len(found) <= len(answered) + len(threads)
        client.records("removeAllRegistration", b"h")
    again.kill()
    last = start(KEPT)
    with Client(last.address()) as client:
        assert client.records("allSubscriber") == []


def test_a_reload_keeps_the_records_of_a_section_that_is_as_it_was(start):
    running = start(INI)
    with Client(running.address()) as client:
        client.records("registerPublisher", record())
        text = (running.directory / "server.ini").read_text("utf-8")
        running.reload(text + "\n[h:other]\nhandler = echo\n")
        assert client.records("allPublisher") == [record()]


def test_clients_that_never_read_and_go_leave_nothing(start, until):
    running = start(INI + "max-unread = 4 MiB\n")
    with Client(running.address()) as client:
        for number in range(150):
            client.records(
                "registerPublisher", record(type=b"%d" % number, description=b"d" * 8000)
            )
        for _ in range(2):
            silent = []
            for _ in range(20):
                one = zmq.Context.instance().socket(zmq.DEALER)
                one.linger, one.rcvhwm, one.rcvbuf = 0, 1, 4096
                one.connect(running.address())
                for _ in range(5):
                    one.send_multipart([b"", b"allPublisher", b"s", b""])
                silent.append(one)
            until(lambda: b"not read yet" in client.ask(b"allPublisher", b"s", b"")[2])
            for one in silent:
                one.close()
            until(lambda: client.ask(b"allPublisher", b"s", b"")[2] == b"success")
