"""Keys and their text: as libzmq has them."""

import pytest
import zmq

from ccproxy.wire.zmtp.curve_keys import KeyPair, key_of, key_text


def test_pairs_and_texts_are_those_of_libzmq():
    public, secret = zmq.curve_keypair()
    pair = KeyPair.of(key_of(secret.decode()))
    assert key_text(pair.public).encode() == public
    assert key_text(pair.secret).encode() == secret


def test_the_example_of_the_specification():
    assert key_text(bytes.fromhex("864fd26fb559f75b") * 4) == "HelloWorld" * 4


def test_a_secret_key_is_not_shown():
    pair = KeyPair.of(bytes(range(32)))
    assert "secret" not in repr(pair) and pair.secret.hex() not in repr(pair)


@pytest.mark.parametrize("text", ["", "a" * 39, "a" * 41, "a" * 39 + " ", "#" * 40, "ä" * 40])
def test_what_is_no_key(text):
    with pytest.raises(ValueError, match="expected a key|no number of Z85"):
        key_of(text)
