"""The Unix socket through which a server is watched and told to reload: its place, how it is made.

The place follows from the configuration file and the user of the server, never from the
environment, so that a command which is given the same file finds it. A server must never take the
socket of one that lives, nor remove one that is not its own, nor let other users than its own and
root reach it.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import os
import re
import socket
import stat
import struct
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

SHARED = Path("/run/ccserver")
"""The directory of root's servers, and of the only unit with `RuntimeDirectory=ccserver`. One with
`RuntimeDirectory=ccserver/NAME` has NAME here, for its NAME.ini."""
OWN = Path("/tmp")
"""Each other user has a directory `ccserver-USER-NUMBER` here."""
LOCK_TIMEOUT = 10.0
"""Seconds another server may take to make its socket in the same directory; it needs a millisecond,
but a busy machine may let it wait while it has the lock."""
REMOVE_TIMEOUT = 1.0
"""The same for a server that removes its socket at its end; one that is left is removed later."""
LONGEST_PATH = 107
"""Bytes, see unix(7); a renamed socket can get a longer path, which no client can connect to."""
BACKLOG = 128
"""Connections that wait; each server of the same user that starts makes one to see who lives."""
FULL = "the server takes no more requests: it hangs, or a signal has stopped it (see kill -CONT)"
"""What it means that a connection cannot be made at once: as many as `BACKLOG` wait."""
MOST_DEAD = 200
"""Sockets that are looked at when a server starts, whether their servers live."""
NONE = "no"
"""The value of the option `control` of servers that are to have none."""


class ControlSocketError(Exception):
    """The socket cannot be had; the text says where and why."""


def socket_name(file: Path) -> str:
    """The name of the socket of a configuration; the digest tells files of the same name apart."""
    absolute = file.resolve()
    digest = hashlib.sha256(os.fsencode(absolute)).hexdigest()[:12]
    return f"{re.sub(r'[^A-Za-z0-9_.-]', '_', absolute.stem)[:32]}-{digest}.sock"


def own_directory(user: int) -> Path:
    """The directory of a user for whom there is no other."""
    return OWN / f"ccserver-{user}"


def places(file: Path, user: int) -> list[Path]:
    """Where a server of this user has the socket of a configuration: the first place it can use."""
    name = socket_name(file)
    return [SHARED / file.resolve().stem / name, SHARED / name, own_directory(user) / name]


def places_to_look(file: Path, user: int) -> list[Path]:
    """Where a command of this user looks for it; root looks in the directories of all users."""
    found = places(file, user)
    if user == 0:
        name = socket_name(file)
        for directory in sorted(OWN.glob("ccserver-*")):
            owner = directory.name.removeprefix("ccserver-")
            if owner.isdecimal() and not _fault(directory, int(owner)):
                found.append(directory / name)
    return list(dict.fromkeys(found))


class ControlSocket:
    """A listening socket at a path of the file system, as long as a server has it."""

    def __init__(self, path: Path, sock: socket.socket) -> None:
        self.path = path
        self.socket = sock
        self.lent = False
        """True while another process has it as well: its file stays."""
        self._made = _identity(path)

    def remove(self) -> None:
        """Remove the file if it is still ours; to be called before the socket is closed."""
        if self.lent:
            return
        with (
            contextlib.suppress(OSError, ControlSocketError),
            _locked(self.path.parent, REMOVE_TIMEOUT),
        ):
            if self._made and _identity(self.path) == self._made:
                self.path.unlink()


def belongs_to(path: Path, file: Path, option: str) -> bool:
    """True if a server of this configuration and of our user may have its socket at a path."""
    wanted = chosen(file, option)
    if option == NONE or wanted is not None:
        return path == wanted
    return path in places(file, os.geteuid())


def chosen(file: Path, option: str) -> Path | None:
    """The path that the option `control` of a configuration names; None if it names none."""
    return file.resolve().parent / option if option not in ("", NONE) else None


def open_control(file: Path, option: str) -> ControlSocket | None:
    """The socket of a server of this process; None if the configuration wants none.

    ControlSocketError if it cannot be had.
    """
    if option == NONE:
        return None
    path = chosen(file, option)
    return open_at(path) if path is not None else open_first(places(file, os.geteuid()))


def open_first(where: Sequence[Path]) -> ControlSocket:
    """The socket at the first of the default places that can be used.

    ControlSocketError, which says why none can.
    """
    faults = []
    for path in where:
        fault = _make_directory(path.parent, os.geteuid())
        if not fault:
            _remove_dead(path.parent)
            return open_at(path)
        faults.append(fault)
    raise ControlSocketError("; ".join(faults))


def open_at(path: Path) -> ControlSocket:
    """The socket at this path, whose directory exists; ControlSocketError if it cannot be had."""
    if len(os.fsencode(path)) > LONGEST_PATH:
        raise ControlSocketError(f"{path} is too long: {LONGEST_PATH} bytes are possible")
    try:
        with _locked(path.parent, LOCK_TIMEOUT):
            _make_room(path)
            return ControlSocket(path, _bound(path))
    except OSError as error:
        raise ControlSocketError(f"{path}: {error.strerror or error}") from error


def peer_user(sock: socket.socket) -> int | None:
    """The user of the process at the other end; None where the system does not say."""
    found = _credentials(sock)
    return found[1] if found else None


def stopped_process(sock: socket.socket) -> int | None:
    """The process at the other end if a signal has stopped it (SIGSTOP, ^Z); None if it runs, or
    where the system does not say."""
    if not (found := _credentials(sock)):
        return None
    try:
        state = Path(f"/proc/{found[0]}/stat").read_text("utf-8", "replace").rpartition(")")[2]
    except OSError:
        return None
    return found[0] if state.split()[:1] == ["T"] else None


def _credentials(sock: socket.socket) -> tuple[int, int, int] | None:
    """Process, user and group at the other end; None where the system does not say."""
    if not hasattr(socket, "SO_PEERCRED"):
        return None
    size = struct.calcsize("3i")
    process, user, group = struct.unpack(
        "3i", sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    )
    return process, user, group


def _make_directory(directory: Path, user: int) -> str:
    """Why a directory cannot be ours alone, after an attempt to make it; empty if it is."""
    try:
        if directory.parent != SHARED:  # what is there, systemd made
            directory.mkdir(0o700)
    except FileExistsError:
        pass
    except OSError as error:
        return f"{directory}: {error.strerror}"
    return _fault(directory, user)


def _fault(directory: Path, user: int) -> str:
    """Why a directory is not this user's alone; empty if it is. Only systemd may make it a link."""
    try:
        linked = directory.parent == SHARED and _is_roots(SHARED)
        found = directory.stat() if linked else directory.lstat()
    except OSError as error:
        return f"{directory}: {error.strerror}"
    if not stat.S_ISDIR(found.st_mode):
        return f"{directory} is no directory"
    if found.st_uid != user:
        return f"{directory} belongs to user {found.st_uid}, expected {user}"
    # The directory of a systemd unit may hold sockets for others; it must only not be theirs.
    unit = SHARED in (directory, directory.parent)
    mode, forbidden = stat.S_IMODE(found.st_mode), 0o022 if unit else 0o077
    return f"{directory} has mode {mode:o}, expected 700" if mode & forbidden else ""


