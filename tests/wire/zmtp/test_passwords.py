"""Passwords as they are kept."""

import pytest

from ccproxy.wire.zmtp.passwords import NOBODY, hashed, verified


def test_a_password_fits_its_text_only():
    text = hashed(b"secret")
    assert text.startswith("scrypt$16384$8$1$") and text != hashed(b"secret")
    assert verified(b"secret", text)
    assert not verified(b"Secret", text) and not verified(b"", NOBODY)


def test_the_text_is_that_of_scrypt():
    """The last vector of RFC 7914 that takes little memory, with its own costs."""
    expected = (
        "7023bdcb3afd7348461c06cd81fd38ebfda8fbba904f8e3ea9b543f6545da1f2"
        "d5432955613f0fcf62d49705242a9af9e61e85dc0d651e40dfcf017b45575887"
    )
    salt = b"SodiumChloride".hex()
    assert verified(b"pleaseletmein", f"scrypt$16384$8$1${salt}${expected}")


@pytest.mark.parametrize(
    "text", ["", "scrypt$1$2", "scrypt$3$8$1$00$00", f"scrypt${1 << 20}$8$1$00$00", "a$x$8$1$0$0"]
)
def test_what_is_no_text_fits_nothing(text):
    assert not verified(b"secret", text)
