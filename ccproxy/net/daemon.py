"""The process around the server: pid file, background, early signals, word to systemd.

Everything here happens before the event loop turns or after it has ended, except `notify`, which
sends one datagram and never waits. It must never know what the server does.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

READY = b"ready"


class PidFileError(Exception):
    """The pid file cannot be taken or read; the text says why and what to do."""


class PidFile:
    """A file that holds the number of the running process: digits, nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._pid = 0

    def read(self) -> int:
        """The number in the file, 0 if there is none; PidFileError if the file is corrupt."""
        try:
            lines = self.path.read_text(encoding="ascii", errors="replace").splitlines()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise PidFileError(f"cannot read pid file {self.path}: {error.strerror}") from error
        text = lines[0].strip() if lines else ""
        if text and not (text.isascii() and text.isdigit()):
            raise PidFileError(
                f"corrupt pid file {self.path}: expected digits, found {text[:20]!r}"
            )
        return int(text or "0")

    def take(self) -> bool:
        """Write our own number; True if a stale file was in the way, PidFileError if a live one."""
        pid = self.read()
        if pid != os.getpid() and is_alive(pid):
            raise PidFileError(
                f"pid file {self.path} exists and process {pid} is alive; another server running?"
            )
        stale = self.path.exists()
        try:
            self._write()
        except OSError as error:
            raise PidFileError(f"cannot write pid file {self.path}: {error.strerror}") from error
        return stale

    def drop(self) -> None:
        """Remove the file if it is still ours; harmless when it was never taken."""
        if self._pid != os.getpid():
            return
        with contextlib.suppress(OSError, PidFileError):
            if self.read() == self._pid:
                self.path.unlink()
        self._pid = 0

    def _write(self) -> None:
        """A reader sees the old number or the new one, never half of one."""
        pid = os.getpid()
        fresh = self.path.with_name(f"{self.path.name}.{pid}.new")
        try:
            fresh.write_text(str(pid), encoding="ascii")
            fresh.replace(self.path)
        finally:
            fresh.unlink(missing_ok=True)
        self._pid = pid


def is_alive(pid: int) -> bool:
    """True if there is a process of this number, ours or somebody else's."""
    if pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except OverflowError:
        return False
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def send_signal(file: PidFile, number: int) -> str:
    """Send a signal to the process of a pid file; a warning is returned when there is none.

    PidFileError if the file is corrupt or the process is not ours to signal.
    """
    pid = file.read()
    if not pid and not file.path.exists():
        return f"no pid file {file.path}, the server is not running"
    if not is_alive(pid):
        return f"pid file {file.path} exists, but the server is not running"
    try:
        os.kill(pid, number)
    except OSError as error:
        raise PidFileError(f"cannot signal process {pid}: {error.strerror}") from error
    return ""


class HeldSignals:
    """Signals that come before the server can obey them: kept, and sent again when it can."""

    NUMBERS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)

    def __init__(self) -> None:
        self._held: list[int] = []

    def hold(self) -> None:
        """Keep signals from now on."""
        for number in self.NUMBERS:
            signal.signal(number, self._keep)

    def release(self) -> None:
        """Somebody else handles signals now: send what was kept."""
        held, self._held = self._held, []
        for number in held:
            os.kill(os.getpid(), number)

    def _keep(self, number: int, frame: object) -> None:
        """A start that hangs must not be immune: asked to stop twice, the process ends at once."""
        if number in self._held and number != signal.SIGHUP:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._held.append(number)


class Background:
    """The child's end of the line to the parent that waits for the start."""

    def __init__(self, line: BinaryIO) -> None:
        self._line = line

    def ready(self) -> None:
        """The start has succeeded: the parent ends with 0, and nobody reads our stderr any more."""
        if self._line.closed:
            return
        _redirect_to(os.devnull)
        self._tell(READY)

    def failed(self, status: int) -> None:
        """The start has failed: the parent prints our stderr and ends with `status`."""
        sys.stderr.flush()
        self._tell(str(status).encode())

    def _tell(self, word: bytes) -> None:
        if self._line.closed:
            return
        with contextlib.suppress(OSError):  # the parent may have been interrupted
            self._line.write(word)
            self._line.close()


def go_to_background() -> Background | int:
    """Fork; the parent waits for the child's word and gets its exit status, the child a Background.

    Must be called before threads or an event loop exist.
    """
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as said:
        if os.fork():
            os.close(writer)
            return _wait_for_child(reader, said)
        os.close(reader)
        os.setsid()
        if os.fork():
            os._exit(0)  # a session leader could be given a terminal again
        _redirect_to(os.devnull, output=said.fileno())
    return Background(os.fdopen(writer, "wb"))


def _wait_for_child(reader: int, said: BinaryIO) -> int:
    """The exit status of the start; what a failed one said goes to our stderr."""
    os.wait()
    with os.fdopen(reader, "rb") as line:
        word = line.read()
    if word == READY:
        return 0
    said.seek(0)
    sys.stderr.write(said.read().decode(errors="replace"))
    if not word:
        sys.stderr.write("ccserver: the background process ended before it was ready\n")
    return int(word or b"1")


def _redirect_to(path: str, output: int | None = None) -> None:
    """Point stdin, stdout and stderr to a file, the latter two to `output` if it is given."""
    sys.stdout.flush()
    sys.stderr.flush()
    null = os.open(path, os.O_RDWR)
    os.dup2(null, 0)
    for standard in (1, 2):
        os.dup2(null if output is None else output, standard)
    os.close(null)


def notify(state: str) -> None:
    """Tell systemd READY=1, RELOADING=1 or STOPPING=1, if it asked by NOTIFY_SOCKET.

    Source: sd_notify(3); an address that starts with @ is an abstract one.
    """
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address.startswith(("@", "/")):
        return
    if state == "RELOADING=1":
        state += f"\nMONOTONIC_USEC={time.monotonic_ns() // 1000}"
    if address.startswith("@"):
        address = "\0" + address[1:]
    with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as line:
        line.setblocking(False)
        line.sendto(state.encode(), address)
