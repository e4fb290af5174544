"""The files of security options, read: certificates of CURVE, users and passwords of PLAIN,
the token of the HTTP port.

Certificates have the format of CZMQ and of pyzmq's `zmq.auth`. A file with a secret is refused if
others than its owner can read it. A mistake is a `KeyFault`, which names the option. It must never
put a secret into a text, nor write anything: that is what the verb `keygen` does.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from ccproxy.config.links import LinkOptions, ZmtpListenerOptions
from ccproxy.config.security import ANYBODY
from ccproxy.wire.zmtp.curve_keys import KeyPair, key_of

SUFFIX = ".key"
"""Of public certificates; only such files of a folder are read."""
MOST_KEYS = 100_000
LONGEST_FILE = 1 << 24
USER = re.compile(r"([^:\s]+):(scrypt\$\d+\$\d+\$\d+\$[0-9a-f]+\$[0-9a-f]+)")
LEAST_TOKEN = 16
TOKEN = re.compile(rf"[A-Za-z0-9._~+/-]{{{LEAST_TOKEN},}}=*")
"""As RFC 6750 writes it."""
_FIELD = re.compile(r"\s*([\w-]+)\s*=\s*(.*?)\s*")

Found = TypeVar("Found")


class KeyFault(OSError):
    """A file cannot be used; `option` names it, and `hint` says what to do."""

    def __init__(self, option: str, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.option = option
        self.strerror = f"{option}: {what}" + (f"; {hint}" if hint else "")
        self.what = what
        self.hint = hint


@dataclass(frozen=True, slots=True)
class Certificate:
    """A name, its public key as text, and the secret key in a secret certificate."""

    name: str
    public: str
    secret: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class ListenerKeys:
    """What a listener checks its peers with: our pair for CURVE, users for PLAIN, or nothing."""

    ours: KeyPair | None = None
    anybody: bool = False
    sections: bool = False
    """True if the keys of the `[allow:NAME]` sections are taken."""
    names: Mapping[str, str] = field(default_factory=dict)
    """The names of certificates that are taken, by their public key as text."""
    users: Mapping[str, str] | None = field(default=None, repr=False)
    """How the password of each user is hashed; None: no PLAIN."""


@dataclass(frozen=True, slots=True)
class LinkKeys:
    """What a link proves itself with; nothing if both `server` and `user` are empty."""

    server: bytes = b""
    ours: KeyPair | None = None
    user: bytes = b""
    password: bytes = field(default=b"", repr=False)


def listener_keys(options: ZmtpListenerOptions) -> ListenerKeys:
    """Read the files of a listener; KeyFault for the first mistake."""
    if options.curve_secret and options.plain_users:
        hint = "a listener has one mechanism; CURVE proves more"
        raise KeyFault("plain-users", "curve-secret is given too", hint)
    if options.plain_users:
        return ListenerKeys(users=_read("plain-users", options.plain_users, users_of, True))
    if not options.curve_secret:
        if options.curve_allow:
            hint = "name the certificate of this server: ccserver keygen"
            raise KeyFault("curve-allow", "it needs curve-secret", hint)
        return ListenerKeys()
    ours = _pair(options.curve_secret)
    anybody = options.curve_allow == ANYBODY
    named = not options.curve_allow
    if not (anybody or named) and _same_file(options.curve_allow, options.curve_secret):
        what = f"{options.curve_allow} is the secret certificate of this server itself"
        hint = "name the public certificate of a peer, a folder of them, or any"
        raise KeyFault("curve-allow", what, hint)
    names = {} if anybody or named else dict(_allowed(options.curve_allow))
    return ListenerKeys(ours, anybody, named, names)


def link_keys(options: LinkOptions) -> LinkKeys:
    """Read the files of a link; KeyFault for the first mistake."""
    if options.curve_server and options.plain_user:
        raise KeyFault("plain-user", "curve-server is given too", "a link has one mechanism")
    if options.plain_user:
        file = options.plain_password_file
        if not file:
            raise KeyFault("plain-user", "it needs plain-password-file")
        password = _read("plain-password-file", file, password_of, True)
        return LinkKeys(user=options.plain_user.encode(), password=password)
    if options.plain_password_file:
        raise KeyFault("plain-password-file", "it needs plain-user")
    if not options.curve_server:
        if options.curve_secret:
            raise KeyFault("curve-secret", "it needs curve-server, the key of the far side")
        return LinkKeys()
    ours = _pair(options.curve_secret) if options.curve_secret else None
    return LinkKeys(_server_key(options.curve_server), ours)


def http_token(file: str, option: str = "http-token") -> bytes:
    """The token of the option `http-token`; KeyFault if it cannot be read, or can be guessed."""
    return _read(option, file, token_of, True)


def token_of(text: str) -> bytes:
    """The first line of a token's file; ValueError if it is none that HTTP carries."""
    token = text.partition("\n")[0].strip()
    if not TOKEN.fullmatch(token):
        expected = f"{LEAST_TOKEN} or more letters, digits and -._~+/"
        raise ValueError(f"the first line is no token: {expected} (openssl rand -hex 16)")
    return token.encode()


