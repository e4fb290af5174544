"""Listeners and links with keys against real libzmq sockets, and what strangers can do."""

import asyncio
import socket

import pytest
import zmq
from zmq.auth.thread import ThreadAuthenticator

from ccproxy.commands.keygen import certificates
from ccproxy.config.address import Address
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.config.plan import ListenerPlan
from ccproxy.core.rights import Rights
from ccproxy.net import handshakes
from ccproxy.net.zmtp.link import OutgoingLink
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.protocols.cc.protocol import CcProtocol
from ccproxy.wire import receipts
from ccproxy.wire.receipts import Acknowledgement, Announcement, ProducerId
from ccproxy.wire.zmtp import Handshake, Transmit, pack
from ccproxy.wire.zmtp.curve_client import CurveClient
from ccproxy.wire.zmtp.curve_keys import KeyPair
from ccproxy.wire.zmtp.delivery import Nack
from ccproxy.wire.zmtp.passwords import hashed

QUICK = {"reconnect": 0.002, "reconnect_max": 0.004, "handshake_timeout": 60.0}


@pytest.fixture
def keys(tmp_path, monkeypatch):
    """Certificates of a server and two clients; those of the folder `allowed` may connect."""
    monkeypatch.setattr(handshakes, "PAUSE", 0.001)
    monkeypatch.setattr(handshakes, "LONGEST_PAUSE", 0.002)
    (tmp_path / "allowed").mkdir()
    for name in ("server", "one", "two"):
        assert certificates(tmp_path / name) == 0
    (tmp_path / "one.key").rename(tmp_path / "allowed" / "one.key")
    return tmp_path


@pytest.fixture
def make(kit):
    """A listener on a free port."""

    def make(**options):
        shared = kit()
        options = ZmtpListenerOptions(linger=0.0, **options)
        plan = ListenerPlan("cc", "cc", CcProtocol, "tcp://127.0.0.1:0", options, 1)
        listener = ZmtpListener(plan, shared)
        listener.acceptor.open(plan.options)
        listener.acceptor.accept()
        return listener, shared

    return make


@pytest.fixture
def client():
    """A libzmq socket with options."""
    context = zmq.Context()
    made = []

    def client(kind=zmq.DEALER, **options):
        found = context.socket(kind)
        found.linger, found.reconnect_ivl = 0, 5
        for name, value in options.items():
            setattr(found, name, value)
        made.append(found)
        return found

    client.context = context
    yield client
    for one in made:
        one.close()
    context.term()


def pair(keys, name):
    public, secret = zmq.auth.load_certificate(keys / f"{name}.key_secret")
    return {"curve_publickey": public, "curve_secretkey": secret}


def curve(keys, name):
    server = zmq.auth.load_certificate(keys / "server.key")[0]
    return {"curve_serverkey": server, **pair(keys, name)}


def secured(keys, **options):
    return {
        "curve_secret": str(keys / "server.key_secret"),
        "curve_allow": str(keys / "allowed"),
        **options,
    }


async def end(listener, shared):
    listener.acceptor.close()
    await listener.close_peers("the test is over", 0)
    await shared.handshakes.close()


async def message(sock, until):
    await until(lambda: sock.poll(0))
    return sock.recv_multipart()


async def test_a_client_of_libzmq_has_a_name_and_gets_its_answers(make, client, keys, until):
    listener, shared = make(**secured(keys))
    sock = client(**curve(keys, "one"))
    sock.connect(listener.acceptor.bound)
    sock.send_multipart([b"", b"a.b", b"x" * 100_000])
    await until(lambda: shared.switch.ledger.received)
    [box] = listener.outboxes()[1:]
    public = pair(keys, "one")["curve_publickey"].decode()
    assert box.owner == ("one", "curve", public) and box.name.startswith("cc one@127.0.0.1:")
    [identity] = shared.switch.peers
    box.offer(pack([b"", b"answer", b"y" * 100_000]) + pack([b"short"]), 2)
    assert await message(sock, until) == [b"", b"answer", b"y" * 100_000]
    assert await message(sock, until) == [b"short"]
    await end(listener, shared)


