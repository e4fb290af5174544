"""The control socket and the HTTP port of a server: opened, a token that changes, closed."""

import asyncio
import socket
import ssl
from dataclasses import replace

import pytest

from ccproxy.config.plan import Plan
from ccproxy.config.server import ServerOptions
from ccproxy.server import channels, updates
from ccproxy.server.administration import Administration, Watched
from ccproxy.server.control import ControlActions
from ccproxy.server.steering import Steering
from tests.certificates import Authority
from tests.server.test_hidden import STATUS
from tests.server.test_updates import Seen

FIRST, SECOND = "first-token-0123456", "second-token-0123456"


def plan(tmp_path, **options):
    (tmp_path / "x.ini").touch()
    server = ServerOptions(cc_socket="tcp://127.0.0.1:5000", control="c.sock", **options)
    return Plan(str(tmp_path / "x.ini"), "x", server, (), (), ())


@pytest.fixture
def administration(kit):
    def administration():
        actions = ControlActions(None, None, None, None, Steering(None, None))
        watched = Watched(lambda: STATUS, Seen(), actions)
        return Administration(watched, kit())

    return administration


async def test_both_are_opened_and_closed(administration, client, tmp_path, caplog):
    caplog.set_level("INFO")
    one = administration()
    await one.open(plan(tmp_path, http="127.0.0.1:0"))
    port = int(caplog.text.partition("http address=127.0.0.1:")[2].split()[0])
    assert await client(port).ask("GET /healthz") == (200, "ok\n")
    assert (await client(tmp_path / "c.sock").ask("GET /nothing"))[0] == 404
    await one.close()
    assert not (tmp_path / "c.sock").exists()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", port)


async def test_without_the_options_nothing_is_opened(administration, tmp_path):
    one, planned = administration(), plan(tmp_path)
    silent = replace(planned, server=replace(planned.server, control="no"))
    await one.open(silent)
    one.reconfigure(silent)
    await one.close()
    assert [file.name for file in tmp_path.iterdir()] == ["x.ini"]


async def test_a_port_that_is_taken_is_named(administration, tmp_path):
    one = administration()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(OSError, match=f"cannot listen on http = {place}: Address already"):
            await one.open(plan(tmp_path, http=place))
    await one.close()


async def test_a_control_socket_that_cannot_be_had_is_a_warning(administration, tmp_path, caplog):
    (tmp_path / "c.sock").touch()
    one = administration()
    await one.open(plan(tmp_path))
    assert "no control socket" in caplog.text and "is no socket" in caplog.text
    await one.close()


async def test_a_reload_reads_the_token_again(administration, client, tmp_path, caplog):
    caplog.set_level("INFO")
    file = tmp_path / "token"
    file.write_text(FIRST)
    file.chmod(0o600)
    one, planned = administration(), plan(tmp_path, http="127.0.0.1:0", http_token=str(file))
    await one.open(planned)
    port = int(caplog.text.partition("http address=127.0.0.1:")[2].split()[0])

    async def code(token):
        headers = f"Host: x\r\nAuthorization: Bearer {token}\r\n"
        return (await client(port).ask("GET /healthz", headers))[0]

    assert (await code(FIRST), await code(SECOND)) == (200, 401)
    said = "the token of http-token was read again and is"
    assert one.reconfigure(planned) == [f"{said} the same"]
    file.write_text(SECOND)
    assert one.reconfigure(planned) == [f"{said} another one now"]
    assert (await code(FIRST), await code(SECOND)) == (401, 200)
    file.unlink()
    [fault] = one.reconfigure(planned)
    assert fault.endswith(", the old one stays")
    assert "cannot be read" in caplog.text
    assert await code(SECOND) == 200
    await one.close()


async def test_an_open_page_ends_with_the_server(administration, client, tmp_path, caplog):
    caplog.set_level("INFO")
    one = administration()
    await one.open(plan(tmp_path, http="127.0.0.1:0"))
    port = int(caplog.text.partition("http address=127.0.0.1:")[2].split()[0])
    reader, writer = await client(port).begin(b"GET /updates HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert b"text/event-stream" in await reader.readuntil(b"\r\n\r\n")
    assert (await reader.readuntil(b"\n\n")).startswith(b"data: {")
    await one.close()
    assert b"HTTP" not in await reader.read()
    writer.transport.abort()


async def test_a_page_that_does_not_read_misses_updates_and_is_closed_then(
    administration, client, tmp_path, caplog, monkeypatch, until
):
    monkeypatch.setattr(updates, "UPDATE_INTERVAL", 0.0)
    monkeypatch.setattr(channels, "CLIENT_TIMEOUT", 0.3)
    caplog.set_level("INFO")
    one = administration()
    await one.open(plan(tmp_path, http="127.0.0.1:0"))
    port = int(caplog.text.partition("http address=127.0.0.1:")[2].split()[0])
    ask = b"GET /updates HTTP/1.1\r\nHost: localhost\r\n\r\n"
    pages = one._port._monitor._updates.clients[False]
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.connect(("127.0.0.1", port))
    sock.sendall(ask)
    await until(lambda: pages)
    [slow] = pages
    reader, writer = await client(port).begin(ask)
    await until(lambda: slow.missed > 10)
    assert await reader.readuntil(b"\n\n")  # the other page goes on
    await until(lambda: slow not in pages)
    writer.transport.abort()
    sock.close()
    await one.close()


async def test_the_port_speaks_tls_and_a_reload_reads_the_certificate_again(
    administration, tmp_path, caplog
):
    caplog.set_level("INFO")
    authority = Authority(tmp_path)
    files = {"http_tls_certificate": authority.pair()}
    one, planned = administration(), plan(tmp_path, http="127.0.0.1:0", **files)
    await one.open(planned)
    port = int(caplog.text.partition("http address=127.0.0.1:")[2].split()[0])

    async def ask(trusted):
        context = ssl.create_default_context(cafile=trusted.file)
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context)
        writer.write(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        try:
            return await reader.read()
        finally:
            writer.transport.abort()

    assert (await ask(authority)).endswith(b"\r\n\r\nok\n")
    other = Authority(tmp_path)
    other.pair()
    one.reconfigure(planned)
    assert (await ask(other)).endswith(b"\r\n\r\nok\n")
    (tmp_path / "server.pem").unlink()
    one.reconfigure(planned)
    assert "cannot be read" in caplog.text
    assert (await ask(other)).endswith(b"\r\n\r\nok\n")
    await one.close()


async def test_other_machines_never_reach_a_port_without_tls(administration, tmp_path):
    one = administration()
    with pytest.raises(OSError, match="so it needs TLS"):
        await one.open(plan(tmp_path, http="0.0.0.0:0"))
    await one.close()
