"""Passwords as they are kept: hashed by scrypt, with a salt and the costs in the text.

    scrypt$N$R$P$SALT$HASH      N, R and P are the costs, SALT and HASH are hexadecimal

A check takes about 50 ms and 16 MiB. It must never be called where something waits for the loop.
"""

from __future__ import annotations

import hashlib
import hmac
import os

COST, BLOCK, LANES = 1 << 14, 8, 1
SALT_SIZE, HASH_SIZE = 16, 32
MOST_MEMORY = 64 << 20
"""Bytes that a check may take; a file with higher costs is refused."""
NOBODY = f"scrypt${COST}${BLOCK}${LANES}${'00' * SALT_SIZE}${'00' * HASH_SIZE}"
"""Is checked for users that do not exist, and fits no password."""


def hashed(password: bytes, salt: bytes | None = None) -> str:
    """The text for a password."""
    salt = os.urandom(SALT_SIZE) if salt is None else salt
    found = hashlib.scrypt(
        password, salt=salt, n=COST, r=BLOCK, p=LANES, maxmem=MOST_MEMORY, dklen=HASH_SIZE
    )
    return f"scrypt${COST}${BLOCK}${LANES}${salt.hex()}${found.hex()}"


def verified(password: bytes, text: str) -> bool:
    """True if the text was made of this password; False for a text that is none, too."""
    try:
        _, cost, block, lanes, salt, expected = text.split("$")
        wanted = bytes.fromhex(expected)
        costs = {"n": int(cost), "r": int(block), "p": int(lanes)}
        found = hashlib.scrypt(
            password, salt=bytes.fromhex(salt), **costs, maxmem=MOST_MEMORY, dklen=len(wanted)
        )
    except ValueError:
        return False
    return hmac.compare_digest(found, wanted)
