"""Boxes of CURVE messages by libsodium, from PyNaCl, and how bytes are put into a buffer.

The compiled `_boxes` does the same in C, see `sodium.pxd`: it calls two functions of libsodium at
the addresses that `addresses` finds in PyNaCl, in place, and without the interpreter's lock where a
frame is long. Where these functions are is private to PyNaCl. If they are not found, or do not make
the box that they should, `boxes` runs as plain Python, which needs only PyNaCl's public functions.
Nothing here may know what a frame is.
"""

from __future__ import annotations

import ctypes
import importlib

from nacl import bindings, exceptions

TAG = 16
"""Bytes of the authenticator in front of what is encrypted."""
KEY = 32
"""Bytes of a key, public, secret or shared; the nonce of a message follows the shared one."""
STREAM, AUTHENTICATE = "crypto_stream_salsa20_xor_ic", "crypto_onetimeauth_poly1305"
DERIVE = "crypto_core_hsalsa20"
NOWHERE = (0, 0, 0)


def addresses(module: str = "nacl._sodium") -> tuple[int, int, int]:
    """Where the functions for `box` and `unbox` and for `message_key` are; zeros if not known."""
    try:
        private = importlib.import_module(module)
        if private.lib.sodium_init() < 0:
            return NOWHERE
        library = ctypes.CDLL(str(private.__file__))
        names = (STREAM, AUTHENTICATE, DERIVE)
        found = [ctypes.cast(getattr(library, one), ctypes.c_void_p).value for one in names]
    except (ImportError, AttributeError, OSError):
        return NOWHERE
    stream, authenticate, derive = (one or 0 for one in found)
    return stream, authenticate, derive


def message_key(shared: bytes, prefix: bytes, derive: int) -> bytes:
    """The key for the stream of all messages whose nonces begin with this prefix of 16 bytes.

    Without an address the shared key itself: then each box derives the other anew.
    """
    if not derive:
        return shared
    out = ctypes.create_string_buffer(KEY)
    ctypes.CFUNCTYPE(ctypes.c_int, *[ctypes.c_char_p] * 4)(derive)(out, prefix, shared, None)
    return out.raw


def cut(buffer: bytearray, start: int, end: int) -> bytes:
    """The bytes from `start` to `end`."""
    return bytes(buffer[start:end])


def number(buffer: bytearray, at: int, value: int) -> None:
    """Put a number of 8 bytes there, in network order."""
    buffer[at : at + 8] = value.to_bytes(8, "big")


def number_at(data: bytes, at: int) -> int:
    """The number of 8 bytes there."""
    return int.from_bytes(data[at : at + 8], "big")


def differs(data: bytes, at: int, expected: bytes) -> bool:
    """True if the bytes there are not the expected ones."""
    return data[at : at + len(expected)] != expected


def put(buffer: bytearray, at: int, data: bytes, start: int, size: int) -> None:
    """Copy `size` bytes of `data` from `start` on."""
    buffer[at : at + size] = data[start : start + size]


def box(
    addresses: tuple[int, ...], buffer: bytearray, at: int, size: int, secrets: bytearray
) -> None:
    """Encrypt the `size` bytes behind the 16 at `at`; these become the tag.

    `secrets` are the shared key (32 bytes) and the nonce (24).
    """
    plain = bytes(buffer[at + TAG : at + TAG + size])
    key, nonce = bytes(secrets[:KEY]), bytes(secrets[KEY:])
    buffer[at : at + TAG + size] = bindings.crypto_box_afternm(plain, nonce, key)


def unbox(
    addresses: tuple[int, ...], data: bytes, start: int, size: int, buffer: bytearray, at: int,
    secrets: bytearray,
) -> bool:  # fmt: skip
    """Decrypt `size` bytes, tag first, to `at`; False if they were not made with these secrets."""
    key, nonce = bytes(secrets[:KEY]), bytes(secrets[KEY:])
    try:
        plain = bindings.crypto_box_open_afternm(data[start : start + size], nonce, key)
    except exceptions.CryptoError:
        return False
    buffer[at : at + len(plain)] = plain
    return True
