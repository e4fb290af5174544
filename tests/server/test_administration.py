"""The control socket and the HTTP port of a server: opened, a token that changes, closed."""

import asyncio
import socket
from dataclasses import replace

import pytest

from ccproxy.config.plan import Plan
from ccproxy.config.server import ServerOptions
from ccproxy.server.administration import Administration
from ccproxy.server.control import ControlActions
from ccproxy.server.steering import Steering

FIRST, SECOND = "first-token-0123456", "second-token-0123456"


def plan(tmp_path, **options):
    (tmp_path / "x.ini").touch()
    server = ServerOptions(cc_socket="tcp://127.0.0.1:5000", control="c.sock", **options)
    return Plan(str(tmp_path / "x.ini"), "x", server, (), (), ())


@pytest.fixture
def administration(kit):
    def administration():
        return Administration(
            None, ControlActions(None, None, None, None, Steering(None, None)), kit().log
        )

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
    file.write_text(SECOND)
    one.reconfigure(planned)
    assert (await code(FIRST), await code(SECOND)) == (401, 200)
    file.unlink()
    one.reconfigure(planned)
    assert "cannot be read" in caplog.text
    assert await code(SECOND) == 200
    await one.close()