def key_faults(options: Any) -> Iterator[KeyFault]:
    """What is wrong with the keys of a section's options, whatever its kind."""
    if isinstance(options, LinkOptions | ZmtpListenerOptions):
        for given in options.keyed:
            try:
                link_keys(given) if isinstance(given, LinkOptions) else listener_keys(given)
            except KeyFault as fault:
                yield fault


def certificate_of(text: str, name: str) -> Certificate:
    """The certificate in a text; `name` is for one that has none. ValueError: what it lacks."""
    fields = {}
    for line in text.splitlines():
        found = _FIELD.fullmatch(line)
        if found and not line.lstrip().startswith("#"):
            fields[found[1]] = found[2].strip("\"'")
    if "public-key" not in fields:
        raise ValueError('it has no line "public-key = ..."')
    key_of(fields["public-key"])
    return Certificate(
        fields.get("name") or name, fields["public-key"], fields.get("secret-key", "")
    )


def users_of(text: str) -> dict[str, str]:
    """The users of a text, one a line, with the hash of the password; ValueError names a line."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = USER.fullmatch(line.strip())
        if match is None:
            raise ValueError(f"line {number} is none of ccserver keygen --plain")
        if match[1] in found:
            raise ValueError(f'line {number} gives user "{match[1]}" again')
        found[match[1]] = match[2]
    return found


def password_of(text: str) -> bytes:
    """The first line of a text; ValueError if PLAIN cannot carry it."""
    password = text.partition("\n")[0].removesuffix("\r").encode()
    if not 0 < len(password) <= 255:
        raise ValueError(f"its first line has {len(password)} bytes, expected 1 to 255")
    return password


def _pair(file: str) -> KeyPair:
    def pair(text: str) -> KeyPair:
        found = certificate_of(text, Path(file).stem)
        if not found.secret:
            raise ValueError(f'it has no line "secret-key = ..."; is {file}_secret meant?')
        ours = KeyPair.of(key_of(found.secret))
        if ours.public != key_of(found.public):
            raise ValueError("its public key does not belong to its secret key")
        return ours

    return _read("curve-secret", file, pair, True)


def _server_key(text: str) -> bytes:
    try:
        return key_of(text)
    except ValueError:
        return key_of(_read("curve-server", text, partial(certificate_of, name="")).public)


def _same_file(one: str, other: str) -> bool:
    return Path(one).resolve() == Path(other).resolve()


def _allowed(place: str) -> Iterator[tuple[str, str]]:
    """Public key and name of each certificate of a file or folder."""
    path = Path(place)
    files = sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]
    if len(files) > MOST_KEYS:
        raise KeyFault("curve-allow", f"{len(files)} certificates in {place}; limit {MOST_KEYS}")
    for file in files:
        name = file.stem
        found = _read("curve-allow", str(file), partial(certificate_of, name=name))
        yield found.public, found.name


def readable(option: str, file: str, secret: bool = False) -> Path:
    """The path of a file that can be read; KeyFault if not, or if others can read a secret."""
    path = Path(file)
    try:
        status = path.stat()
        with path.open("rb"):
            pass
    except OSError as error:
        raise KeyFault(option, f"{file} cannot be read: {error.strerror or error}") from error
    if secret and status.st_mode & 0o077:
        what = f"{file} can be read by others (mode {status.st_mode & 0o777:03o})"
        raise KeyFault(option, what, f"chmod 600 {file}")
    if status.st_size > LONGEST_FILE:
        raise KeyFault(option, f"{file} has {status.st_size} bytes; limit {LONGEST_FILE}")
    return path


def _read(option: str, file: str, parse: Callable[[str], Found], secret: bool = False) -> Found:
    """What a file holds; KeyFault if it cannot be read, or others can read a secret."""
    path = readable(option, file, secret)
    try:
        return parse(path.read_text("utf-8"))
    except OSError as error:
        raise KeyFault(option, f"{file} cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # UnicodeDecodeError is one, too
        text = "it is not UTF-8" if isinstance(error, UnicodeError) else str(error)
        raise KeyFault(option, f"{file}: {text}") from error
