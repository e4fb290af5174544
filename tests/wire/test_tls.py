"""TLS as a transcript: two sessions wired together, and what breaks them."""

import ssl

import pytest

from ccproxy.config.tls import listener_context, service_context
from ccproxy.wire.tls import MOST_UNSENT, SEALED, TlsError, TlsSession
from tests.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def both(authority, name="localhost", listener=None, service=None):
    server = TlsSession(listener_context(listener or authority.listener()))
    return server, TlsSession(service_context(service or authority.service()), name)


def shake(server, client):
    """Carry out the handshake; how many bytes each side sent."""
    sent, done = [0, 0], [False, False]
    while not all(done):
        for number, (one, other) in enumerate(((client, server), (server, client))):
            if done[number]:
                continue
            data, done[number] = one.step()
            sent[number] += len(data)
            other.receive(data)
    return sent


def sealed(session, data):
    return b"".join(piece for piece, _ in session.seal(data))


def test_what_one_seals_the_other_opens_however_it_is_cut(authority):
    server, client = both(authority)
    shake(server, client)
    wire = sealed(client, b"hello") + sealed(client, b"world")
    for size in (1, 7, len(wire)):
        found = b"".join(server.open(wire[at : at + size]) for at in range(0, len(wire), size))
        assert found == b"helloworld"
        assert server.held == 0
        wire = sealed(client, b"hello") + sealed(client, b"world")
    assert client.open(sealed(server, b"answer")) == b"answer"
    assert server.words.startswith("TLSv1.3 ")


def test_a_record_that_is_cut_off_is_held(authority):
    server, client = both(authority)
    shake(server, client)
    wire = sealed(client, b"hello")
    assert server.open(wire[:-1]) == b""
    assert server.held == len(wire) - 1
    assert server.open(wire[-1:]) == b"hello"


def test_a_long_message_is_sealed_bit_by_bit(authority):
    server, client = both(authority)
    shake(server, client)
    data = bytes(range(256)) * 1024
    wire, at = b"", 0
    while at < len(data):
        [(piece, size)] = server.seal(memoryview(data)[at:])
        assert size <= SEALED and server.taken(data, size) == 0
        wire, at = wire + piece, at + size
    assert client.open(wire) == data


def test_one_call_of_seal_is_one_record(authority):
    server, client = both(authority)
    shake(server, client)
    wire = sealed(client, b"x" * 100)
    kind, length = wire[0], int.from_bytes(wire[3:5], "big")
    assert kind == 23 and len(wire) == 5 + length


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_no_tickets_and_an_end_that_is_said(authority, version):
    server, client = both(authority)
    client._tls.context.maximum_version = version
    shake(server, client)
    # A ticket would come behind the handshake.
    assert client.open(sealed(server, b"x")) == b"x"
    assert not client._tls.session.has_ticket
    assert server.open(client.close()) == b"" and server.ended
    # The other direction goes on.
    assert client.open(sealed(server, b"late")) == b"late" and not client.ended
    assert client.open(server.close()) == b"" and client.ended
    assert client.close() == b""


@pytest.mark.parametrize(
    ("name", "more", "what"),
    [
        ("elsewhere.example", {}, "Hostname mismatch"),
        ("localhost", {"tls_ca": ""}, "unable to get local issuer certificate"),
    ],
)
def test_a_certificate_that_is_refused_is_named_and_the_server_hears_of_it(
    authority, name, more, what
):
    server, client = both(authority, name, service=authority.service(**more))
    with pytest.raises(TlsError, match=what) as failed:
        shake(server, client)
    server.receive(failed.value.alert)
    with pytest.raises(TlsError, match="peer"):
        server.step()


def test_an_expired_certificate_is_refused_unless_nothing_is_verified(authority):
    options = authority.listener()
    expired = type(options)(type="x", tls_certificate=authority.expired())
    with pytest.raises(TlsError, match="certificate has expired"):
        shake(*both(authority, listener=expired))
    shake(
        *both(authority, listener=expired, service=authority.service(tls_ca="", tls_verify=False))
    )


def test_an_address_must_be_in_the_certificate_as_an_address(authority):
    shake(*both(authority, "127.0.0.1"))
    with pytest.raises(TlsError, match="IP address mismatch"):
        shake(*both(authority, "127.0.0.2"))


def test_a_client_certificate_has_a_name(authority):
    listener = authority.listener(tls_client_ca=authority.file)
    mine = authority.pair("x@client.example", file="mine.pem", common_name="reader")
    server, client = both(authority, listener=listener, service=authority.service(
        tls_certificate=mine))  # fmt: skip
    shake(server, client)
    assert server.peer_name == "reader"
    other = authority.pair("second.example", file="other.pem")
    server, client = both(authority, listener=listener, service=authority.service(
        tls_certificate=other))  # fmt: skip
    shake(server, client)
    assert server.peer_name == "second.example"
    server, client = both(authority, listener=listener)
    with pytest.raises(TlsError, match="no certificate"):
        shake(server, client)


def test_bytes_that_are_no_record_end_it(authority):
    server, client = both(authority)
    shake(server, client)
    wire = bytearray(sealed(client, b"hello"))
    wire[-1] ^= 1
    with pytest.raises(TlsError, match="bad record mac"):
        server.open(bytes(wire))
    with pytest.raises(TlsError):
        server.seal(b"x" * 10)
    assert server.close() != b"x"


def test_the_name_of_a_side_without_certificate_is_empty(authority):
    server, client = both(authority)
    shake(server, client)
    assert server.peer_name == ""
    assert MOST_UNSENT < SEALED
