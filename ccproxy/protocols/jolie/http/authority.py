"""Which host and path the target of a request names (RFC 9112, 3.2 and 3.3).

    form       target            host                    path
    origin     /a?b              that of the header      /a?b
    absolute   http://h:1/a?b    h:1, never the header   /a?b
    asterisk   *                 that of the header      *
    authority  h:1 (CONNECT)     refused: no tunnels are made

Behind this module there is one host and one path only, or a check could look at one host and a
service at the other. What RFC 9110 calls an error is refused, never mended. Pure.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from ccproxy.protocols.jolie.http.messages import RefusedRequest

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)")
_AUTHORITY = re.compile(
    r"(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+(?:%[A-Za-z0-9._~-]+)?\])(?::[0-9]{0,5})?"
).fullmatch
"""A host without user and escapes, and a port: no two programs read it differently."""
_SCHEMES = ("http", "https")
_OTHER = "the target is neither a path that begins with a slash nor an http URI"


class Located(NamedTuple):
    """What a target names."""

    target: str
    """A path with its query, or an asterisk."""
    host: str = ""
    """The host of the target, in the place of that of the header; empty: that of the header."""


def is_host(header: str) -> bool:
    """True if the value of a Host header is a host name and perhaps a port, or empty."""
    return not header or _AUTHORITY(header) is not None


def located(method: str, target: str, secure: bool) -> Located | RefusedRequest:
    """What the target of a request names, or why it names nothing here.

    `secure` says that the request came over TLS: a URI of https is for such a connection only
    (RFC 9110, 7.4).
    """
    if method == "CONNECT":
        return RefusedRequest(501, "CONNECT: no tunnels are made here")
    if target.startswith("/") or target == "*":
        # SOAP clients of Jolie ask POST *, which RFC 9112 has for OPTIONS only.
        return Located(target)
    found = _SCHEME.match(target)
    if found is None:
        return RefusedRequest(400, _OTHER)
    scheme, host = found[1].lower(), found[2]
    if refused := _wrong(scheme, host, secure):
        return refused
    path = target[found.end() :]
    if not path and method == "OPTIONS":
        # It concerns the server as a whole (RFC 9112, 3.2.4).
        return Located("*", host)
    if "#" in path:
        return RefusedRequest(400, "a fragment in the target")
    return Located(path if path.startswith("/") else f"/{path}", host)


def _wrong(scheme: str, host: str, secure: bool) -> RefusedRequest | None:
    if scheme not in _SCHEMES:
        return RefusedRequest(400, f"{_OTHER}: its scheme is {scheme:.20}")
    if "@" in host:
        return RefusedRequest(400, "a user in the target, which may hide its host")
    if not _AUTHORITY(host):
        return RefusedRequest(400, f"no host name: {host!r:.80}")
    if scheme == "https" and not secure:
        return RefusedRequest(421, "an https URI on a connection without TLS")
    return None
