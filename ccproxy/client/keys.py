"""The proof that a client gives: a key of CURVE, or a password of PLAIN.

The options are those of a link in the configuration, with the same rules and files. This module
must never show a secret.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import zmq

from ccproxy.config.keys import KeyFault, LinkKeys, link_keys
from ccproxy.config.links import LinkOptions
from ccproxy.wire.zmtp.curve_client import CurveClient
from ccproxy.wire.zmtp.curve_keys import KeyPair, key_of, key_text
from ccproxy.wire.zmtp.mechanism import Mechanism
from ccproxy.wire.zmtp.plain import PlainClient

LONGEST = 255
"""Bytes of a user or a password of PLAIN."""


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """What a program gives its client; without any of it the client proves nothing."""

    curve_server: str | Path = ""
    curve_secret: str | Path = ""
    plain_user: str = ""
    plain_password_file: str | Path = ""
    plain_password: str = field(default="", repr=False)
    """In the place of the file, for programs that have it from elsewhere."""

    def read(self) -> LinkKeys:
        """Read the files; KeyFault, which names the option of a link, for the first mistake."""
        server = str(self.curve_server)
        _check_length("plain-user", "a user", self.plain_user)
        if self.plain_password:
            return self._with_password()
        if server and not Path(server).is_file():
            try:
                key_of(server)
            except ValueError as error:
                raise KeyFault("curve-server", f"no such file, and no key: {error}") from None
        return link_keys(
            LinkOptions(
                curve_server=server,
                curve_secret=str(self.curve_secret),
                plain_user=self.plain_user,
                plain_password_file=str(self.plain_password_file),
            )
        )

    def _with_password(self) -> LinkKeys:
        _check_length("plain-password", "a password", self.plain_password)
        others = (self.curve_server, self.curve_secret, self.plain_password_file)
        if not self.plain_user or any(map(str, others)):
            raise KeyFault("plain-password", "it goes with plain-user alone")
        password = self.plain_password.encode("utf-8", "surrogateescape")
        return LinkKeys(user=self.plain_user.encode(), password=password)


def _check_length(option: str, what: str, text: str) -> None:
    if len(text.encode("utf-8", "surrogateescape")) > LONGEST:
        raise KeyFault(option, f"{what} has at most {LONGEST} bytes")


def mechanism_name(keys: LinkKeys) -> str:
    """What a client with these keys speaks."""
    if keys.server:
        return "CURVE"
    return "PLAIN" if keys.user else "NULL"


def mechanism_of(keys: LinkKeys) -> Mechanism | None:
    """The proof on a connection without libzmq; None without keys."""
    if keys.server:
        return CurveClient(keys.server, keys.ours or KeyPair.of(os.urandom(32)))
    return PlainClient(keys.user, keys.password) if keys.user else None


def prove(keys: LinkKeys, made: zmq.Socket[bytes]) -> None:
    """Let a socket that is not connected yet speak CURVE or PLAIN; neither without keys.

    Without a key of our own, one is made for this once.
    """
    if keys.user:
        made.setsockopt(zmq.PLAIN_USERNAME, keys.user)
        made.setsockopt(zmq.PLAIN_PASSWORD, keys.password)
    if keys.server:
        ours = keys.ours or KeyPair.of(os.urandom(32))
        made.setsockopt(zmq.CURVE_SERVERKEY, key_text(keys.server).encode())
        made.setsockopt(zmq.CURVE_PUBLICKEY, key_text(ours.public).encode())
        made.setsockopt(zmq.CURVE_SECRETKEY, key_text(ours.secret).encode())
