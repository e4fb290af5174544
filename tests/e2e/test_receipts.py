"""Clients with receipts, which are stock libzmq sockets, and raw sockets that break the rules."""

import base64
import json
import os

import pytest
import zmq
import zmq.auth

from ccproxy.commands.keygen import certificates
from ccproxy.wire import receipts as wire
from ccproxy.wire.receipts import (
    Acknowledgement,
    Announcement,
    Fenced,
    Greeting,
    ProducerId,
)
from ccproxy.wire.zmtp import Handshake, WireConnection
from ccproxy.wire.zmtp.delivery import Nack
from ccproxy.wire.zmtp.frames import frame, pack
from ccproxy.wire.zmtp.passwords import hashed

EPOCH = 7
SERVER = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
data = h:data
spooled = h:next
both = h:data, h:next
echo = h:echo
[h:data]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT2
on-full = block
[h:echo]
handler = echo
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:PORT3
reconnect = 10 ms
reconnect-max = 50 ms
on-full = block
linger = 0 s
delivery = acknowledged
spool = %(config_dir)s/spool
"""
SECURED = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
curve-secret = ../keys/server.key_secret
curve-allow = ../keys/allowed
[listen:users]
protocol = cc
address = tcp://127.0.0.1:PORT4
plain-users = users
[routes]
echo = h:echo
[h:echo]
handler = echo
[allow:ann]
plain = ann
send = nowhere
[allow:client]
curve = KEY
send = echo.*
"""


class Sender:
    """A DEALER socket that keeps what is not acknowledged, and sends it again to a new `have`."""

    def __init__(self, make, address, id=None, **options):
        self.id = id or ProducerId(os.urandom(16), EPOCH)
        self.acks, self.replies, self.greetings = [], [], []
        self.refused = {}
        self.kept = {}
        self.last = self.done = 0
        self.fenced = ""
        said = wire.PROPERTY + b":" + wire.producer_property(self.id)
        self.sock = make(zmq.DEALER, address, metadata=said, **options)

    @property
    def greeting(self):
        return self.greetings[-1]

    def put(self, *frames):
        """Send a message with the next number, if we may already."""
        self.last += 1
        self.kept[self.last] = frames
        if self.greetings:
            self.send(self.last)

    def send(self, number):
        self.sock.send_multipart([wire.number_frame(number), *self.kept[number]])

    def say(self, word):
        self.sock.send_multipart(wire.encode(word))

    def hear(self, seconds=0.0):
        """Read what there is; wait for the first message."""
        while self.sock.poll(int(1000 * seconds)):
            seconds = 0.0
            frames = self.sock.recv_multipart()
            if frames[0] != wire.WORD:
                self.replies.append(frames)
                continue
            match wire.decode(frames):
                case Greeting() as greeting:
                    self.greet(greeting)
                case Acknowledgement() as ack:
                    self.acks.append(ack)
                    self.done = max(self.done, ack.number)
                    self.kept = {n: one for n, one in self.kept.items() if n > self.done}
                case Nack(_, first, count, reason):
                    self.refused |= dict.fromkeys(range(first, first + count), reason)
                case Fenced(text):
                    self.fenced = text

    def greet(self, greeting):
        self.greetings.append(greeting)
        had = greeting.places.get(EPOCH, 0)
        again = [number for number in self.kept if number > had]
        self.say(
            Announcement(EPOCH, again[0] if again else max(had, self.last) + 1, greeting.token)
        )
        for number in again:
            self.send(number)

    def until(self, condition, until):
        def heard():
            self.hear(0.02)
            return condition()

        until(heard)

    def drain(self, until):
        """Wait until everything is acknowledged."""
        self.until(lambda: self.done == self.last, until)


@pytest.fixture
def sender(make, fill):
    return lambda id=None, port="PORT1", **options: Sender(
        make, fill(f"tcp://127.0.0.1:{port}"), id, **options
    )


@pytest.fixture
def raw(dial):
    """Raw sockets that announce a producer, with their words so far."""

    def raw(id=None, **options):
        made = dial(**options)
        properties = {
            wire.PROPERTY: wire.producer_property(id or ProducerId(os.urandom(16), EPOCH))
        }
        handshake = Handshake(b"DEALER", b"", properties=properties)
        made.connection = WireConnection(handshake)
        return made.greet(), wire.decode(made.message())

    return raw


