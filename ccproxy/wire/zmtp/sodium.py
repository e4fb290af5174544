"""The functions of libsodium for CURVE messages, by PyNaCl, and how bytes are put into a buffer.

The compiled `_boxes` does the same in C, see `sodium.pxd`: it calls the functions of libsodium at
the addresses that `addresses` finds in PyNaCl, in place, and without the interpreter's lock where a
frame is long. That module of PyNaCl is private. If it is not what we expect, there are no addresses
and `boxes` runs as plain Python, which needs only the public functions of PyNaCl.
Nothing here may know what a frame is.
"""

from __future__ import annotations

import importlib

from nacl import bindings, exceptions

TAG = 16
"""Bytes of the authenticator in front of what is encrypted."""
KEY = 32
"""Bytes of a key, public, secret or shared; the nonce of a message follows the shared one."""
SEAL, OPEN = "crypto_box_easy_afternm", "crypto_box_open_easy_afternm"


def addresses(module: str = "nacl._sodium") -> tuple[int, int]:
    """Where the functions for `box` and `unbox` are in this process; (0, 0) if not known."""
    try:
        private = importlib.import_module(module)
        ffi, lib = private.ffi, private.lib
        if lib.sodium_init() < 0:
            return 0, 0
        seal, opener = (int(ffi.cast("size_t", ffi.addressof(lib, one))) for one in (SEAL, OPEN))
    except (ImportError, AttributeError, TypeError):
        return 0, 0
    return seal, opener


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


def box(address: int, buffer: bytearray, at: int, size: int, secrets: bytearray) -> None:
    """Encrypt the `size` bytes behind the 16 at `at`; these become the tag.

    `secrets` are the shared key (32 bytes) and the nonce (24).
    """
    plain = bytes(buffer[at + TAG : at + TAG + size])
    key, nonce = bytes(secrets[:KEY]), bytes(secrets[KEY:])
    buffer[at : at + TAG + size] = bindings.crypto_box_afternm(plain, nonce, key)


def unbox(
    address: int, data: bytes, start: int, size: int, buffer: bytearray, at: int,
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
