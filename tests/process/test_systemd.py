"""What systemd is told."""

import asyncio
import os
import socket

import pytest

from ccproxy.process.systemd import is_journal, notify, tell_watchdog, watchdog_interval


@pytest.fixture
def systemd(tmp_path, monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield listener


def test_systemd_hears(systemd):
    notify("READY=1")
    assert systemd.recv(100) == b"READY=1"
    notify("RELOADING=1")
    first, second = systemd.recv(100).split(b"\n")
    assert first == b"RELOADING=1"
    assert int(second.removeprefix(b"MONOTONIC_USEC=")) > 0


def test_an_abstract_address(monkeypatch):
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(f"\0ccproxy-test-{os.getpid()}")
        listener.settimeout(10)
        monkeypatch.setenv("NOTIFY_SOCKET", f"@ccproxy-test-{os.getpid()}")
        notify("STOPPING=1")
        assert listener.recv(100) == b"STOPPING=1"


@pytest.mark.parametrize("address", ["", "/nonexistent/notify", "relative"])
def test_no_process_listens(address, monkeypatch):
    monkeypatch.setenv("NOTIFY_SOCKET", address)
    notify("READY=1")


def test_the_journal_is_known_by_device_and_inode(monkeypatch, tmp_path):
    with (tmp_path / "x").open("w") as file:
        found = os.fstat(file.fileno())
        for value, same in (
            ("", False), ("1:2", False), (f"{found.st_dev}:{found.st_ino}", True),
        ):  # fmt: skip
            monkeypatch.setenv("JOURNAL_STREAM", value)
            assert is_journal(file.fileno()) is same
    assert is_journal(10_000) is False, "no descriptor has this number"


@pytest.mark.parametrize(
    ("microseconds", "process", "seconds"),
    [(None, None, 0), ("30000000", None, 10), ("30000000", "ours", 10), ("30000000", "1", 0),
     ("often", None, 0), ("-5", None, 0)],
)  # fmt: skip
def test_how_often_systemd_wants_to_hear(monkeypatch, microseconds, process, seconds):
    monkeypatch.delenv("WATCHDOG_USEC", raising=False)
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    if microseconds:
        monkeypatch.setenv("WATCHDOG_USEC", microseconds)
    if process:
        monkeypatch.setenv("WATCHDOG_PID", str(os.getpid()) if process == "ours" else process)
    assert watchdog_interval() == seconds


async def test_the_watchdog_is_told_as_long_as_the_loop_turns(systemd, monkeypatch):
    monkeypatch.setenv("WATCHDOG_USEC", "3000")
    monkeypatch.delenv("WATCHDOG_PID", raising=False)
    task = asyncio.ensure_future(tell_watchdog())
    for _ in range(3):
        assert await asyncio.to_thread(systemd.recv, 100) == b"WATCHDOG=1"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    monkeypatch.delenv("WATCHDOG_USEC")
    await tell_watchdog()  # nothing is wanted, and it ends
