"""Which HTTP requests are obeyed: a browser sends them in the name of any page that it shows.

    header            refused with    unless
    Origin            403             `origins` names it
    Sec-Fetch-Site    403             it is one of `NO_OTHER_PAGE`, or Origin is one of `origins`
    Host              400             it is a host name
    Host              421             it is a name of this machine, an IP address, or in `hosts`
    Content-Type      415             it is no form and no text/plain, or `forms = yes`

A page may send forms and texts to any address without being asked, and its own name may begin to
mean this machine after it was loaded (DNS rebinding). A program that is no browser sends none of
this but Host. This module must never trust what a page can choose, or read a body.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_address

from ccproxy.config import kinds, tls
from ccproxy.config.links import idle_timeout
from ccproxy.config.options import option
from ccproxy.protocols.jolie.http.authority import is_host
from ccproxy.protocols.jolie.http.messages import RefusedRequest, media_type
from ccproxy.protocols.jolie.options import CallListenerOptions
from ccproxy.protocols.jolie.style import BASE64, CallStyle, numbers, types_file
from ccproxy.protocols.jolie.xml.types import Types, TypesFile

EVERY_HOST = "*"
"""The entry of `hosts` that stands for any name."""
FORM = "application/x-www-form-urlencoded"
"""The content type of fields; `curl -d` sends every body under it."""
_FORMS = frozenset({FORM, "multipart/form-data", "text/plain"})
NO_OTHER_PAGE = frozenset({"none", "same-origin"})
"""What Sec-Fetch-Site says of an address that was typed, and of a page that came from here. A page
from another port of the same host is `same-site`, and its images and links carry no Origin."""
_ORIGIN = re.compile(r"null|[a-z][a-z0-9+.-]*://[^\s/,]+")
_HOST = re.compile(r"\*|[a-z0-9_.-]+")


def _origin(text: str) -> str:
    found = text.strip().lower().removesuffix("/")
    if not _ORIGIN.fullmatch(found):
        raise kinds.wrong(text, "an origin such as https://app.example or http://localhost:3000")
    return found


def _host(text: str) -> str:
    found = text.strip().lower().removesuffix(".")
    if not _HOST.fullmatch(found):
        raise kinds.wrong(text, "a host name without port, or * for every name")
    return found


@dataclass(frozen=True, slots=True)
class WebListenerOptions(CallListenerOptions):
    """The options of listeners whose peers make calls over HTTP."""

    idle_timeout: float = idle_timeout(75.0)
    origins: tuple[str, ...] = option(
        kinds.list_of(kinds.checked("origin", _origin)), default=(),
        help="origins of web pages that may call, such as https://app.example; no other page may",
    )  # fmt: skip
    hosts: tuple[str, ...] = option(
        kinds.list_of(kinds.checked("host name", _host)), default=(),
        help="names by which callers reach it, besides localhost, IP addresses, the name of the "
        "machine and that of the address; * = any",
    )  # fmt: skip
    forms: bool = option(
        kinds.flag, default=False, help="take bodies of forms and of text/plain, as pages send them"
    )
    gzip: bool = option(
        kinds.flag, default=True,
        help="gzip answers of 1 to 64 KiB for callers that say Accept-Encoding: gzip; not with "
        "http = pass, where bodies are those of the service",
    )  # fmt: skip

    def style(self) -> CallStyle:
        """How bodies are written and read."""
        return CallStyle(types=Types(base64=self.raw == BASE64))


@dataclass(frozen=True, slots=True)
class StyledListenerOptions(WebListenerOptions):
    """The options of listeners that take XML."""

    types: TypesFile | None = types_file()
    numbers: str = numbers()

    def style(self) -> CallStyle:
        """How bodies are written and read."""
        return CallStyle(types=Types(self.types, self.numbers == "infer", self.raw == BASE64))


@dataclass(frozen=True, slots=True)
class HttpListenerOptions(StyledListenerOptions):
    """The options of listeners of HTTP itself."""

    http: str = option(
        kinds.choice("convert", "pass"), default="convert",
        help="convert: each request is a call, as Jolie has them; pass: method, path, headers, "
        "status and bodies go to a service with protocol = http as they are, and back",
    )  # fmt: skip
    paths: str = option(
        kinds.choice("jolie", "plain"), default="jolie",
        help="jolie: /!/orders!/get is the operation get of the resource orders; plain: so is "
        "/orders/get",
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class SecureWebListenerOptions(WebListenerOptions):
    """The options of listeners whose peers make calls over HTTPS."""

    tls_certificate: str = tls.certificate()
    tls_key: str = tls.key()
    tls_client_ca: str = tls.client_ca()


@dataclass(frozen=True, slots=True)
class HttpsListenerOptions(HttpListenerOptions):
    """The same for those of HTTP itself."""

    tls_certificate: str = tls.certificate()
    tls_key: str = tls.key()
    tls_client_ca: str = tls.client_ca()


@dataclass(frozen=True, slots=True)
class WebAccess:
    """What a listener obeys; `own` are the names by which it is known without an option."""

    own: frozenset[str] = frozenset()
    origins: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    forms: bool = False
    secure: bool = field(default=False, kw_only=True)
    """True if requests come over TLS."""
    plain: bool = field(default=False, kw_only=True)
    """True if the resource stands in a path without tokens."""
    any_host: bool = field(default=False, kw_only=True)
    """True where the name says nothing: at a Unix socket, which no page can reach."""

    def changed(self, options: WebListenerOptions) -> WebAccess:
        """The access under these options."""
        return replace(
            self,
            origins=frozenset(options.origins),
            hosts=frozenset(options.hosts),
            forms=options.forms,
            secure=bool(getattr(options, "tls_certificate", "")),
            plain=getattr(options, "paths", "") == "plain",
        )

    def refusal(self, headers: Mapping[str, str]) -> RefusedRequest | None:
        """Why a request with these headers is not obeyed; None if it is."""
        return self._page(headers) or self._named(headers) or self._typed(headers)

    def _page(self, headers: Mapping[str, str]) -> RefusedRequest | None:
        origin = headers.get("origin")
        if origin is not None:
            if origin.strip().lower() in self.origins:
                return None
            what = f"a request of the web page {origin!r:.80}; allowed are those in origins"
            return RefusedRequest(403, what)
        if headers.get("sec-fetch-site", "none").strip().lower() not in NO_OTHER_PAGE:
            return RefusedRequest(403, "a request of a web page that does not say its origin")
        return None

    def _named(self, headers: Mapping[str, str]) -> RefusedRequest | None:
        if self.any_host:
            return None
        header = headers.get("host", "").strip()
        if not is_host(header):
            return RefusedRequest(400, f"no host name: {header!r:.80}")
        name = host_of(header)
        if EVERY_HOST in self.hosts or name in self.own | self.hosts:
            return None
        if not name or is_local(name):
            return None
        return RefusedRequest(
            421, f"the host name {name!r:.80} is not one of ours; list it in hosts"
        )

    def _typed(self, headers: Mapping[str, str]) -> RefusedRequest | None:
        media = media_type(headers)
        if self.forms or media not in _FORMS:
            return None
        what = f"content type {media}; send Content-Type: application/json or set forms = yes"
        return RefusedRequest(415, what)


def host_of(header: str) -> str:
    """The name in a Host header, in lower case, without port and brackets."""
    header = header.strip().lower()
    if header.startswith("["):
        return header[1:].partition("]")[0]
    return header.partition(":")[0].removesuffix(".")


def is_local(name: str) -> bool:
    """True for what no foreign name server answers for: IP addresses, localhost and below it."""
    if name == "localhost" or name.endswith(".localhost"):
        return True
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
