"""The process around the server: pid file, background, early signals, word to systemd.

Everything here happens before the event loop turns or after it has ended, except `notify`, which
sends one datagram and never waits. It must never know what the server does.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import BinaryIO

READY = b"ready"
TOUCH = 0.2
"""Seconds in which a lock is another one's look at a pid file, not a running process."""


class PidFileError(Exception):
    """The pid file cannot be taken or read; the text says why and what to do."""


class PidFile:
    """A file that holds the number of the running process: digits, nothing else.

    The process has it locked (flock) as long as it lives, so that a number left behind, which may
    be another process's by now, is never mistaken for a running server.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._file: BinaryIO | None = None

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

    def held(self) -> bool:
        """True if a running process has the file locked."""
        try:
            with self.path.open("rb") as file:
                return not _lock(file, fcntl.LOCK_SH)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise PidFileError(f"cannot read pid file {self.path}: {error.strerror}") from error

    def take(self) -> bool:
        """Write our own number; True if a stale file was in the way, PidFileError if a live one."""
        stale = self.path.exists()
        pid = self.read()
        try:
            file = self._locked()
            if file is None:
                raise PidFileError(
                    f"pid file {self.path} exists and process {pid} is alive; "
                    "another server running?"
                )
            self._file = file
            file.truncate(0)
            file.write(str(os.getpid()).encode())
            file.flush()
        except OSError as error:
            self.drop()
            raise PidFileError(f"cannot write pid file {self.path}: {error.strerror}") from error
        return stale

    def drop(self) -> None:
        """Remove the file if it is still ours; harmless when it was never taken."""
        file, self._file = self._file, None
        if file is None:
            return
        with contextlib.suppress(OSError), file:
            if self._is(file):
                self.path.unlink()

    def _locked(self) -> BinaryIO | None:
        """The file, opened and locked; None if a running process has it."""
        end = time.monotonic() + TOUCH
        while True:
            file = os.fdopen(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o644), "r+b", buffering=0)
            try:
                mine = _lock(file, fcntl.LOCK_EX)
                # Whoever had it may have removed it since we opened it.
                if mine and self._is(file):
                    return file
            except BaseException:
                file.close()
                raise
            file.close()
            if not mine and time.monotonic() > end:
                return None
            time.sleep(0.01)

    def _is(self, file: BinaryIO) -> bool:
        """True if this open file is the one that has our path."""
        with contextlib.suppress(FileNotFoundError):
            return os.path.samestat(os.fstat(file.fileno()), self.path.stat())
        return False


def _lock(file: BinaryIO, how: int) -> bool:
    """Lock a file until it is closed; False if somebody else has it."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def send_signal(file: PidFile, number: int) -> str:
    """Send a signal to the process of a pid file; a warning is returned when there is none.

    PidFileError if the file is corrupt or the process is not ours to signal.
    """
    pid = file.read()
    if not pid and not file.path.exists():
        return f"no pid file {file.path}, the server is not running"
    if not pid or not file.held():
        return f"pid file {file.path} exists, but the server is not running"
    try:
        os.kill(pid, number)
    except OSError as error:
        raise PidFileError(f"cannot signal process {pid}: {error.strerror}") from error
    return ""


def wait_for_end(file: PidFile, seconds: float) -> bool:
    """Wait until the process of a pid file has ended; False if it takes longer."""
    pid = file.read()
    end = time.monotonic() + seconds
    while file.held() and file.read() == pid:
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


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
