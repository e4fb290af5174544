"""Addresses of the INI as frozen values: `tcp://HOST:PORT` and `ipc://PATH`.

A listener also takes the forms of Jolie programs: `socket://HOST:PORT` and `localsocket:/PATH`.
Only the form of a host name is checked; this module must never resolve a name or open a socket.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import AddressValueError, IPv4Address, IPv6Address

FORMS: Mapping[str, str] = {
    "tcp": "tcp://HOST:PORT",
    "ipc": "ipc://PATH",
}
"""Every scheme and how it is written."""

SPELLINGS = ("socket://HOST:PORT", FORMS["tcp"], "localsocket:/PATH", FORMS["ipc"])
"""The forms in which a listener's address may be written."""

ANY = frozenset({"*", "0.0.0.0", "::"})
"""Hosts that stand for every interface of the machine."""

_LOCAL = frozenset({"localhost", "127.0.0.1", "::1"})
_MAX_PATH = 107
"""In bytes; `sun_path` of Linux holds 108 including the zero byte at its end."""

_LABEL = r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?"
_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})*\.?")


@dataclass(frozen=True, slots=True)
class Address:
    """One address. `host` is `*` for every interface; an IPv6 host is stored without brackets.

    A `path` that begins with `@` is an abstract name of Linux, which has no file, as in libzmq.
    """

    scheme: str
    host: str = ""
    port: int = 0
    path: str = ""
    text: str = field(default="", compare=False)
    """As the INI gives it."""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address to listen on or to connect to; ValueError says what was expected."""
        text = text.strip()
        scheme, separator, rest = text.partition("://")
        if not separator:
            raise wrong(text, f"an address such as {' or '.join(FORMS.values())}")
        if scheme not in FORMS:
            raise wrong(text, f"one of {', '.join(FORMS.values())}")
        if scheme == "ipc":
            return cls(scheme, path=_path(text, rest), text=text)
        host, port = _host_and_port(text, rest)
        return cls(scheme, host=host, port=port, text=text)

    @classmethod
    def remote(cls, text: str) -> Address:
        """Read an address to connect to: it names one host and one port."""
        address = cls.parse(text)
        if address.scheme == "ipc":
            return address
        if address.host == "*":
            raise wrong(text, 'a host to connect to ("*" can only be listened on)')
        if not address.port:
            raise wrong(text, "a port from 1 to 65535 to connect to")
        return address

    @classmethod
    def listening(cls, text: str) -> Address:
        """Read an address to listen on, in any form; `text` of the result is in tcp or ipc form."""
        text = text.strip()
        scheme, _, rest = text.partition(":")
        if scheme == "socket":
            host, port = _host_and_port(text, _bare(text, rest))
            found = cls("tcp", host=host, port=port)
        elif scheme == "localsocket":
            found = cls("ipc", path=_path(text, _file(text, rest)))
        elif scheme in FORMS or not rest.startswith("//"):
            return cls.parse(text)
        else:
            raise wrong(text, f"one of {', '.join(SPELLINGS)}")
        return replace(found, text=str(found))

    @property
    def file(self) -> str:
        """The file of the socket; empty if it has none."""
        return "" if self.path.startswith("@") else self.path

    @property
    def unix(self) -> str:
        """The path as the operating system takes it: an abstract name begins with a zero byte."""
        return self.path if self.file else "\0" + self.path[1:]

    def __str__(self) -> str:
        if self.scheme == "ipc":
            return f"ipc://{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{self.scheme}://{host}:{self.port}"

    def clashes(self, other: Address) -> bool:
        """True if the two cannot be listened on at the same time."""
        if self.scheme != other.scheme:
            return False
        if self.scheme == "ipc":
            return self.path == other.path
        if self.port != other.port or not self.port:
            return False
        hosts = {self.host.lower(), other.host.lower()}
        return len(hosts) == 1 or not hosts.isdisjoint(ANY) or hosts <= _LOCAL

    def leads_to(self, other: Address) -> bool:
        """True if a client that connects here surely reaches the listener on `other`, given that
        both are on the same machine."""
        host = self.host.lower()
        return self.clashes(other) and (
            self.scheme == "ipc" or host in _LOCAL | ANY or host == other.host.lower()
        )


def wrong(text: str, expected: str) -> ValueError:
    """The error every parser raises: what was found (cut at 60 characters), what was expected."""
    text = " ".join(text.split())
    shown = text if len(text) <= 60 else f"{text[:57]}..."
    found = f'"{shown}"' if text else "nothing"
    return ValueError(f"found {found}, expected {expected}")


def _bare(text: str, rest: str) -> str:
    """HOST:PORT of a Jolie location; a listener's location names no resource, its callers' do."""
    if not rest.startswith("//"):
        raise wrong(text, "two slashes, as in socket://HOST:PORT")
    place = rest[2:].removesuffix("/")
    if "/" in place:
        raise wrong(text, "nothing behind the port; a resource is a route, as in calc.Sum = h:sum")
    return place


def _file(text: str, rest: str) -> str:
    """The path of a Jolie location; it may begin with one slash or with three."""
    if rest.startswith(("abs:", "//abs/")):
        raise wrong(text, "localsocket:/PATH, or ipc://@NAME for a name without a file")
    path = rest.removeprefix("//")
    if not path.startswith("/") or not path.strip("/") or "\n" in path:
        raise wrong(text, "localsocket:/PATH, a file with its whole path")
    if "!/" in path:
        raise wrong(text, "nothing behind the file; a resource is a route, as in calc.Sum = h:sum")
    return path.rstrip("/")


def _path(text: str, path: str) -> str:
    if path in ("", "@") or "\n" in path:
        raise wrong(text, "a path after ipc://")
    if len(path.encode()) > _MAX_PATH:
        raise wrong(text, f"a path of at most {_MAX_PATH} bytes")
    return path


def _host_and_port(text: str, rest: str) -> tuple[str, int]:
    host, separator, port = rest.rpartition(":")
    if not separator or rest.endswith("]"):
        raise wrong(text, f"a port, as in {text.partition('://')[0]}://HOST:PORT")
    return _host(text, host), _port(text, port)


def _port(text: str, port: str) -> int:
    if port == "*":
        return 0
    if not (port.isascii() and port.isdigit()) or len(port) > 5 or int(port) > 65535:
        raise wrong(text, "a port from 1 to 65535")
    return int(port)


def _host(text: str, host: str) -> str:
    if host == "*":
        return host
    if host.startswith("[") and host.endswith("]"):
        return _ipv6(text, host[1:-1])
    if ":" in host:
        raise wrong(text, "brackets around an IPv6 host, as in tcp://[::1]:PORT")
    if re.fullmatch(r"[0-9.]+", host):
        return _ipv4(text, host)
    if not _NAME.fullmatch(host):
        raise wrong(text, "a host name or number before the port")
    return host


def _ipv4(text: str, host: str) -> str:
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise wrong(text, "four numbers from 0 to 255 as host, as in 127.0.0.1") from None


def _ipv6(text: str, host: str) -> str:
    try:
        return str(IPv6Address(host))
    except AddressValueError:
        raise wrong(text, "an IPv6 host between the brackets") from None
