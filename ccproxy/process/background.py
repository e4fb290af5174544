"""The way to the background: two forks, and a parent that waits until the start has succeeded.

It must be used before threads or an event loop exist, and must never know what is being started.
"""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from typing import BinaryIO

READY = b"ready"


class Background:
    """The pipe to the parent of the background process, which waits for the outcome."""

    def __init__(self, pipe: BinaryIO) -> None:
        self._pipe = pipe

    def ready(self, warning: str = "") -> None:
        """The start has succeeded: the parent prints the warning, if there is one, and ends with 0.
        Our stderr is read no more."""
        if self._pipe.closed:
            return
        _redirect_to(os.devnull)
        self._tell(READY + warning.encode())

    def failed(self, status: int) -> None:
        """The start has failed: the parent prints our stderr and ends with `status`."""
        sys.stderr.flush()
        self._tell(str(status).encode())

    def _tell(self, word: bytes) -> None:
        if self._pipe.closed:
            return
        with contextlib.suppress(OSError):  # the parent may have been interrupted
            self._pipe.write(word)
            self._pipe.close()


def go_to_background() -> Background | int:
    """Fork twice; the parent waits and gets the exit status, the child gets a Background.

    Must be called before threads or an event loop exist.
    """
    reader, writer = os.pipe()
    with tempfile.TemporaryFile() as output:
        if os.fork():
            os.close(writer)
            return _wait_for_child(reader, output)
        os.close(reader)
        os.setsid()
        if os.fork():
            os._exit(0)  # the leader of a session could be given a terminal again
        _redirect_to(os.devnull, output=output.fileno())
    return Background(os.fdopen(writer, "wb"))


def _wait_for_child(reader: int, output: BinaryIO) -> int:
    """The exit status of the start; what a failed start wrote goes to our stderr."""
    os.wait()
    with os.fdopen(reader, "rb") as pipe:
        word = pipe.read()
    if word.startswith(READY):
        sys.stderr.write(word.removeprefix(READY).decode(errors="replace"))
        return 0
    output.seek(0)
    sys.stderr.write(output.read().decode(errors="replace"))
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
