"""The files of the live page, and what browsers are told about them.

They hold nothing of the server, and the browser takes scripts and styles from nowhere else. The
files are read once: this module must never be asked to read one while the server runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from types import MappingProxyType

from ccproxy.server.requests import WebAnswer

POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
HEADERS: Mapping[str, str] = MappingProxyType(
    {
        "Cache-Control": "no-store",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": POLICY,
        "Referrer-Policy": "no-referrer",
        "X-Frame-Options": "DENY",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
)
PAGE = "/"
KINDS = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


def page_files() -> dict[str, WebAnswer]:
    """The answers by path: the page itself, and the files that it names."""
    found = {}
    for file in files("ccproxy.server").joinpath("page").iterdir():
        path = PAGE if file.name == "page.html" else f"/{file.name}"
        kind = KINDS[file.name.rpartition(".")[2]]
        found[path] = WebAnswer(200, file.read_bytes(), kind, HEADERS)
    return found