def data(text, *route, type=b"data"):
    return *route, b"", type, text


def test_each_kind_of_destination_and_large_messages(start, sender, make, fill, until):
    server = start(SERVER)
    there = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    one = sender()
    one.until(lambda: one.greetings, until)
    assert (one.greeting.places, len(one.greeting.token)) == ({}, 8)
    large = os.urandom(20_000_000)
    request = (
        b'{"req": "echo.request", "target": "me", "time": 1, "hostname": "h", "blob_hash": ""}'
    )
    kinds = []
    for message in (
        data(b"1"), data(b"2", type=b"spooled"), data(b"3", type=b"both"),
        data(b"4", type=b"nowhere"), data(request, b"Q1", type=b"echo.request"),
        data(large), data(large, type=b"spooled"), data(b"%%", type=b"not a type"),
    ):  # fmt: skip
        one.put(*message)
        one.sock.send_multipart(data(b"plain"))
        one.drain(until)
        kinds.append(one.acks[-1].kind)
    assert kinds == ["handed", "safe", "safe", "handed", "safe", "handed", "safe", "handed"]
    assert one.refused == {8: "malformed"}
    assert [reply[:3] for reply in one.replies] == [[b"Q1", b"", b"echo.response"]]
    arrived = [there.recv_multipart()[3:] for _ in range(11)]
    assert [text for _, text in arrived if text != b"plain"] == [b"1", b"3", large]
    [client] = server.status()["clients"]
    assert (client["link"], client["last"], client["incomplete"]) == (one.id.producer.hex(), 8, 0)
    assert (client["connected"], client["refused"], client["duplicates"]) == (True, 1, 0)
    shown = server.verb("status").stdout
    assert "clients with receipts:" in shown
    assert "1 remembered, at most 4096; " in shown
    assert one.id.producer.hex()[:8] in shown


def test_connections_of_one_producer_and_what_breaks_the_rules(start, raw, dial, make, fill, until):
    server = start(SERVER)
    there = make(zmq.ROUTER, bind=fill("tcp://127.0.0.1:PORT2"))
    id = ProducerId(os.urandom(16), EPOCH)
    old, greeting = raw(id)
    old.send(*wire.encode(Announcement(EPOCH, 1, greeting.token)))
    old.send(wire.number_frame(1), *data(b"1"))
    assert wire.decode(old.message()) == Acknowledgement(EPOCH, 1, "handed")
    new, again = raw(id)
    assert (again.places, again.server) == ({EPOCH: 1}, greeting.server)
    assert wire.decode(old.message()).text == "it has connected again"
    assert old.closed()
    new.message()
    # What was written for the connection before: its announcement, and messages behind it.
    new.send(*wire.encode(Announcement(EPOCH, 50, greeting.token)))
    new.send(wire.number_frame(50), *data(b"50"))
    new.send(*wire.encode(Announcement(EPOCH, 1, again.token)))
    for number in (1, 2, 4):
        new.send(wire.number_frame(number), *data(b"%d" % number))
    while not isinstance(third := wire.decode(new.message()), Greeting):
        assert third == Acknowledgement(EPOCH, 2, "handed")
    assert third.places == {EPOCH: 2}
    # One that has not asked for receipts: what looks like a number is the way back to it.
    plain = dial().greet()
    plain.send(wire.number_frame(3), *data(b"3"))
    texts = [there.recv_multipart()[-1] for _ in range(3)]
    assert texts == [b"1", b"2", b"3"]
    for bad in (
        [wire.WORD, b"next", b"12345678", b"12345678", b"short"], [wire.WORD, b"odd"],
        [wire.WORD, b"next", bytes(8), bytes(8), again.token[:7]], [wire.WORD, b"x" * 2000],
    ):  # fmt: skip
        breaker, _ = raw()
        breaker.send(*bad)
        assert breaker.closed()
    server.wait_for_count("word for receipts", 4)
    wrong, found = raw()
    wrong.send(*wire.encode(Announcement(EPOCH, 0, found.token)))
    assert wrong.closed()
    until(lambda: sum(one["connected"] for one in server.status()["clients"]) == 1)
    new.send(*wire.encode(Announcement(EPOCH, 3, third.token)))
    new.send(wire.number_frame(3), *data(b"late"))
    assert there.recv_multipart()[-1] == b"late"


