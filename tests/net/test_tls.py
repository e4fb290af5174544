"""TLS on streams: a listener and a dialled connection, the peers that break the handshake, and what
a flood of handshakes costs those that are open."""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import replace

import pytest

from ccproxy.config.address import Address
from ccproxy.config.plan import ListenerPlan
from ccproxy.config.tls import SecureLinkOptions, ServiceTls
from ccproxy.net import tls
from ccproxy.net.dial import Dial
from ccproxy.net.stream_listener import MessagePeer, StreamListener
from ccproxy.protocol import MessageProtocol
from ccproxy.wire.tls import TlsSession
from tests.certificates import Authority
from tests.net.wire_owner import ToldOwner


class Echo(MessagePeer):
    """Sends back what comes; keeps why it ended."""

    ends: list[str] = []
    lingers = False

    def received(self, stream, data):
        if data:
            stream.write(data)

    def closed(self, stream, reason):
        Echo.ends.append(reason)
        super().closed(stream, reason)


@pytest.fixture
def authority(tmp_path):
    Echo.ends.clear()
    return Authority(tmp_path)


@pytest.fixture
def listen(kit, authority):
    def listen(**options):
        given = authority.listener(**options)
        plan = ListenerPlan("listen:x", "x", MessageProtocol, "tcp://127.0.0.1:0", given, 1)
        listener = StreamListener(plan, kit(), Echo)
        listener.acceptor.open(given)
        listener.acceptor.accept()
        return listener

    return listen


def port_of(listener):
    return int(listener.acceptor.bound.rpartition(":")[2])


async def connect(authority, listener, **more):
    context = ssl.create_default_context(cafile=authority.file)
    for name, value in more.items():
        setattr(context, name, value)
    return await asyncio.open_connection(
        "127.0.0.1", port_of(listener), ssl=context, server_hostname="localhost"
    )


async def end(listener, *writers):
    for writer in writers:
        writer.close()
        with suppress(OSError):
            await writer.wait_closed()
    listener.acceptor.close()
    await listener.close_peers("done", 0.1)
    await listener.kit.handshakes.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
async def test_bytes_pass_in_both_directions(listen, authority, version):
    listener = listen()
    reader, writer = await connect(authority, listener, maximum_version=version)
    data = bytes(range(256)) * 4096
    writer.write(data)
    assert await reader.readexactly(len(data)) == data
    await end(listener, writer)


async def test_the_end_is_said_to_each_side(listen, authority, until):
    listener = listen()
    reader, writer = await connect(authority, listener)
    [peer] = listener.peers
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    peer.stream.finish("enough")
    # asyncio raises for a connection that ends without close_notify only while it writes; an empty
    # read is the end that was said.
    assert await reader.read() == b""
    await until(lambda: Echo.ends == ["enough"])
    await end(listener, writer)


async def test_a_connection_that_ends_without_a_word_is_closed_by_the_peer(
    listen, authority, until
):
    listener = listen()
    reader, writer = await connect(authority, listener)
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    writer.get_extra_info("socket").shutdown(2)
    writer.transport.abort()
    await until(lambda: Echo.ends)
    assert "cannot be opened" not in Echo.ends[0]
    await end(listener)


async def test_plain_http_is_told_where_it_is_and_counted(listen, authority, until, caplog):
    listener = listen()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
    writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    answer = await reader.read()
    assert answer.startswith(b"HTTP/1.1 400 ") and b"use https://" in answer
    writer.close()
    await until(lambda: Echo.ends)
    assert listener.acceptor.counts["no-tls"] == 1
    assert "it speaks plain HTTP, where TLS is expected" in caplog.text
    await end(listener)


@pytest.mark.parametrize("first", [b"\0\0\0\0", b"\x80\x2e\x01\x03", b"SSH-2.0\r\n"])
async def test_other_bytes_are_no_tls(listen, until, caplog, first):
    listener = listen()
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
    writer.write(first)
    with suppress(ConnectionError):
        assert await reader.read() == b""
    assert listener.acceptor.counts["no-tls"] == 1
    assert f"its first byte is {first[0]:#04x}" in caplog.text
    await end(listener, writer)


async def test_a_handshake_that_fails_is_counted_and_the_peer_hears_why(
    listen, authority, until, caplog
):
    listener = listen(tls_client_ca=authority.file)
    reader, writer = await connect(authority, listener)
    with pytest.raises(ssl.SSLError, match="(?i)certificate.required"):
        await reader.read()
    writer.transport.abort()
    assert listener.acceptor.counts["handshake-failed"] == 1
    assert "TLS: the peer has sent no certificate" in caplog.text
    await end(listener)


