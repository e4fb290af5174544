"""Code that must have no effects outside of its process."""

import os
import socket
import sqlite3
import subprocess
import threading

import pytest

from ccproxy.process.effects import no_effects


def refused(call):
    with no_effects("it"), pytest.raises(PermissionError, match="^it "):
        call()


def test_files_are_read_and_not_written(tmp_path):
    file = tmp_path / "file"
    file.write_text("before")
    with no_effects("it"):
        assert file.read_text() == "before"
        with open(os.devnull, "w") as null:  # noqa: PTH123
            null.write("nothing")
    for call in (
        lambda: file.write_text("after"),
        lambda: file.open("a"),
        lambda: file.open("r+"),
        lambda: os.open(tmp_path / "new", os.O_CREAT),
        file.unlink,
        lambda: file.rename(tmp_path / "other"),
        lambda: file.chmod(0o600),
        lambda: (tmp_path / "folder").mkdir(),
        lambda: (tmp_path / "link").symlink_to(file),
        lambda: sqlite3.connect(tmp_path / "data.db"),
    ):
        refused(call)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert file.read_text() == "before"


def test_a_database_in_memory_is_none_outside():
    with no_effects("it"):
        sqlite3.connect(":memory:").close()


def test_sockets_lead_nowhere():
    with socket.socket() as sock:
        refused(lambda: sock.bind(("127.0.0.1", 0)))
        refused(lambda: sock.connect(("127.0.0.1", 1)))
    with socket.socket(type=socket.SOCK_DGRAM) as sock:
        refused(lambda: sock.sendto(b"", ("127.0.0.1", 1)))
    refused(lambda: socket.getaddrinfo("localhost", 1))


def test_no_process_starts_and_none_gets_a_signal():
    refused(lambda: subprocess.run(["true"]))
    refused(lambda: os.system("true"))
    refused(lambda: os.kill(os.getpid(), 0))


def test_it_holds_in_threads_and_ends(tmp_path):
    failures = []

    def write():
        try:
            (tmp_path / "file").write_text("")
        except PermissionError as error:
            failures.append(str(error))

    with no_effects("it"), no_effects("the inner one"):
        thread = threading.Thread(target=write)
        thread.start()
        thread.join()
    assert failures == ["the inner one writes no file"]
    (tmp_path / "file").write_text("")
