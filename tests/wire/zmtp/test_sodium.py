"""The functions in plain Python, and what happens if PyNaCl looks different inside."""

import types

import pytest
from nacl import bindings

from ccproxy.wire.zmtp import sodium
from ccproxy.wire.zmtp.curve import FASTEST_BOXES, PLAIN_BOXES, _boxes, fastest_boxes

SECRETS = bytearray(range(32)) + b"CurveZMQMESSAGEC" + bytes(7) + b"\x05"


def test_a_box_is_that_of_libsodium():
    buffer = bytearray(20) + b"text" + b"behind"
    sodium.box(sodium.NOWHERE, buffer, 4, 4, SECRETS)
    key, nonce = bytes(SECRETS[:32]), bytes(SECRETS[32:])
    assert bytes(buffer[4:24]) == bindings.crypto_box_easy_afternm(b"text", nonce, key)
    assert buffer[:4] == bytes(4) and buffer[24:] == b"behind"
    opened = bytearray(6)
    assert sodium.unbox(sodium.NOWHERE, bytes(buffer), 4, 20, opened, 1, SECRETS)
    assert opened == b"\0text\0"
    assert not sodium.unbox(sodium.NOWHERE, bytes(buffer), 3, 20, opened, 1, SECRETS)


def test_numbers_and_bytes_in_a_buffer():
    buffer = bytearray(12)
    sodium.number(buffer, 2, 0x0102030405060708)
    assert sodium.number_at(bytes(buffer), 2) == 0x0102030405060708
    sodium.put(buffer, 10, b"abcd", 1, 2)
    assert buffer[10:] == b"bc"
    assert sodium.differs(bytes(buffer), 10, b"bd") and not sodium.differs(b"xbc", 1, b"bc")


def test_the_addresses_are_those_of_three_functions():
    found = sodium.addresses()
    assert all(found) and len(set(found)) == 3
    key = sodium.message_key(bytes(SECRETS[:32]), bytes(SECRETS[32:48]), found[2])
    assert len(key) == 32 and key != SECRETS[:32]
    assert sodium.message_key(b"shared", b"", 0) == b"shared"


@pytest.mark.skipif(_boxes is None, reason="nothing is compiled here")
def test_functions_that_make_another_box_are_not_used(monkeypatch):
    found = sodium.addresses()
    assert fastest_boxes((found[0], found[1], 0)) is PLAIN_BOXES
    assert fastest_boxes(found) is not PLAIN_BOXES
    monkeypatch.setattr(sodium, "message_key", lambda shared, prefix, derive: shared)
    assert fastest_boxes(found) is PLAIN_BOXES


def test_cut():
    assert sodium.cut(bytearray(b"abcd"), 1, 3) == b"bc"


@pytest.mark.parametrize("missing", ["module", "file", "function", "init"])
def test_without_the_private_module_public_functions_do_it(monkeypatch, missing):
    from nacl import _sodium

    lib = types.SimpleNamespace(sodium_init=lambda: -1 if missing == "init" else 0)
    fake = types.ModuleType("fake_sodium")
    fake.lib = lib
    if missing != "file":
        fake.__file__ = "/no/such/file" if missing == "function" else _sodium.__file__
    monkeypatch.setitem(__import__("sys").modules, "fake_sodium", fake)
    found = sodium.addresses("no_such_module" if missing == "module" else "fake_sodium")
    assert found == sodium.NOWHERE
    assert fastest_boxes(found) is PLAIN_BOXES


def test_the_compiled_functions_are_used_where_they_are():
    assert (FASTEST_BOXES is PLAIN_BOXES) == (_boxes is None)
