"""The disk of a source's spool, which faults fill, or make read-only: a tmpfs.

It can be mounted in a namespace only, so that nothing else of the machine is changed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

UNSHARE = ("unshare", "--user", "--map-root-user", "--mount")
IN_NAMESPACE = "FAULTS_NAMESPACE"
"""Set in the environment of a process that may mount."""
SIZE = "size=320m"
FILLER = "filler"


def why_no_disk() -> str:
    """Why nothing can be mounted here; "" if it can."""
    return "" if os.environ.get(IN_NAMESPACE) else "it is not run in a namespace of its own"


def enter_namespace() -> None:
    """Begin this program again in a namespace of its own, if the machine allows it."""
    if os.environ.get(IN_NAMESPACE) or shutil.which(UNSHARE[0]) is None:
        return
    if subprocess.run([*UNSHARE, "true"], capture_output=True).returncode:
        return
    os.environ[IN_NAMESPACE] = "1"
    os.execvp(UNSHARE[0], [*UNSHARE, *sys.orig_argv])


class Disk:
    """A disk at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True)
        self._run("mount", "-t", "tmpfs", "-o", SIZE, "none", folder)

    def fill(self) -> None:
        """Leave no room."""
        with (self.folder / FILLER).open("wb", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(1 << 16))

    def empty(self) -> None:
        """Give the room back."""
        (self.folder / FILLER).unlink()

    def protect(self, yes: bool) -> None:
        """Make it read-only, or not; no file may be open for writing."""
        self._run("mount", "-o", f"remount,{'ro' if yes else 'rw'}", self.folder)

    def close(self) -> None:
        """Unmount it, as soon as nothing uses it."""
        self._run("umount", "--lazy", self.folder)

    @staticmethod
    def _run(*words: object) -> None:
        subprocess.run([str(one) for one in words], check=True, timeout=60)
