"""The id of a server that lasts over its restarts: a file with 32 hexadecimal digits.

It must never change a file that is there.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_ID = re.compile(r"[0-9a-f]{32}")


def server_id(name: str) -> bytes:
    """The 16 bytes in the file, which is made if there is none, for its owner alone to read; new
    ones if the name is empty.

    ValueError if it holds anything else, OSError if it cannot be read or made.
    """
    fresh, file = os.urandom(16), Path(name)
    if not name:
        return fresh
    try:
        made_file = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(made_file, "w", encoding="ascii") as made:
            made.write(f"{fresh.hex()}\n")
            made.flush()
            os.fsync(made.fileno())
    except FileExistsError:
        return _read(file)
    return fresh


def _read(file: Path) -> bytes:
    text = file.read_text("utf-8", "replace").strip()
    if not _ID.fullmatch(text):
        raise ValueError(
            f"{file} holds {text!r:.40}, expected the 32 hexadecimal digits of a server-id; remove "
            "the file, and the server makes a new one"
        )
    return bytes.fromhex(text)