async def test_half_a_handshake_ends_in_time_and_is_silent_until_then(listen, until, caplog):
    listener = listen(handshake_timeout=0.2)
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
    writer.write(b"\x16\x03\x01\x01\x00")
    await until(lambda: listener.peers)
    assert listener.acceptor.silent == 1
    assert await reader.read() == b""
    assert "no handshake of TLS within 0.2 s" in caplog.text
    assert not listener.peers
    await end(listener, writer)


async def test_a_client_certificate_gives_its_name_to_the_peer(listen, authority, until):
    listener = listen(tls_client_ca=authority.file)
    mine = authority.pair("reader.example", file="mine.pem", common_name="reader")
    context = ssl.create_default_context(cafile=authority.file)
    context.load_cert_chain(mine)
    reader, writer = await asyncio.open_connection(
        "127.0.0.1", port_of(listener), ssl=context, server_hostname="localhost"
    )
    writer.write(b"x")
    assert await reader.readexactly(1) == b"x"
    [peer] = listener.peers
    assert peer.stream.box.owner == ("reader", "tls", "reader")
    assert "reader@127.0.0.1:" in peer.stream.name
    await end(listener, writer)


async def test_a_new_certificate_is_for_new_connections_and_a_broken_one_for_none(
    listen, authority, tmp_path, caplog
):
    listener = listen()
    reader, writer = await connect(authority, listener)
    new = authority.pair("localhost", file="server.pem", common_name="the second")
    listener.reconfigure(replace(listener.options, tls_certificate=new))
    second = await connect(authority, listener)
    subject = dict(part[0] for part in second[1].get_extra_info("peercert")["subject"])
    assert subject.get("commonName") == "the second"
    (tmp_path / "server.pem").write_text("broken")
    (tmp_path / "server.pem").chmod(0o600)
    listener.reconfigure(listener.options)
    assert "keys stay as they were" in caplog.text
    third = await connect(authority, listener)
    for one in ((reader, writer), second, third):
        one[1].write(b"x")
        assert await one[0].readexactly(1) == b"x"
    await end(listener, writer, second[1], third[1])


async def test_a_dialled_connection(listen, authority, kit, until):
    listener = listen()
    owner = ToldOwner()
    address = Address.remote(f"tcp://127.0.0.1:{port_of(listener)}")
    wire = Dial(address, owner, kit(), SecureLinkOptions(tls=ServiceTls(authority.service())))
    assert not wire.write(b"too early")
    await until(lambda: owner.told == ["opened"])
    assert wire.write(b"hello")
    await until(lambda: b"".join(owner.told[1:]) == b"hello")
    wire.close()
    await until(lambda: Echo.ends)
    await end(listener)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"tls_ca": ""}, "TLS: its certificate is refused: unable to get local issuer"),
        ({"tls_name": "other.example"}, "TLS: its certificate is refused: Hostname mismatch"),
    ],
)
async def test_a_certificate_that_is_refused_gives_the_reason(
    listen, authority, kit, until, options, reason
):
    listener = listen()
    owner = ToldOwner()
    address = Address.remote(f"tcp://127.0.0.1:{port_of(listener)}")
    Dial(address, owner, kit(), SecureLinkOptions(tls=ServiceTls(authority.service(**options))))
    await until(lambda: owner.told)
    assert owner.told[0].startswith(reason)
    await end(listener)


async def test_a_file_that_is_gone_gives_the_reason(kit, until, tmp_path, authority):
    owner = ToldOwner()
    tls = ServiceTls(authority.service(tls_ca=str(tmp_path / "none")))
    Dial(Address.remote("tcp://127.0.0.1:9"), owner, kit(), SecureLinkOptions(tls=tls))
    await until(lambda: owner.told)
    assert owner.told[0].startswith("tls-ca: ") and "No such file" in owner.told[0]


async def test_a_service_that_speaks_no_tls(kit, until, authority):
    async def answer(reader, writer):
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    owner = ToldOwner()
    address = Address.remote(f"tcp://127.0.0.1:{port}")
    Dial(address, owner, kit(), SecureLinkOptions(tls=ServiceTls(authority.service())))
    await until(lambda: owner.told)
    assert owner.told[0] == "TLS: the peer speaks no TLS"
    server.close()
    await server.wait_closed()


async def test_the_cache_of_sessions_is_emptied(authority, monkeypatch):
    monkeypatch.setattr(tls, "MOST_SESSIONS", 3)
    made = tls.ListenerTls(authority.listener())
    contexts = set()
    client = ssl.create_default_context(cafile=authority.file)
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    for _ in range(8):
        ours, theirs = made.session(), TlsSession(client, "localhost")
        contexts.add(id(ours._tls.context))
        ours.receive(theirs.step().transmit)
        theirs.receive(ours.step().transmit)
        ours.receive(theirs.step().transmit)
        theirs.receive(ours.step().transmit)
        assert theirs.step().done
        ours.open(theirs.close())
        theirs.open(ours.close())
        assert ours._tls.context.session_stats()["number"] <= 3
    assert len(contexts) > 1
