"""What `check --environment` tries, and that it leaves everything as it was."""

import os
import socket
import sqlite3

import pytest

from ccproxy.testing import free_ports

INI = """\
    [ccserver]
    cc-socket = {address}
    cc-role = insecure
    {options}
    [routes]
    echo = h:echo
    {more}
    [h:echo]
    handler = echo
"""
GRAPH = "[app]\nname = x\n[service a]\nsockets = a_api\n"


@pytest.fixture
def check(ini, call):
    def check(address="", options="", more=""):
        address = address or f"tcp://127.0.0.1:{free_ports(1)[0]}"
        file = ini(INI.format(address=address, options=options, more=more))
        plain = call("check", file)
        assert plain[0] == 0, plain
        return call("check", "--environment", file)

    return check


def test_what_can_start_is_valid_and_leaves_nothing(check, tmp_path):
    before = sorted(tmp_path.iterdir())
    status, out, _ = check(
        options=f"infofile = {tmp_path}/info\n    pidfile = {tmp_path}/pid\n"
        f"    logfile = {tmp_path}/log"
    )
    assert status == 0, out
    assert ": ok, digest " in out
    assert [one for one in sorted(tmp_path.iterdir()) if one.suffix != ".ini"] == before


@pytest.mark.parametrize("option", ["infofile", "pidfile", "logfile"])
def test_a_folder_that_is_not_there(check, tmp_path, option):
    status, out, _ = check(options=f"{option} = {tmp_path}/no/file")
    assert status == 78
    assert f'"{option}" in [ccserver]: there is no folder {tmp_path}/no' in out
    assert out.splitlines()[-1].endswith(": 1 mistake")


def test_a_file_that_is_none(check, tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "pipe is there and is no regular file" in check(options=f"logfile = {tmp_path}/pipe")[1]


def test_a_device_takes_a_log(check):
    assert check(options="logfile = /dev/null")[0] == 0


def test_a_port_that_is_taken(check):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        status, out, _ = check(f"tcp://127.0.0.1:{port}")
    assert status == 78
    assert f"cannot listen on tcp://127.0.0.1:{port}: Address already in use; is the server" in out
    assert check(f"tcp://127.0.0.1:{port}")[0] == 0


def test_a_unix_socket_without_a_folder(check, tmp_path):
    assert f"there is no folder {tmp_path}/no" in check(f"ipc://{tmp_path}/no/s")[1]
    (tmp_path / "file").touch()
    assert "file is there and is no socket" in check(f"ipc://{tmp_path}/file")[1]
    assert check(f"ipc://{tmp_path}/s")[0] == 0
    assert not (tmp_path / "s").exists()


def test_databases_open(check, tmp_path):
    (tmp_path / "graph").write_text(GRAPH)
    state = tmp_path / "state"
    more = (
        f"ssmmp = h:m\n    [h:m]\n    handler = ssmmp-manager\n    graph = {tmp_path}/graph\n"
        f"    state = {state}"
    )
    assert check(more=more)[0] == 0
    assert not state.exists()
    state.write_bytes(b"no database at all" * 100)
    assert f'"state" in [h:m]: {state}: file is not a database' in check(more=more)[1]
    state.unlink()
    with sqlite3.connect(state, isolation_level=None) as file:
        file.execute("CREATE TABLE x (y)")
        file.execute("BEGIN EXCLUSIVE")
        assert "database is locked" in check(more=more)[1]
        file.execute("ROLLBACK")
    file.close()
    assert check(more=more)[0] == 0


def test_more_peers_than_descriptors(check, monkeypatch):
    monkeypatch.setattr("resource.getrlimit", lambda what: (256, 1024))
    status, out, _ = check(options="max-peers = 961")
    assert status == 0
    assert "[ccserver]: max-peers = 961, but there are file descriptors for 960" in out
    assert "file descriptors" not in check(options="max-peers = 960")[1]
