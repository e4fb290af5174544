"""The files of TLS: what `check` says of each that cannot be used, and what a changed one does."""

import os
import ssl
from pathlib import Path

import pytest

from ccproxy.config.keys import KeyFault
from ccproxy.config.tls import (
    ServiceTls,
    ServiceTlsOptions,
    listener_context,
    slow_key,
    tls_faults,
)
from ccproxy.protocols.jolie.options import SecureCallListenerOptions
from tests.certificates import Authority


@pytest.fixture
def authority(tmp_path):
    return Authority(tmp_path)


def faults(**options):
    given = SecureCallListenerOptions(type="x", **options)
    return [(one.option, one.what) for one in tls_faults(given)]


def test_a_right_pair_has_no_fault_in_one_file_or_in_two(authority):
    assert not faults(tls_certificate=authority.pair())
    certificate, key = authority.parts("localhost")
    Path(certificate).chmod(0o644)
    assert not faults(tls_certificate=certificate, tls_key=key)
    assert not faults(tls_certificate=certificate, tls_key=key, tls_client_ca=authority.file)


def test_each_file_that_cannot_be_used_is_named_with_its_option(authority, tmp_path):
    certificate, key = authority.parts("localhost")
    other = authority.pair(file="other.pem")
    text = tmp_path / "text"
    text.write_text("no certificate")
    text.chmod(0o600)
    behind = f"{key}.pem"
    Path(behind).write_text("no certificate")
    for options, option, what in (
        ({"tls_certificate": certificate, "tls_key": other}, "tls-key", "is not the key of"),
        ({"tls_certificate": str(tmp_path / "none")}, "tls-certificate", "cannot be read: No such"),
        ({"tls_certificate": certificate}, "tls-certificate", "holds no private key"),
        ({"tls_certificate": str(text)}, "tls-certificate", "holds no certificate"),
        ({"tls_certificate": behind, "tls_key": key}, "tls-certificate", "holds no certificate"),
        ({"tls_certificate": authority.expired()}, "tls-certificate", "certificate has expired"),
        ({"tls_certificate": other, "tls_client_ca": str(text)}, "tls-client-ca", "holds no cert"),
    ):
        [(found, said)] = faults(**options)
        assert found == option and what in said, said
    Path(key).chmod(0o640)
    [(found, said)] = faults(tls_certificate=certificate, tls_key=key)
    assert found == "tls-key" and "can be read by others (mode 640)" in said


def test_a_key_with_a_password_is_a_fault_and_nobody_is_asked(authority, tmp_path):
    certificate, key = authority.parts("localhost")
    locked = str(tmp_path / "locked.pem")
    assert os.system(f"openssl pkey -in {key} -aes256 -passout pass:abcd -out {locked}") == 0
    Path(locked).chmod(0o600)
    [(found, said)] = faults(tls_certificate=certificate, tls_key=locked)
    assert found == "tls-key" and "has a password" in said


def test_what_is_wrong_with_the_options_of_a_service(authority, tmp_path):
    def found(**options):
        return [(one.option, one.what) for one in tls_faults(ServiceTlsOptions(**options))]

    assert not found() and not found(tls_ca=authority.file)
    assert found(tls_key=authority.pair()) == [("tls-key", "it needs tls-certificate")]
    [(option, _)] = found(tls_ca=authority.file, tls_verify=False)
    assert option == "tls-ca"
    [(option, what)] = found(tls_ca=str(tmp_path / "none"))
    assert option == "tls-ca" and "No such file" in what


def test_contexts_are_strict(authority):
    made = listener_context(authority.listener())
    assert made.minimum_version is ssl.TLSVersion.TLSv1_2
    assert made.num_tickets == 0
    assert made.options & ssl.OP_NO_RENEGOTIATION and made.options & ssl.OP_NO_COMPRESSION
    assert made.verify_mode is ssl.CERT_NONE
    made = listener_context(authority.listener(tls_client_ca=authority.file))
    assert made.verify_mode is ssl.CERT_REQUIRED


def test_a_changed_file_is_read_before_the_next_connection(authority):
    made = ServiceTls(authority.service())
    with pytest.raises(RuntimeError):
        made.session("localhost")
    assert not made.fresh
    made.refresh()
    assert made.fresh and made.session("localhost")
    Path(authority.file).write_text("broken")
    assert not made.fresh
    with pytest.raises(KeyFault, match="tls-ca|holds no certificate"):
        made.refresh()
    Path(authority.file).unlink()
    assert not made.fresh


@pytest.mark.parametrize(("bits", "slow"), [(0, False), (2048, False), (3072, True)])
def test_a_key_whose_signature_takes_milliseconds_is_slow(tmp_path, bits, slow):
    kind = f"RSA -pkeyopt rsa_keygen_bits:{bits}" if bits else "EC -pkeyopt ec_paramgen_curve:P-256"
    file = tmp_path / "key.pem"
    assert os.system(f"openssl genpkey -algorithm {kind} -out {file} 2>/dev/null") == 0
    options = SecureCallListenerOptions(type="x", tls_certificate="none", tls_key=str(file))
    assert slow_key(options) is slow
