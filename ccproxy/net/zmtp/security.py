"""What a listener or link makes of its keys: mechanisms for new connections, and which may stay.

The files are read when a listener opens, when a reload asks for it, and before each attempt of a
link. It must never open a socket, nor keep a password.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections import Counter, OrderedDict
from collections.abc import Mapping
from functools import partial

from ccproxy.config.keys import ListenerKeys, link_keys, listener_keys
from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.core.access import AccessTable
from ccproxy.core.rights import PeerAccess
from ccproxy.wire.zmtp import ZmtpError
from ccproxy.wire.zmtp.curve_client import CurveClient
from ccproxy.wire.zmtp.curve_keys import KeyPair
from ccproxy.wire.zmtp.curve_server import CurveServer, CurveServerConfig
from ccproxy.wire.zmtp.mechanism import Credential, Mechanism
from ccproxy.wire.zmtp.passwords import NOBODY, verified
from ccproxy.wire.zmtp.plain import PlainClient, PlainServer

VERIFIED = 1024
"""Passwords that were right, by a keyed digest: they are not hashed again."""


class ListenerSecurity:
    """The keys of one listener; KeyFault if they cannot be read."""

    def __init__(
        self, options: ZmtpListenerOptions, access: AccessTable, counts: Counter[str]
    ) -> None:
        """`counts` are those of the listener: refused peers are counted there."""
        self._access = access
        self._counts = counts
        self._known = VerifiedPasswords()
        self._options = options
        self._keys = listener_keys(options)

    @property
    def active(self) -> bool:
        """True if peers have to prove who they are."""
        return self._keys.ours is not None or self._keys.users is not None

    def reread(self, options: ZmtpListenerOptions) -> None:
        """Read the files again; KeyFault leaves the old keys in place."""
        self._keys = listener_keys(options)
        self._options = options

    def mechanism(self) -> Mechanism | None:
        """The mechanism of a new connection; None without keys."""
        keys, silent = self._keys, self._options.refuse == "close"
        if keys.ours is not None:
            longest = self._options.max_message
            return CurveServer(CurveServerConfig(keys.ours, self._admit_key, silent, longest))
        if keys.users is not None:
            return PlainServer(partial(self._check_password, keys.users), silent)
        return None

    def _admit_key(self, credential: Credential | None) -> str:
        """As `admit`, for a handshake: it counts the key that is refused."""
        if refusal := self.admit(credential):
            self._counts["key-refused"] += 1
        return refusal

    def _check_password(self, users: Mapping[str, str], user: str, password: bytes) -> Credential:
        """The credential of a user, in the one thread for passwords; it counts what is refused."""
        try:
            return self._known.check(users, user, password)
        except ZmtpError:
            self._counts["password-refused"] += 1
            raise

    def admit(self, credential: Credential | None) -> str:
        """Why a peer may not connect, or stay, with what it has proven; "" if it may."""
        keys = self._keys
        if keys.ours is not None:
            if credential is None or credential.kind != "curve":
                return "it has proven no key"
            taken = self._takes(keys, credential.value)
            return "" if taken else f"key {credential.value} is not allowed"
        if keys.users is not None:
            if credential is None or credential.kind != "plain":
                return "it has given no password"
            known = keys.users.get(credential.value) == credential.proof
            return "" if known else f"user {credential.value} is not allowed, or has a new password"
        return ""

    def _takes(self, keys: ListenerKeys, key: str) -> bool:
        if keys.anybody or key in keys.names:
            return True
        return keys.sections and self._access.rights("curve", key) is not None

    def owner(self, credential: Credential | None) -> tuple[str, str, str]:
        """The name of a peer, the kind of its proof, and its key or user."""
        if credential is None:
            return "", "", ""
        rights = self._access.rights(credential.kind, credential.value)
        known = self._keys.names.get(credential.value, "")
        user = credential.value if credential.kind == "plain" else ""
        name = rights.name if rights is not None else known or user
        return name, credential.kind, credential.value

    def access(self, credential: Credential | None) -> PeerAccess:
        """What a peer may do now."""
        if credential is None:
            return self._access.access(None)
        return self._access.access(self._access.rights(credential.kind, credential.value))


class VerifiedPasswords:
    """Checks passwords, and remembers those that were right, for the life of the process.

    `check` is called in a thread.
    """

    def __init__(self) -> None:
        self._key = os.urandom(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()

    def check(self, users: Mapping[str, str], user: str, password: bytes) -> Credential:
        """The credential of a user; ZmtpError if there is no such user or the password is wrong."""
        hashed = users.get(user, NOBODY)
        text = b"\0".join((user.encode(), hashed.encode(), password))
        digest = hmac.digest(self._key, text, hashlib.sha256)
        if digest not in self._right:
            # For an unknown user as well, so that the time does not tell which users there are.
            if not verified(password, hashed) or user not in users:
                raise ZmtpError(f"no user {user!r:.40} with this password")
            self._right[digest] = None
            if len(self._right) > VERIFIED:
                self._right.popitem(last=False)
        return Credential("plain", user, hashed)


def link_mechanism(options: LinkOptions) -> Mechanism | None:
    """The mechanism of a new connection of a link; KeyFault if its files cannot be read."""
    keys = link_keys(options)
    if keys.server:
        ours = keys.ours or KeyPair.of(os.urandom(32))
        return CurveClient(keys.server, ours, options.max_message)
    return PlainClient(keys.user, keys.password) if keys.user else None
