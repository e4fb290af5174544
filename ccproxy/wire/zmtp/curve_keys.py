"""Keys of CURVE: pairs of 32 bytes, and their text in Z85, 40 characters, as ZeroMQ writes it.

Wire facts: rfc.zeromq.org/spec/32. It must never show a secret key: `repr` of a pair has none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nacl import bindings

KEY_SIZE = 32
TEXT_SIZE = 40
DIGITS = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
_VALUES = {digit: value for value, digit in enumerate(DIGITS)}

Random = Callable[[int], bytes]
"""Gives so many bytes that no attacker can guess."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A public key and the secret key that belongs to it."""

    public: bytes
    secret: bytes = field(repr=False)

    @classmethod
    def of(cls, secret: bytes) -> KeyPair:
        """The pair of a secret key."""
        return cls(bindings.crypto_scalarmult_base(secret), secret)


def key_text(key: bytes) -> str:
    """A key in Z85."""
    digits = []
    for at in range(0, len(key), 4):
        value = int.from_bytes(key[at : at + 4], "big")
        digits.append("".join(DIGITS[value // 85**power % 85] for power in (4, 3, 2, 1, 0)))
    return "".join(digits)


def key_of(text: str) -> bytes:
    """The key that a text in Z85 stands for; ValueError if it is none."""
    if len(text) != TEXT_SIZE or not _VALUES.keys() >= set(text):
        raise ValueError(f"{len(text)} characters, expected a key: {TEXT_SIZE} characters of Z85")
    key = b""
    for at in range(0, TEXT_SIZE, 5):
        value = 0
        for digit in text[at : at + 5]:
            value = 85 * value + _VALUES[digit]
        if value >> 32:
            raise ValueError(f'"{text[at : at + 5]}" is no number of Z85')
        key += value.to_bytes(4, "big")
    return key
