"""The verb `keygen`: writes the certificates of a new CURVE key, or the line of a user for PLAIN.

Certificates have the format of CZMQ and of pyzmq's `zmq.auth`, which can read them. It must never
overwrite a file, nor print a secret.
"""

from __future__ import annotations

import argparse
import getpass
import os
import sys
from pathlib import Path

from ccproxy.commands import common
from ccproxy.config.keys import USER, password_of, users_of
from ccproxy.verb import Verb
from ccproxy.wire.zmtp.curve_keys import KeyPair, key_text
from ccproxy.wire.zmtp.passwords import hashed

EXAMPLES = """\
examples:
  ccserver keygen keys/server            write keys/server.key and keys/server.key_secret
  ccserver keygen --plain joe users      ask for a password, add the user to the file of plain-users
  ccserver keygen --plain joe < file     print the line, for the first line of a file as password

NAME.key is public: it goes to the other side. NAME.key_secret stays where it is; only its owner can
read it (mode 600). An existing file is not overwritten."""

PUBLIC = """\
#   ZeroMQ CURVE Public Certificate
#   Give this file to the servers and clients that are to know this key.

metadata
    name = "{name}"
curve
    public-key = "{public}"
"""
SECRET = """\
#   ZeroMQ CURVE **Secret** Certificate
#   DO NOT GIVE THIS FILE TO ANYBODY, nor change its permissions.

metadata
    name = "{name}"
curve
    public-key = "{public}"
    secret-key = "{secret}"
"""


class KeygenVerb(Verb):
    """`ccserver keygen`."""

    about = "make a key for CURVE, or the line of a user for PLAIN"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the name."""
        parser.add_argument(
            "name", metavar="NAME", help="files to write, without suffix; with --plain, the user"
        )
        parser.add_argument(
            "--plain", action="store_true",
            help="make the line of a user; the password is asked for, or read from stdin",
        )  # fmt: skip
        parser.add_argument(
            "users", metavar="FILE", nargs="?", type=Path,
            help="with --plain, file to add the line to, made with mode 600; default: print it",
        )  # fmt: skip

    def run(self, options: argparse.Namespace) -> int:
        """Write or print; 1 if that is not possible."""
        if options.plain:
            return user_line(options.name, options.users)
        if options.users is not None:
            return common.fail("FILE is for --plain", common.WRONG_USAGE)
        return certificates(Path(options.name))


def certificates(path: Path) -> int:
    """Write both certificates of a new key."""
    pair = KeyPair.of(os.urandom(32))
    texts = {"name": path.name, "public": key_text(pair.public), "secret": key_text(pair.secret)}
    files = {
        path.with_name(f"{path.name}.key_secret"): (SECRET, 0o600),
        path.with_name(f"{path.name}.key"): (PUBLIC, 0o644),
    }
    there = [str(file) for file in files if file.exists() or file.is_symlink()]
    if there or '"' in path.name:
        what = f"exists already: {' '.join(there)}" if there else 'the name has a "'
        return common.fail(f"{what}; nothing written")
    try:
        for file, (form, mode) in files.items():
            write_new(file, form.format(**texts), mode)
    except OSError as error:
        return common.fail(f"{error.filename}: {error.strerror}")
    print(f"public key {texts['public']}; written: {' '.join(map(str, files))}")
    return 0


def write_new(file: Path, text: str, mode: int) -> None:
    """Write a file that does not exist yet; nobody else can open it before it has its mode."""
    number = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(number, "w", encoding="utf-8") as stream:
        os.fchmod(number, mode)
        stream.write(text)


def user_line(user: str, users: Path | None) -> int:
    """Print the line of a user, or add it to a file."""
    asked = f"password of {user}: "
    text = getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()
    try:
        line = f"{user}:{hashed(password_of(text))}"
    except ValueError as error:
        return common.fail(f"no password: {error}")
    if not USER.fullmatch(line) or len(user.encode()) > 255:
        return common.fail(f"{user!r:.60} is no name: 1 to 255 bytes without blanks and colons")
    if users is None:
        print(line)
        return 0
    try:
        add_user(users, user, line)
    except (OSError, ValueError) as error:
        return common.fail(f"{users}: {getattr(error, 'strerror', None) or error}")
    return 0


def add_user(users: Path, user: str, line: str) -> None:
    """Add a line to a file of users; ValueError if it has this user, or is no such file."""
    number = os.open(users, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(number, "r+", encoding="utf-8") as stream:
        text = stream.read()
        if user in users_of(text):
            raise ValueError(f"user {user} is there already; remove the line for a new password")
        stream.write(f"{line}\n" if text.endswith("\n") or not text else f"\n{line}\n")
