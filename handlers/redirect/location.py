"""Locations as Jolie and the INI write them, as frozen values.

    socket://HOST:PORT[/PATH][/!/RESOURCE]      also tcp://
    localsocket:/PATH[/!/RESOURCE]              a Unix stream socket, also ipc:///PATH, ipc://@NAME

It must never resolve a name or open a socket.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from ccproxy import kinds
from ccproxy.protocols.jolie.paths import names, path_of

FORMS = "socket://HOST:PORT, tcp://HOST:PORT, http://HOST:PORT, localsocket:/PATH or ipc:///PATH"
"""The spellings that an error text expects."""

_INTERNET = re.compile(
    r"(?P<scheme>socket|tcp|https?)://(?P<host>\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9_.-]+)"
    r"(?::(?P<port>[0-9]{1,5}))?(?P<path>/[!-~]*)?"
)
_LOCAL = re.compile(r"(?:(?:localsocket:(?://)?|ipc://)(?=/(?!/))|ipc://(?=@))(?P<file>[^\n]*)")
PORTS = {"http": 80, "https": 443}
"""The schemes of the web, and the ports that they mean."""
_NAMED = ("localsocket:abs:", "localsocket://abs/")
"""Abstract sockets in Jolie's documents; Jolie's code takes them for files or refuses them."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where a service is. `file` (or @NAME) is set for a Unix socket, else `host` and `port`.

    `path` is what http and jsonrpc put in front of an operation, `resource` the path that is put
    in front of the one that is forwarded.
    """

    host: str = ""
    port: int = 0
    file: str = ""
    path: str = "/"
    resource: str = "/"
    scheme: str = field(default="", compare=False)
    """http or https if it is written so, which no other protocol may be."""

    @classmethod
    def parse(cls, text: str) -> Location:
        """Read a location; ValueError says what was found and expected."""
        text = text.strip()
        if text.startswith(_NAMED):
            expected = "localsocket:/PATH, or ipc://@NAME for a name without a file"
            raise ValueError(f'found "{text:.60}", expected {expected}')
        if found := _LOCAL.fullmatch(text):
            file, _, resource = found["file"].partition("!/")
            where = path_of(names("/" + resource))
            return cls(file=file.rstrip("/") or file, resource=where)._checked()
        found = _INTERNET.fullmatch(text)
        port = int(found["port"] or PORTS.get(found["scheme"], 0)) if found else 0
        if not found or not 0 < port < 65536:
            raise ValueError(f'found "{text:.60}", expected {FORMS}')
        path, _, resource = (found["path"] or "/").partition("!/")
        where = path_of(names("/" + resource))
        scheme = found["scheme"] if found["scheme"] in PORTS else ""
        host = found["host"].strip("[]")
        return cls(host, port, "", path, where, scheme)._checked()

    def _checked(self) -> Location:
        """This location; ValueError if it cannot be dialled: a path too long, an odd host."""
        kinds.address.parse(self.dialled)
        return self

    @property
    def authority(self) -> str:
        """What an HTTP request names in its Host header."""
        if self.file:
            return "localhost"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"

    @property
    def dialled(self) -> str:
        """The address to connect to, in the spelling of links."""
        return f"ipc://{self.file}" if self.file else f"tcp://{self.authority}"

    def __str__(self) -> str:
        resource = "" if self.resource == "/" else f"!{self.resource}"
        if self.file:
            kind = "ipc://" if self.file.startswith("@") else "localsocket:"
            return f"{kind}{self.file}" + (f"/{resource}" if resource else "")
        path = self.path if self.path != "/" or resource else ""
        return f"socket://{self.authority}{path}{resource}"

    def forward(self, path: str) -> str:
        """The path to send for a path to forward, which is "/" or made by `paths.path_of`."""
        if self.resource == "/":
            return path
        return self.resource if path == "/" else self.resource + path
