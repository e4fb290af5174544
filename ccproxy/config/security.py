"""The options by which peers prove who they are, and how well a listener is protected by them.

A listener speaks one mechanism of ZMTP: CURVE with `curve-secret`, PLAIN with `plain-users`, else
NULL, which proves nothing. The files that the options name are read by `keys`. This module must
never look at one.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Any

from ccproxy.config import kinds
from ccproxy.config.address import Address
from ccproxy.config.options import Kind, option
from ccproxy.wire.zmtp.curve_keys import key_of

Network = IPv4Network | IPv6Network

SECURED_BY = {"curve_secret": "curve", "plain_users": "plain", "tls_certificate": "tls"}
"""Field of the options of a listener -> what it is protected by if the field is set."""
ANYBODY = "any"
"""`curve-allow = any`: every key is taken, so that traffic is secret but peers are strangers."""


EXPOSED = "write curve-secret, plain-users or addresses, or open = yes if that is meant"
"""The hint of the warning that everybody can use a listener."""


def _network(text: str) -> Network:
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        meant = ip_network(text, strict=False)
    except ValueError:
        raise kinds.wrong(text, "an address or a network such as 10.0.0.0/8") from None
    raise kinds.wrong(text, f"a network without bits behind its mask, such as {meant}")


def _key(text: str) -> str:
    try:
        key_of(text.strip())
    except ValueError as error:
        raise ValueError(f"found {error}") from None
    return text.strip()


def _key_or_file(text: str) -> str:
    try:
        return _key(text)
    except ValueError:
        pass
    return str(kinds.file.parse(text))


def _allow(text: str) -> str:
    return ANYBODY if text.strip().lower() == ANYBODY else str(kinds.file.parse(text))


NETWORKS = kinds.list_of(Kind("network", _network))
KEY = Kind("key", _key)
KEY_OR_FILE = Kind("key | file", _key_or_file)
ALLOW = Kind("file | folder | any", _allow)


def curve_secret(help: str) -> Any:
    """The option `curve-secret`."""
    return option(kinds.file, default="", help=help)


def curve_allow() -> Any:
    """The option `curve-allow`."""
    return option(
        ALLOW, default="",
        help="public certificate of the peer that may connect, folder with those of all that may, "
        "or any; without it, the keys of the [allow:NAME] sections",
    )  # fmt: skip


def curve_server() -> Any:
    """The option `curve-server`."""
    return option(
        KEY_OR_FILE, default="",
        help="public key of the far side, or its certificate; with it the link speaks CURVE",
    )  # fmt: skip


def plain_users() -> Any:
    """The option `plain-users`."""
    return option(
        kinds.file, default="",
        help="file of users and their hashed passwords (ccserver keygen --plain USER); with it "
        "the listener speaks PLAIN",
    )  # fmt: skip


def plain_user() -> Any:
    """The option `plain-user`."""
    return option(kinds.text, default="", help="name for the far side; the link speaks PLAIN")


def plain_password_file() -> Any:
    """The option `plain-password-file`."""
    return option(kinds.file, default="", help="file whose first line is the password for it")


def refuse() -> Any:
    """The option `refuse`."""
    return option(
        kinds.choice("close", "error"), default="close",
        help="how a peer is refused: close, so that it tries again and gets in once it is allowed, "
        "or error, after which libzmq never tries again",
    )  # fmt: skip


def addresses() -> Any:
    """The option `addresses`."""
    return option(
        NETWORKS, default=(), help="networks from which connections are taken; empty = all"
    )


def open_to_all() -> Any:
    """The option `open`."""
    return option(
        kinds.flag, default=False,
        help="yes: it is meant that everybody who reaches the address can use it; no warning",
    )  # fmt: skip


def protection(address: str, options: Any) -> str:
    """By what a listener is protected: curve, plain, tls, addresses, local; or open, or exposed.

    `open` is what the configuration says, `exposed` that nothing is said.
    """
    for name, word in SECURED_BY.items():
        if getattr(options, name, ""):
            return word
    if options.addresses:
        return "addresses"
    if is_local(Address.parse(str(address))):
        return "local"
    return "open" if options.open else "exposed"


def is_local(address: Address) -> bool:
    """True if only this machine reaches the address."""
    if address.scheme == "ipc" or address.host.lower() == "localhost":
        return True
    try:
        return ip_address(address.host).is_loopback
    except ValueError:
        return False
