"""The proof that `send` and `listen` give of their user: keys of CURVE, or a password of PLAIN.

A password must never be a word of the command line, which every user of the machine can read.
"""

from __future__ import annotations

import argparse
import os
from functools import partial
from pathlib import Path

from ccproxy import zeromq
from ccproxy.config.keys import KeyFault, LinkKeys, link_keys
from ccproxy.config.links import LinkOptions
from ccproxy.wire.zmtp.curve_keys import KeyPair, key_of, key_text
from ccproxy.zeromq import Prepare

PASSWORD = "CCSERVER_PASSWORD"
"""The variable of the environment with the password, if no file is given."""
FLAGS = {
    "curve-secret": "--curve-secret", "curve-server": "--curve-server",
    "plain-password-file": "--password-file", "plain-user": "--plain",
}  # fmt: skip
"""Options of a configuration that mean the same."""
LONGEST = 255
"""Bytes of a user or a password of PLAIN."""


def arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument(
        "--curve-server", metavar="KEY|FILE",
        help="speak CURVE: public key of the far side, or its certificate",
    )  # fmt: skip
    parser.add_argument(
        "--curve-secret", metavar="FILE",
        help="our secret certificate (default: a key that is made for this once)",
    )  # fmt: skip
    parser.add_argument(
        "--plain", metavar="USER",
        help=f"speak PLAIN; the password is the first line of --password-file, or in {PASSWORD}",
    )  # fmt: skip
    parser.add_argument("--password-file", metavar="FILE", help="file with the password, mode 600")


def wanted(options: argparse.Namespace) -> bool:
    """True if one of the options is given."""
    names = ("curve_server", "curve_secret", "plain", "password_file")
    return any(getattr(options, name) for name in names)


def preparation(options: argparse.Namespace) -> Prepare | None:
    """What gives a socket its keys or its password; None if it needs none.

    ValueError for keys that cannot be read, and options that do not belong together.
    """
    if not wanted(options):
        return None
    keys = _keys(options)
    if keys.user:
        return partial(zeromq.speak_plain, keys.user, keys.password)
    ours = keys.ours or KeyPair.of(os.urandom(32))
    server, public, secret = (
        key_text(one).encode() for one in (keys.server, ours.public, ours.secret)
    )
    return partial(zeromq.speak_curve, server, public, secret)


def _keys(options: argparse.Namespace) -> LinkKeys:
    user = options.plain or ""
    if options.password_file and not user:
        raise ValueError("--password-file is for --plain USER")
    if len(user.encode()) > LONGEST:
        raise ValueError(f"--plain: a user has at most {LONGEST} bytes")
    if user and not options.password_file and not options.curve_server:
        password = os.environ.get(PASSWORD, "").encode("utf-8", "surrogateescape")
        if not 0 < len(password) <= LONGEST:
            raise ValueError(f"--plain needs --password-file FILE, or the password in {PASSWORD}")
        return LinkKeys(user=user.encode(), password=password)
    server = options.curve_server or ""
    if server and not Path(server).is_file():
        try:
            key_of(server)
        except ValueError as error:
            raise ValueError(f"--curve-server: no such file, and no key: {error}") from None
    try:
        return link_keys(
            LinkOptions(
                curve_server=server,
                curve_secret=options.curve_secret or "",
                plain_user=user,
                plain_password_file=options.password_file or "",
            )
        )
    except KeyFault as fault:
        raise ValueError(f"{FLAGS.get(fault.option, fault.option)}: {fault.what}") from None