async def test_a_key_that_is_added_later_gets_in_and_one_that_is_taken_goes(
    make, client, keys, until
):
    """Neither the clients nor the listener are started again; who keeps the key stays."""
    listener, shared = make(**secured(keys))
    one, two, bare = client(**curve(keys, "one")), client(**curve(keys, "two")), client()
    for sock in (one, two, bare):
        sock.connect(listener.acceptor.bound)
        sock.send_multipart([b"", b"a", b"1"])
    await until(lambda: listener.counts["handshake-failed"] > 6)
    assert [box.owner[0] for box in listener.outboxes()[1:]] == ["one"]
    (keys / "two.key").rename(keys / "allowed" / "two.key")
    stays = next(iter(shared.switch.peers))
    listener.reconfigure(listener.options)
    await until(lambda: shared.switch.ledger.received == 2)
    assert stays in shared.switch.peers
    (keys / "allowed" / "one.key").unlink()
    listener.reconfigure(listener.options)
    assert stays not in shared.switch.peers
    assert [box.owner[0] for box in listener.outboxes()[1:]] == ["two"]
    listener.reconfigure(ZmtpListenerOptions())
    await until(lambda: shared.switch.ledger.received == 3)  # the one without keys
    await end(listener, shared)


async def test_rights_change_without_a_disconnect(make, client, keys, until):
    listener, shared = make(**secured(keys))
    key = pair(keys, "one")["curve_publickey"].decode()
    access, ledger = shared.switch.access, shared.switch.ledger
    access.configure({("curve", key): Rights("sensor", ("log.*",))})
    sock = client(**curve(keys, "one"))
    sock.connect(listener.acceptor.bound)
    for kind in (b"log.x", b"other"):
        sock.send_multipart([b"", kind, b""])
    await until(lambda: ledger.received == 2)
    assert (ledger.fates["unrouted"], ledger.fates["refused"]) == (1, 1)
    access.configure({("curve", key): Rights("sensor", ("other",))})
    listener.reconfigure(listener.options)
    for kind in (b"log.x", b"other"):
        sock.send_multipart([b"", kind, b""])
    await until(lambda: ledger.received == 4)
    assert (ledger.fates["unrouted"], ledger.fates["refused"]) == (2, 2)
    assert listener.counts["accepted"] == 1
    await end(listener, shared)


async def test_plain_with_users(make, client, keys, until):
    users = keys / "users"
    users.write_text(f"joe:{hashed(b'secret')}\n")
    users.chmod(0o600)
    listener, shared = make(plain_users=str(users))
    right = client(plain_username=b"joe", plain_password=b"secret")
    wrong = client(plain_username=b"joe", plain_password=b"guess")
    for sock in (wrong, right):
        sock.connect(listener.acceptor.bound)
        sock.send_multipart([b"", b"a", b""])
    await until(lambda: shared.switch.ledger.received and listener.counts["handshake-failed"])
    assert [box.owner for box in listener.outboxes()[1:]] == [("joe", "plain", "joe")]
    users.write_text(f"ann:{hashed(b'secret')}\n")
    listener.reconfigure(listener.options)
    assert not shared.switch.peers
    await end(listener, shared)


async def test_an_identity_is_handed_over_to_the_same_key_only(make, client, keys, until):
    (keys / "two.key").rename(keys / "allowed" / "two.key")
    listener, shared = make(**secured(keys, identity_conflict="handover"))
    first, again = (client(identity=b"id", **curve(keys, "one")) for _ in range(2))
    thief = client(identity=b"id", **curve(keys, "two"))
    first.connect(listener.acceptor.bound)
    await until(lambda: b"id" in shared.switch.peers)
    thief.connect(listener.acceptor.bound)
    await until(lambda: listener.counts["duplicate-identity"])
    assert shared.switch.peers[b"id"].owner[0] == "one" and not listener.counts["handed-over"]
    thief.close()
    again.connect(listener.acceptor.bound)
    await until(lambda: listener.counts["handed-over"])
    await end(listener, shared)


async def test_a_thousand_strangers_with_wrong_keys_leave_others_alone(make, client, keys, until):
    """All of them are closed; a peer that was there, and one that comes then, do not notice."""
    listener, shared = make(**secured(keys))
    sock = client(**curve(keys, "one"))
    sock.connect(listener.acceptor.bound)
    await until(lambda: shared.switch.peers)
    wrong = Handshake(b"DEALER", mechanism=CurveClient(bytes(range(32)), KeyPair.of(bytes(32))))
    opening = wrong.start() + b"\x03\x01CURVE" + bytes(15 + 32)
    [*_, hello] = [one for one in wrong.receive(opening_of_a_server()) if isinstance(one, Transmit)]
    host, port = "127.0.0.1", int(listener.acceptor.bound.rpartition(":")[2])
    strangers = []
    for number in range(1000):
        stranger = socket.create_connection((host, port))
        stranger.sendall(opening + hello.data)
        strangers.append(stranger)
        if number % 50 == 0:
            sock.send_multipart([b"", b"a", b""])
            await asyncio.sleep(0)
    await until(lambda: listener.counts["handshake-failed"] == 1000)
    late = client(**curve(keys, "one"))
    late.connect(listener.acceptor.bound)
    await until(lambda: len(shared.switch.peers) == 2)
    await until(lambda: shared.switch.ledger.received == 20)
    assert listener.counts["accepted"] == 1002 and len(listener.connections) == 2
    for stranger in strangers:
        stranger.close()
    await end(listener, shared)


