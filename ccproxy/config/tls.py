"""TLS: its options, the files that they name, and the SSLContexts made of them.

    listener:  tls-certificate, tls-key, tls-client-ca       its peers connect with TLS
    service:   tls-ca, tls-verify, tls-name, and tls-certificate, tls-key for a certificate of ours

Versions before TLS 1.2, renegotiation, compression and session tickets are off. A mistake is a
`KeyFault`, which names the option. This module must never ask for the password of a key, nor open
a connection.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, Protocol

from ccproxy.config import kinds
from ccproxy.config.keys import KeyFault, readable
from ccproxy.config.links import LinkOptions
from ccproxy.config.options import option, shared
from ccproxy.wire.tls import TlsError, TlsSession

SHORT_KEY = 2000
"""Characters in PEM form up to which a key is not longer than RSA with 2,048 bits: 1,650 of these,
2,450 with 3,072 bits, 180 of P-256."""
_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----(.*?)-----END", re.DOTALL)
_OFF = ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION | ssl.OP_NO_TICKET


def certificate(of: str = "the listener", required: bool = True) -> Any:
    """The option `tls-certificate`."""
    help = f"file in PEM form with the certificate of {of}, and those that lead to its authority"
    if required:
        return option(kinds.file, help=help)
    return option(kinds.file, default="", help=f"{help}; without it none is shown")


def key() -> Any:
    """The option `tls-key`."""
    return option(
        kinds.file, default="",
        help="file in PEM form with its private key, without password; without it, tls-certificate "
        "holds it as well",
    )  # fmt: skip


def client_ca() -> Any:
    """The option `tls-client-ca`."""
    return option(
        kinds.file, default="",
        help="certificates of the authorities that sign those of clients: only a client with one "
        "gets in; without it, every client does",
    )  # fmt: skip


def ca() -> Any:
    """The option `tls-ca`."""
    return option(
        kinds.file, default="",
        help="certificates of the authorities that may have signed that of the service, or itself; "
        "without it, those that the system trusts",
    )  # fmt: skip


def verify() -> Any:
    """The option `tls-verify`."""
    return option(
        kinds.flag, default=True,
        help="no: take any certificate of the service, which proves nothing then",
    )  # fmt: skip


def name() -> Any:
    """The option `tls-name`."""
    return option(
        kinds.text, default="",
        help="name that the certificate of the service must have; without it, the host of location",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class ServiceTlsOptions:
    """The options of connections to a service that speaks TLS."""

    tls_ca: str = ca()
    tls_verify: bool = verify()
    tls_name: str = name()
    tls_certificate: str = certificate("ours for a service that asks for one", required=False)
    tls_key: str = key()


class ListenerTlsOptions(Protocol):
    """What the options of a listener must have for TLS."""

    @property
    def tls_certificate(self) -> str:
        """See `certificate`."""

    @property
    def tls_key(self) -> str:
        """See `key`."""

    @property
    def tls_client_ca(self) -> str:
        """See `client_ca`."""


@dataclass(frozen=True, slots=True)
class ServerTlsFiles:
    """The files of a port that has no options of its own for them."""

    tls_certificate: str
    tls_key: str = ""
    tls_client_ca: str = ""


def listener_context(options: ListenerTlsOptions) -> ssl.SSLContext:
    """What new connections of a listener are accepted with; KeyFault for the first mistake."""
    made = _context(ssl.PROTOCOL_TLS_SERVER)
    made.options |= ssl.OP_CIPHER_SERVER_PREFERENCE
    made.num_tickets = 0
    _load_pair(made, options.tls_certificate, options.tls_key)
    if options.tls_client_ca:
        _load_authorities(made, "tls-client-ca", options.tls_client_ca)
        made.verify_mode = ssl.CERT_REQUIRED
    return made


def service_context(options: ServiceTlsOptions) -> ssl.SSLContext:
    """What connections to a service are made with; KeyFault for the first mistake."""
    made = _context(ssl.PROTOCOL_TLS_CLIENT)
    # A certificate in tls-ca is trusted although it is not one of an authority.
    made.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if not options.tls_verify:
        made.check_hostname = False
        made.verify_mode = ssl.CERT_NONE
    elif options.tls_ca:
        _load_authorities(made, "tls-ca", options.tls_ca)
    else:
        made.load_default_certs()
    if options.tls_certificate:
        _load_pair(made, options.tls_certificate, options.tls_key)
    return made


class ServiceTls:
    """Sessions with services, of the files as they are when a connection begins."""

    def __init__(self, options: ServiceTlsOptions) -> None:
        """No file is read before `refresh`."""
        self._options = options
        self._seen: list[tuple[int, int, int]] | None = None
        self._context: ssl.SSLContext | None = None

    @property
    def fresh(self) -> bool:
        """True if the files are those that `refresh` has read."""
        return self._seen == seen(self._options)

    def refresh(self) -> None:
        """Read the files, which takes tens of milliseconds for the authorities of a system;
        KeyFault if one cannot be used."""
        before = seen(self._options)
        self._context = service_context(self._options)
        self._seen = before

    def session(self, host: str) -> TlsSession:
        """A session with the service at a host; RuntimeError before `refresh`."""
        if self._context is None:
            raise RuntimeError("no certificates are read")
        return TlsSession(self._context, self._options.tls_name or host or "localhost")


@dataclass(frozen=True, slots=True)
class SecureLinkOptions(LinkOptions):
    """How a connection inside TLS is dialled."""

    tls: ServiceTls | None = field(default=None, kw_only=True)


def seen(options: Any) -> list[tuple[int, int, int]]:
    """What tells whether the files of a section are others than before."""
    names = "tls_ca", "tls_client_ca", "tls_certificate", "tls_key"
    files = [getattr(options, one, "") for one in names]
    found = [Path(one).stat() for one in files if one and Path(one).exists()]
    return [(one.st_ino, one.st_size, one.st_mtime_ns) for one in found]


def slow_key(options: ListenerTlsOptions) -> bool:
    """True if a signature with the key takes milliseconds: that of RSA with 2,048 bits takes 1 to 2
    ms, with 3,072 three times as long, with P-256 less than 0.1."""
    text = Path(options.tls_key or options.tls_certificate).read_text("latin-1")
    found = _KEY.search(text)
    return found is not None and len(found[1]) > SHORT_KEY


def tls_faults(options: Any) -> Iterator[KeyFault]:
    """What is wrong with the files of a section's options, whatever its kind."""
    try:
        if hasattr(options, "tls_verify"):
            yield from _service_faults(ServiceTlsOptions(**shared(options, ServiceTlsOptions)))
        elif getattr(options, "tls_certificate", ""):
            _check_own(listener_context(options), options.tls_certificate)
    except KeyFault as fault:
        yield fault


