"""Connections of the HTTP servers inside TLS: real handshakes, and clients that break them."""

import asyncio
import socket
import ssl

import pytest

from ccproxy.config.tls import ServerTlsFiles
from ccproxy.net.handshakes import Handshakes
from ccproxy.net.tls import ListenerTls
from ccproxy.server import channels, requests
from ccproxy.server.channels import Securing
from ccproxy.server.requests import RequestServer, WebAnswer
from tests.certificates import Authority

WHOLE = b"GET /x HTTP/1.1\r\nHost: x\r\n\r\n"
LONG = bytes(range(256)) * 4096


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


@pytest.fixture
def client(authority):
    """The context of a client that trusts the authority."""
    return ssl.create_default_context(cafile=authority.file)


@pytest.fixture
def serve(kit, authority):
    """A server with TLS that answers with the target, or a long body; and its port."""

    async def answer(request):
        if request.target != "/parts":
            return WebAnswer(200, LONG if request.target == "/long" else request.target.encode())

        async def parts():
            yield b"one"
            yield b"two"

        return WebAnswer(200, parts())

    async def serve(slow=False):
        sock = socket.create_server(("127.0.0.1", 0))
        sock.setblocking(False)
        server = RequestServer("tested", sock, answer, kit().log)
        tls = ListenerTls(ServerTlsFiles(authority.pair()))
        tls.slow = slow
        handshakes = Handshakes()
        server.secure = Securing(tls, handshakes)
        await server.open()
        return server, sock.getsockname()[1], handshakes

    return serve


async def ask(port, context, data=WHOLE):
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
    writer.write(data)
    try:
        return await reader.read()
    finally:
        writer.transport.abort()


async def raw(port, data, end=True):
    """What comes back for bytes without TLS."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(data)
    if end:
        writer.write_eof()
    try:
        return await reader.read()
    finally:
        writer.transport.abort()


@pytest.mark.parametrize("slow", [False, True])
async def test_a_request_inside_tls(serve, client, slow):
    server, port, handshakes = await serve(slow)
    found = await ask(port, client)
    assert found.startswith(b"HTTP/1.1 200 OK") and found.endswith(b"\r\n\r\n/x")
    assert (await ask(port, client, WHOLE.replace(b"/x", b"/parts"))).endswith(b"\r\n\r\nonetwo")
    assert (await ask(port, client, WHOLE.replace(b"/x", b"/long"))).endswith(LONG)
    await server.close()
    await handshakes.close()


async def test_both_versions_of_tls(serve, client):
    server, port, handshakes = await serve()
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        client.minimum_version = client.maximum_version = version
        assert b"200 OK" in await ask(port, client)
    await server.close()


async def test_a_plain_request_is_told_to_use_tls(serve):
    server, port, handshakes = await serve()
    found = await raw(port, WHOLE)
    assert found.startswith(b"HTTP/1.1 400") and b"use https://" in found
    await server.close()


@pytest.mark.parametrize("data", [b"", b"\x00\x01nonsense", b"\x16\x03\x01\x00\x05hello"])
async def test_what_is_no_tls_is_closed(serve, client, data, until):
    server, port, handshakes = await serve()
    assert b"HTTP" not in await raw(port, data)
    assert b"200 OK" in await ask(port, client)
    await until(lambda: not server.connections)
    await server.close()


async def test_a_client_that_refuses_the_certificate_harms_nothing(serve, client, caplog):
    server, port, handshakes = await serve()
    with pytest.raises(ssl.SSLError):
        await ask(port, ssl.create_default_context())
    assert b"200 OK" in await ask(port, client)
    await server.close()
    assert caplog.text == ""


async def test_handshakes_that_stand_still_give_room_to_new_clients(serve, client, until):
    server, port, handshakes = await serve()
    silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(40)]
    for _, writer in silent[::2]:
        writer.write(b"\x16\x03\x01")
    await until(lambda: len(server.connections) >= requests.MAX_CONNECTIONS)
    assert b"200 OK" in await ask(port, client)
    assert len(server.connections) <= requests.MAX_CONNECTIONS + 1
    for _, writer in silent:
        writer.transport.abort()
    await server.close()


async def test_a_handshake_that_takes_too_long_ends(serve, monkeypatch, until):
    monkeypatch.setattr(channels, "CLIENT_TIMEOUT", 0.05)
    server, port, handshakes = await serve()
    assert await raw(port, b"\x16\x03\x01", end=False) == b""
    await until(lambda: not server.connections)
    await server.close()


async def test_what_follows_a_broken_record_is_not_answered(serve, client, until):
    server, port, handshakes = await serve()
    inside, out = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = client.wrap_bio(inside, out, server_hostname="localhost")
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while True:
        try:
            tls.do_handshake()
            break
        except ssl.SSLWantReadError:
            writer.write(out.read())
            inside.write(await reader.read(65536))
    tls.write(WHOLE)
    record = out.read()
    writer.write(record[:-1] + bytes([record[-1] ^ 1]))
    assert b"200" not in await reader.read()
    writer.transport.abort()
    await server.close()
