"""The proof that verbs such as `send` give of their user: keys of CURVE, or a password of PLAIN.

A password must never be a word of the command line, which every user of the machine can read.
"""

from __future__ import annotations

import argparse
import os
from functools import partial

from ccproxy.client.keys import ClientKeys, prove
from ccproxy.config.keys import KeyFault, LinkKeys
from ccproxy.config.plan import ListenerPlan
from ccproxy.zeromq import Prepare

PASSWORD = "CCSERVER_PASSWORD"
"""The variable of the environment with the password, if no file is given."""
FLAGS = {
    "curve-secret": "--curve-secret", "curve-server": "--curve-server",
    "plain-password": PASSWORD, "plain-password-file": "--password-file", "plain-user": "--plain",
}  # fmt: skip
"""Options of a configuration that mean the same."""


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


def asked_by(listener: ListenerPlan) -> bool:
    """True if a listener for messages of CC takes no peer without a proof."""
    return bool(listener.options.curve_secret or listener.options.plain_users)


def keys_of(options: argparse.Namespace) -> ClientKeys:
    """What the options give; ValueError for keys that cannot be read, and options that do not
    belong together."""
    if options.password_file and not options.plain:
        raise ValueError("--password-file is for --plain USER")
    keys = ClientKeys(
        curve_server=options.curve_server or "",
        curve_secret=options.curve_secret or "",
        plain_user=options.plain or "",
        plain_password_file=options.password_file or "",
        plain_password=_password(options),
    )
    _read(keys)
    return keys


def preparation(options: argparse.Namespace) -> Prepare | None:
    """What gives a socket its keys or its password; None if it needs none. Errors as `keys_of`."""
    return partial(prove, _read(keys_of(options))) if wanted(options) else None


def _password(options: argparse.Namespace) -> str:
    """The password in the environment, if it is to be used."""
    if not options.plain or options.password_file or options.curve_server:
        return ""
    password = os.environ.get(PASSWORD, "")
    if not password:
        raise ValueError(f"--plain needs --password-file FILE, or the password in {PASSWORD}")
    return password


def _read(keys: ClientKeys) -> LinkKeys:
    try:
        return keys.read()
    except KeyFault as fault:
        raise ValueError(f"{FLAGS.get(fault.option, fault.option)}: {fault.what}") from None