def _service_faults(options: ServiceTlsOptions) -> Iterator[KeyFault]:
    if options.tls_key and not options.tls_certificate:
        yield KeyFault("tls-key", "it needs tls-certificate")
    if options.tls_ca and not options.tls_verify:
        yield KeyFault("tls-ca", "tls-verify = no takes any certificate", "remove one of the two")
    # Without files there is nothing to find, and the authorities of the system take 20 ms to read.
    if options.tls_ca or options.tls_certificate:
        service_context(options)


def _check_own(context: ssl.SSLContext, file: str) -> None:
    """Let a client that trusts the certificate connect in memory: it finds an expired one, and one
    that is not for servers. KeyFault says what it found."""
    client = _context(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    client.check_hostname = False
    _load_authorities(client, "tls-certificate", file)
    # A client without certificate is served here, whatever tls-client-ca says.
    verify, context.verify_mode = context.verify_mode, ssl.CERT_NONE
    ours, theirs = TlsSession(context), TlsSession(client, "localhost")
    try:
        for _ in range(2):
            ours.receive(theirs.step().transmit)
            theirs.receive(ours.step().transmit)
    except TlsError as error:
        what = str(error).removeprefix("its certificate is refused: ")
        hint = "get a new one; it is taken at a reload"
        raise KeyFault("tls-certificate", f"{file}: {what}", hint) from None
    finally:
        context.verify_mode = verify


def _context(protocol: int) -> ssl.SSLContext:
    made = ssl.SSLContext(protocol)
    made.minimum_version = ssl.TLSVersion.TLSv1_2
    made.options |= _OFF
    return made


def _load_pair(context: ssl.SSLContext, file: str, key: str) -> None:
    option, place = ("tls-key", key) if key else ("tls-certificate", file)
    readable("tls-certificate", file)
    readable(option, place, secret=True)
    try:
        context.load_cert_chain(file, key or None, _no_password)
    except ssl.SSLError as error:
        if error.reason == "KEY_VALUES_MISMATCH":
            what = f"{place} is not the key of the certificate in {file}"
            raise KeyFault(option, what) from None
        raise _unreadable(file, option, place) from None
    except ValueError as error:
        hint = "openssl pkey -in FILE writes one without, for a file that only the server can read"
        raise KeyFault(option, f"{place}: {error}", hint) from None


def _unreadable(file: str, option: str, place: str) -> KeyFault:
    """Which file is not what it should be: that of the certificate, or the place of its key."""
    for name, one, mark in (
        ("tls-certificate", file, "CERTIFICATE"), (option, place, "PRIVATE KEY"),
    ):  # fmt: skip
        if mark not in Path(one).read_text("latin-1"):
            hint = "openssl pkcs12 -in FILE -nodes writes both of a Java or Windows key store"
            return KeyFault(name, f"{one} holds no {mark.lower()} in PEM form", hint)
    return KeyFault("tls-certificate", f"{file}: the certificate or its key cannot be read")


def _load_authorities(context: ssl.SSLContext, option: str, file: str) -> None:
    readable(option, file)
    try:
        context.load_verify_locations(file)
    except ssl.SSLError:
        raise KeyFault(option, f"{file} holds no certificate in PEM form") from None


def _no_password() -> NoReturn:
    raise ValueError("the private key has a password; expected one without")