def test_a_program_that_starts_anew_while_its_old_connection_is_held_back(start, raw):
    start(SERVER.replace("[h:echo]", "queue = 10 KiB\n[h:echo]", 1))
    id, again = os.urandom(16), EPOCH + 1
    old, greeting = raw(ProducerId(id, EPOCH))
    old.send(*wire.encode(Announcement(EPOCH, 1, greeting.token)))
    for number in range(1, 31):
        old.send(wire.number_frame(number), *data(b"x" * 1000))
    assert wire.decode(old.message()).kind == "handed"
    copy, word = raw(ProducerId(id, again))
    assert "a second copy of it is connected" in word.text
    assert copy.closed()
    old.sock.close()
    _, greeting = raw(ProducerId(id, again))
    assert 0 < greeting.places[EPOCH] < 30


def test_one_that_never_reads_what_is_said_to_it_is_closed(start, raw, sender, until):
    server = start(SERVER)
    deaf, greeting = raw(buffer=4096)
    deaf.send(*wire.encode(Announcement(EPOCH, 1, greeting.token)))
    # Each second message is acknowledged in another way, so each has an acknowledgement of its own.
    ends = [pack(data(b"", type=type)) for type in (b"nowhere", b"spooled")] * 1000
    first = 1
    with pytest.raises(ConnectionError):
        while True:
            numbers = range(first, first + len(ends))
            heads = (frame(wire.number_frame(number), more=True) for number in numbers)
            deaf.sock.sendall(b"".join(map(bytes.__add__, heads, ends)))
            first += len(ends)
    server.wait_for("asks for answers and does not read them")
    other = sender()
    other.put(*data(b"x", type=b"nowhere"))
    other.drain(until)


def test_ends_of_the_server_lose_and_double_nothing_in_a_spool(start, sender, until):
    server = start(SERVER)
    one = sender()
    total, ends = 2000, ("kill", "stop", "kill")
    for step, end in enumerate(ends, 1):
        goal = step * total // 4

        def sent(goal=goal):
            one.hear(0.001)
            while one.last < goal and one.last - one.done < 300:
                one.put(*data(b"%d" % (one.last + 1), type=b"spooled"))
            return one.last >= goal

        until(sent)
        getattr(server, end)()
        server = start(SERVER)
    while one.last < total:
        one.put(*data(b"%d" % (one.last + 1), type=b"spooled"))
    one.drain(until)
    assert {ack.kind for ack in one.acks} == {"safe"}
    assert (one.refused, len(one.greetings)) == ({}, 1 + len(ends))
    done = server.verb("spool", "export")
    assert done.returncode == 0, done.stderr
    found = [json.loads(line)["frames"][-1] for line in done.stdout.splitlines()]
    assert [int(base64.b64decode(one)) for one in found] == list(range(1, total + 1))


def test_rights_and_keys_are_those_of_any_client(start, sender, tmp_path, until):
    folder = tmp_path / "keys"
    (folder / "allowed").mkdir(parents=True)
    for name in ("client", "server"):
        assert certificates(folder / name) == 0
    (folder / "client.key").rename(folder / "allowed" / "client.key")
    public, secret = zmq.auth.load_certificate(folder / "client.key_secret")
    theirs, _ = zmq.auth.load_certificate(folder / "server.key")
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "users").write_text(f"ann:{hashed(b'pw')}\n")
    (tmp_path / "server" / "users").chmod(0o600)
    server = start(SECURED.replace("KEY", public.decode()))
    one = sender(curve_publickey=public, curve_secretkey=secret, curve_serverkey=theirs)
    for type in (b"echo.x", b"forbidden", b"nowhere"):
        one.put(*data(b"{}", type=type))
    one.drain(until)
    assert one.refused == {2: "refused", 3: "refused"}
    assert server.status()["clients"][0]["refused"] == 2
    user = sender(
        ProducerId(b"U" * 16, EPOCH), port="PORT4", plain_username=b"ann", plain_password=b"pw"
    )
    user.put(*data(b"{}", type=b"forbidden"))
    user.put(*data(b"{}", type=b"nowhere"))
    user.drain(until)
    assert (user.refused, user.acks[-1].number) == ({1: "refused"}, 2)
