"""Libraries that the servers of a run load first, and that faults switch while these run: one that
sets the time of day, and one that makes the folders of spools read-only.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

COMPILER = "cc"
LIBRARIES = ("clock", "protect")
PRELOAD = "LD_PRELOAD"


def why_not() -> str:
    """Why no library can be made here; "" if it can."""
    return "" if shutil.which(COMPILER) else f"there is no {COMPILER}"


class Preloaded:
    """One library, and its variables of the environment; servers that are started in `used` have
    it."""

    def __init__(self, name: str, folder: Path, variables: dict[str, str]) -> None:
        """It is made in a folder; it finds its switch by the variable FAULTS_NAME."""
        source = Path(__file__).with_name(f"{name}.c")
        self.library, self._switch = folder / f"{name}.so", folder / name
        self._switch.write_bytes(bytes(8))
        self.variables = {f"FAULTS_{name.upper()}": str(self._switch), **variables}
        command = [COMPILER, "-shared", "-fPIC", "-O1", "-o", self.library, source, "-ldl"]
        subprocess.run(command, check=True, timeout=60)

    def set(self, value: int) -> None:
        """The clock: it is so many seconds later, or earlier, than it is. `protect`: 0 is off."""
        with self._switch.open("r+b") as file:
            file.write(struct.pack("=q", value))


@contextmanager
def used(libraries: Iterable[Preloaded]) -> Iterator[None]:
    """Processes that are started now have these libraries."""
    found = list(libraries)
    set_to = {name: text for one in found for name, text in one.variables.items()}
    if found:
        set_to[PRELOAD] = ":".join(str(one.library) for one in found)
    before = {name: os.environ.get(name) for name in set_to}
    os.environ.update(set_to)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
