"""Certificates for tests, made by `trustme` in memory: in a millisecond each, with any dates, and
without a program that a machine may lack or have in an old version."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import trustme

from ccproxy.config.tls import ServiceTlsOptions
from ccproxy.protocols.jolie.options import SecureCallListenerOptions


class Authority:
    """One authority, and the files that it writes into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._ca = trustme.CA()
        self.file = self._write("ca.pem", self._ca.cert_pem.bytes())

    def pair(self, *names: str, file: str = "server.pem", **how: Any) -> str:
        """A file with a private key and its certificate for these names."""
        made = self._ca.issue_cert(*(names or ("localhost", "127.0.0.1")), **how)
        return self._write(file, made.private_key_and_cert_chain_pem.bytes())

    def parts(
        self, *names: str, files: tuple[str, str] = ("cert.pem", "key.pem")
    ) -> tuple[str, str]:
        """The same in two files: certificate and key."""
        made = self._ca.issue_cert(*names)
        contents = made.cert_chain_pems[0].bytes(), made.private_key_pem.bytes()
        first, second = map(self._write, files, contents)
        return first, second

    def expired(self) -> str:
        """A pair that was valid until yesterday."""
        end = datetime.now(UTC) - timedelta(days=1)
        begin = end - timedelta(days=1)
        return self.pair(file="expired.pem", not_before=begin, not_after=end)

    def listener(self, **more: Any) -> SecureCallListenerOptions:
        """The options of a listener with a certificate for localhost."""
        return SecureCallListenerOptions(type="x", tls_certificate=self.pair(), **more)

    def service(self, **more: Any) -> ServiceTlsOptions:
        """The options of connections to a service that trust this authority alone."""
        return ServiceTlsOptions(**{"tls_ca": self.file, **more})

    def _write(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        path.chmod(0o600)
        return str(path)


PLACE = "/etc/ccserver/tls"
"""Where the examples expect their certificates."""


def example(file: Path, folder: Path) -> Path:
    """The file, or a copy of it with certificates in a folder if it needs some."""
    text = file.read_text("utf-8")
    if PLACE not in text:
        return file
    Authority(folder).parts("localhost", files=("server.pem", "server.key"))
    made = folder / file.name
    made.write_text(text.replace(PLACE, str(folder)), "utf-8")
    return made
