"""The addresses of one xMsg proxy, which follow from the first one: P, P+1, P+2 and P+4.

Values only; this module must never open a socket.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ccproxy import kinds, option
from ccproxy.config.address import Address

SUBSCRIPTION, CONTROL, REGISTRAR = 1, 2, 4
"""What is added to P, where publishers connect."""
MAX_PORT = 65_535 - REGISTRAR


def _block(text: str) -> str:
    address = Address.listening(text)
    if address.scheme != "tcp" or not 0 < address.port <= MAX_PORT:
        raise kinds.wrong(text, f"tcp://HOST:PORT, with a port from 1 to {MAX_PORT}")
    return str(address)


def _remote(text: str) -> str:
    Address.remote(text)
    return _block(text)


BLOCK = kinds.checked("address of P", _block)
REMOTE_BLOCK = kinds.checked("address of P to connect to", _remote)


def beside(address: str, offset: int) -> str:
    """The address that is this many ports above."""
    base = Address.parse(address)
    return str(replace(base, port=base.port + offset))


def proxy_address(default: str) -> Any:
    """The option `address` of a section that is a proxy."""
    return option(
        BLOCK, default=default,
        help="where publishers connect (port P); subscribers connect to P+1, and clients are "
        "answered at P+2",
    )  # fmt: skip