def _remove_dead(directory: Path) -> None:
    """Remove what servers left behind that were killed and not started again with the same file."""
    with contextlib.suppress(OSError, ControlSocketError), _locked(directory, 0.0):
        for path in islice(directory.glob("*.sock"), MOST_DEAD):
            if path.is_socket() and _is_dead(path):
                path.unlink()


def _is_dead(path: Path) -> bool:
    """True if no process listens at a socket."""
    with socket.socket(socket.AF_UNIX) as sock:
        sock.setblocking(False)
        return sock.connect_ex(str(path)) == errno.ECONNREFUSED


def _is_roots(directory: Path) -> bool:
    """True if only root can put a link there; systemd does, for units with DynamicUser."""
    found = directory.lstat()
    return stat.S_ISDIR(found.st_mode) and not found.st_uid and not found.st_mode & 0o022


def _make_room(path: Path) -> None:
    """Nothing is there but what a server left behind; ControlSocketError for anything else."""
    try:
        found = path.lstat()
    except FileNotFoundError:
        return
    if not stat.S_ISSOCK(found.st_mode):
        raise ControlSocketError(f"{path} exists and is no socket")
    if not _is_dead(path):
        raise ControlSocketError(f"another server has {path}")


def _bound(path: Path) -> socket.socket:
    """A listening socket with mode 600 at a path, whatever socket was there before.

    It gets its mode in a directory that no other user can enter, and its name when it is finished.
    """
    sock = socket.socket(socket.AF_UNIX)
    try:
        with tempfile.TemporaryDirectory(prefix=".", dir=path.parent) as private:
            fresh = Path(private) / "s"
            sock.bind(str(fresh))
            fresh.chmod(0o600)
            sock.listen(BACKLOG)
            sock.setblocking(False)
            fresh.rename(path)
    except BaseException:
        sock.close()
        raise
    return sock


@contextlib.contextmanager
def _locked(directory: Path, seconds: float) -> Iterator[None]:
    """Only one server at a time looks at and changes the sockets of a directory."""
    lock = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        end = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > end:
                    raise ControlSocketError(f"{directory} is locked by another process") from None
                time.sleep(0.01)
        yield
    finally:
        os.close(lock)


def _identity(path: Path) -> tuple[int, ...]:
    """What tells the file at a path from another one there; nothing without a file."""
    try:
        found = path.lstat()
    except OSError:
        return ()
    return found.st_dev, found.st_ino, found.st_mtime_ns