def opening_of_a_server():
    return Handshake(b"ROUTER").start() + b"\x03\x01CURVE" + bytes(15) + b"\x01" + bytes(31)


async def test_a_sealed_message_over_the_limit_is_refused_and_counted(make, client, keys, until):
    listener, shared = make(**secured(keys, max_message=1000))
    sock = client(**curve(keys, "one"))
    sock.connect(listener.acceptor.bound)
    sock.send_multipart([b"", b"a", b"x" * 2000])
    await until(lambda: shared.switch.ledger.fates["too-big"])
    await end(listener, shared)


async def test_the_one_that_is_refused_is_the_one_over_the_limit(make, client, keys, until):
    listener, shared = make(**secured(keys, max_message=1000))
    said = receipts.PROPERTY + b":" + receipts.producer_property(ProducerId(b"P" * 16, 7))
    sock = client(metadata=said, **curve(keys, "one"))
    sock.connect(listener.acceptor.bound)
    await until(lambda: sock.poll(0))
    token = receipts.decode(sock.recv_multipart()).token
    sock.send_multipart(receipts.encode(Announcement(7, 1, token)))
    for number, size in ((1, 10), (2, 2000)):
        sock.send_multipart([receipts.number_frame(number), b"", b"a", b"x" * size])
    words = []

    def refused():
        while sock.poll(0):
            words.append(receipts.decode(sock.recv_multipart()))
        return Acknowledgement(7, 2, "handed") in words

    await until(refused)
    assert Nack(7, 2, 1, "too-big") in words
    assert {one.first for one in words if isinstance(one, Nack)} == {2}
    await end(listener, shared)


async def test_a_link_to_a_server_of_libzmq(kit, client, keys, until):
    router = client(zmq.ROUTER, curve_server=True, **pair(keys, "server"))
    port = router.bind_to_random_port("tcp://127.0.0.1")
    options = LinkOptions(
        curve_server=str(keys / "server.key"), curve_secret=str(keys / "one.key_secret"), **QUICK
    )
    shared = kit()
    link = OutgoingLink("h:x", Address.parse(f"tcp://127.0.0.1:{port}"), options, shared)
    link.outbox.offer(pack([b"", b"a", b"x" * 70_000]) + pack([b"", b"b"]), 2)
    assert (await message(router, until))[1:] == [b"", b"a", b"x" * 70_000]
    assert (await message(router, until))[1:] == [b"", b"b"]
    assert link.state == "up"
    await link.close(0)


async def test_a_link_with_the_wrong_key_says_so_and_goes_on(kit, client, keys, until, tmp_path):
    router = client(zmq.ROUTER, curve_server=True, **pair(keys, "server"))
    port = router.bind_to_random_port("tcp://127.0.0.1")
    shown = tmp_path / "shown.key"
    shown.write_text((keys / "two.key").read_text())
    shared = kit()
    address = Address.parse(f"tcp://127.0.0.1:{port}")
    link = OutgoingLink("h:x", address, LinkOptions(curve_server=str(shown), **QUICK), shared)
    await until(lambda: link.state == "wrong-key")
    assert link.reason.endswith("curve-server is not its key")
    shown.unlink()
    await until(lambda: "cannot be read" in link.reason)
    assert link.state == "refused"
    shown.write_text((keys / "server.key").read_text())
    await until(lambda: link.state == "up")
    link.reconfigure(LinkOptions(curve_server=str(keys / "two.key"), **QUICK))
    await until(lambda: link.state == "wrong-key")
    await link.close(0)


async def test_a_link_with_a_password(kit, client, keys, until):
    zap = ThreadAuthenticator(client.context)
    zap.start()
    zap.configure_plain(domain="*", passwords={"joe": "secret"})
    zap.configure_plain(domain="here", passwords={"joe": "secret"})
    router = client(zmq.ROUTER, plain_server=True, zap_domain=b"here")
    address = Address.parse(f"tcp://127.0.0.1:{router.bind_to_random_port('tcp://127.0.0.1')}")
    password = keys / "password"
    password.write_text("guess\n")
    password.chmod(0o600)
    options = LinkOptions(plain_user="joe", plain_password_file=str(password), **QUICK)
    link = OutgoingLink("h:x", address, options, kit())
    await until(lambda: link.state == "wrong-key")
    assert link.reason == "the peer refused us: 400"
    password.write_text("secret\n")
    await until(lambda: link.state == "up")
    await link.close(0)
    zap.stop()
