"""The proxy of xMsg: captured requests of real clients, clients of all kinds, and hostile ones."""

import json
import re
import socket
import sys
from pathlib import Path

import pytest
import zmq

ROOT = Path(__file__).parents[2]
PLACES = [str(ROOT / "contrib/clara"), str(ROOT / "tests/contrib")]
sys.path[:0] = PLACES
from xmsg import Connection, Message, Proxy  # noqa: E402
from xmsg_servers import HOST, free_block  # noqa: E402

del sys.path[: len(PLACES)]

VECTORS = ROOT / "tests/vectors/xmsg"
SECONDS = 60
INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = local
[routes]
{routes}
[h:dpe]
handler = xmsg-proxy
address = tcp://{host}:{port}
{more}
"""


def load(name):
    return json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["vectors"]


def frames(vector):
    return [bytes.fromhex(one) for one in vector["frames"]]


CONTROL = [one for one in load("control") if one["direction"] == "client->server"]
DATA, SYNC, ZMTP = load("data"), load("sync"), load("zmtp")


def named(vectors):
    return pytest.mark.parametrize("vector", vectors, ids=lambda vector: vector["name"])


class Programs:
    """A running proxy and sockets at its ports."""

    def __init__(self, start, make):
        self.port = free_block()
        self.proxy = Proxy(HOST, self.port)
        self._start = start
        self._make = make

    def run(self, more="", routes=""):
        ini = INI.format(host=HOST, port=self.port, more=more, routes=routes)
        self.server = self._start(ini)
        return self.server

    def publisher(self, kind=zmq.XPUB):
        """A publisher that is asked for requests to the proxy."""
        made = self._make(kind, self.proxy.address(0))
        while made.type == zmq.XPUB and made.recv() != b"\1xmsg:control":
            pass
        return made

    def subscriber(self, prefix, publisher):
        """A subscriber whose prefix the publisher has heard of."""
        made = self._make(zmq.SUB, self.proxy.address(1))
        made.subscribe(prefix)
        while publisher.recv() != b"\1" + prefix:
            pass
        return made

    def client(self, name):
        """A client at the control port."""
        return self._make(zmq.DEALER, self.proxy.address(2), identity=name)

    def dealer(self, name, publisher):
        """One that the proxy knows."""
        made = self.client(name)
        while not made.poll(50):
            publisher.send_multipart([b"xmsg:control", b"pub", name])
        publisher.send_multipart([b"xmsg:control", b"rep", name])
        while (answer := made.recv_multipart()) != [b"rep"]:  # the answers to all before
            assert answer == [b"pub"]
        return made


@pytest.fixture
def programs(start, make):
    return Programs(start, make)


@named(CONTROL)
def test_requests_of_real_clients_are_answered_as_captured(programs, vector):
    programs.run()
    request, answers = frames(vector), vector["answer"]
    publisher = programs.publisher()
    last = programs.dealer(b"last", publisher)
    about = request[2] if len(request) > 2 else b""
    dealer = programs.dealer(about or b"ID1", publisher) if request[1:2] != [b"sub"] else None
    if vector["name"] == "control-unknown-identity":
        dealer = programs.dealer(b"another", publisher)
    subscriber = programs.subscriber(about, publisher) if request[1:2] == [b"sub"] else None
    publisher.send_multipart(request)
    publisher.send_multipart([b"xmsg:control", b"pub", b"last"])
    assert last.recv_multipart() == [b"pub"]  # what is answered to `request` was sent before
    for answer in answers:
        receiver = subscriber if answer["client_socket"] == "SUB" else dealer
        assert receiver.recv_multipart() == frames(answer)
    for one in filter(None, (subscriber, dealer)):
        assert not one.poll(100)


@named(DATA)
def test_data_of_real_clients_pass_unchanged(programs, vector):
    programs.run()
    publisher = programs.publisher()
    subscriber = programs.subscriber(frames(vector)[0][:3], publisher)
    publisher.send_multipart(frames(vector))
    assert subscriber.recv_multipart() == frames(vector)


@named(SYNC)
def test_a_reply_finds_the_requester(programs, vector):
    programs.run()
    request, [answer] = frames(vector["request"]), vector["answer"]
    publisher = programs.publisher()
    service = programs.subscriber(request[0], publisher)
    requester = programs.subscriber(frames(answer)[0].rpartition(b":")[0], publisher)
    publisher.send_multipart(request)
    assert service.recv_multipart() == request
    publisher.send_multipart(frames(answer))
    assert requester.recv_multipart() == frames(answer)


def played(vector, port):
    """Connect as a captured client has done, up to its first message."""
    sock = socket.create_connection((HOST, port), SECONDS)
    for one in vector["bytes"]:
        if one["direction"] == "client->server":
            if one["kind"] == "message":
                break
            sock.sendall(bytes.fromhex(one["hex"]))
    return sock


def until_heard(sock, data, again=lambda: None):
    sock.settimeout(0.05)
    heard = b""
    while data not in heard:
        try:
            heard += sock.recv(65536)
        except TimeoutError:
            again()


@named(ZMTP)
def test_connections_of_real_clients_byte_for_byte(programs, vector):
    """Those of JeroMQ 0.3.6 speak ZMTP 2.0, the others 3.0 and 3.1."""
    programs.run()
    publisher = programs.publisher()
    kind = vector["name"].rpartition("-")[2]
    offset = {"pub": 0, "sub": 1, "ctrl": 2}[kind]
    with played(vector, programs.port + offset) as sock:
        if kind == "pub":
            until_heard(sock, b"\x00\x0d\x01xmsg:control")
            service = programs.subscriber(b"A:B", publisher)
            until_heard(sock, b"\x00\x04\x01A:B")
            sock.sendall(bytes.fromhex("0110786d73673a636f6e74726f6c3a73756201037375620003413a42"))
            assert service.recv_multipart() == [b"A:B", b"sub"]
        elif kind == "sub":
            sock.sendall(bytes.fromhex("000401413a42"))
            check = [b"xmsg:control:sub", b"sub", b"A:B"]
            until_heard(
                sock,
                bytes.fromhex("0103413a420003737562"),
                lambda: publisher.send_multipart(check),
            )
        else:
            name = re.search(rb"\d{9}$", b"".join(sent(vector)))[0]
            request = [b"xmsg:control:con", b"pub", name]
            until_heard(sock, b"\x00\x03pub", lambda: publisher.send_multipart(request))


def sent(vector):
    for one in vector["bytes"]:
        if one["direction"] == "client->server":
            yield bytes.fromhex(one["hex"])


@pytest.mark.parametrize("publishing", [zmq.PUB, zmq.XPUB])
@pytest.mark.parametrize("handshake", [False, True])
@pytest.mark.parametrize("check", [False, True])
def test_clients_with_and_without_handshakes_over_a_restart(programs, handshake, check, publishing):
    server = programs.run()
    given = {"handshake": handshake, "check": check, "publisher": publishing, "timeout": SECONDS}
    with Connection(programs.proxy, **given) as early, Connection(programs.proxy, **given) as late:
        early.subscribe("A:B")
        exchange(early, late, "A:B:C")
        late.subscribe("D")
        exchange(late, early, "D")
        server.stop()
        programs.run()
        exchange(early, late, "A:B:D")  # no client has done anything


def exchange(subscriber, publisher, topic):
    """Publish until a message arrives: a PUB does not say whether the proxy has asked for it."""
    for number in range(1000):
        publisher.publish(Message.text(topic, str(number)))
        if found := subscriber.receive(0.05):
            assert found.topic == topic
            break
    else:
        raise AssertionError(f"nothing arrives of {topic}")
    while subscriber.receive(0.2):
        pass


def test_a_client_that_comes_again_under_its_name_takes_its_place(programs):
    programs.run()
    publisher = programs.publisher()
    first = programs.dealer(b"100000001", publisher)
    second = programs.client(b"100000001")
    # Each one that is turned away connects again and takes the name back, until the first is gone.
    while not second.poll(50):
        publisher.send_multipart([b"xmsg:control:con", b"pub", b"100000001"])
    first.close(0)
    while second.poll(50):
        second.recv_multipart()
    while not second.poll(50):
        publisher.send_multipart([b"xmsg:control:con", b"pub", b"100000001"])
    assert second.recv_multipart() == [b"pub"]


def test_requests_that_are_wrong_are_counted_and_change_nothing(programs, make):
    server = programs.run()
    publisher = programs.publisher()
    dealer = programs.dealer(b"1", publisher)
    dealer.send_multipart([b"nothing", b"is", b"expected", b"here"])
    for wrong in ([], [b""], [b"pub"], [b"pub", b"1", b""], [b"\xff" * 300] * 9, [b"pub", b""]):
        publisher.send_multipart([b"xmsg:control", *wrong])
    for _ in range(20_000):
        publisher.send_multipart([b"xmsg:control", b"zzz", b"1"], zmq.DONTWAIT)
    publisher.send_multipart([b"xmsg:control" + bytes(200_000), b"pub", b"1"])
    again = programs.dealer(b"2", publisher)
    while dealer.poll(0):
        dealer.recv_multipart()
    publisher.send_multipart([b"xmsg:control", b"pub", b"2"])
    assert again.recv_multipart() == [b"pub"]
    server.stop()
    assert "discarded=1" in server.wait_for("ledger")


def test_messages_with_a_type_have_routes_and_requests_have_none(programs, make, fill):
    copies = fill("[h:copies]\nhandler = zmq\nsocket = push\nbind = tcp://127.0.0.1:PORT2")
    routes = "clara = h:drop\nclara.A = h:dpe, h:copies"
    more = f"type = clara\ntopics = yes\n[h:drop]\nhandler = disposer\n{copies}"
    programs.run(more, routes)
    worker = make(zmq.PULL, fill("tcp://127.0.0.1:PORT2"))
    publisher = make(zmq.XPUB, programs.proxy.address(0))
    assert publisher.recv() == b"\1"  # h:copies wants everything
    programs.dealer(b"1", publisher)
    subscriber = make(zmq.SUB, programs.proxy.address(1))
    subscriber.subscribe(b"")
    while not subscriber.poll(50):
        publisher.send_multipart([b"xmsg:control", b"sub", b"ready"])
    for topic in (b"B:C", b"A:B"):
        publisher.send_multipart([topic, b"meta", b"data"])
    while (found := subscriber.recv_multipart())[0] != b"A:B":
        assert found[0] in (b"ready", b"xmsg:control")
    assert worker.recv_multipart() == found == [b"A:B", b"meta", b"data"]


def test_a_subscriber_that_never_reads_harms_no_other(programs, make):
    server = programs.run("queue = 256 KiB")
    publisher = programs.publisher()
    deaf = make(zmq.SUB, rcvhwm=1, rcvbuf=4096)
    deaf.connect(programs.proxy.address(1))
    deaf.subscribe(b"A")
    good = programs.subscriber(b"A:", publisher)
    good.rcvhwm = 0
    data = [b"A:B", b"m", bytes(10_000)]
    for number in range(2000):
        publisher.send_multipart([*data, str(number).encode()])
        if number % 20 == 19:  # the good one reads as fast as it is written to
            for one in range(number - 19, number + 1):
                assert good.recv_multipart()[3] == str(one).encode()
    found = server.wait_for("dropped")
    assert "h:dpe" in found
