#!/usr/bin/env python3
"""Installs a wheel into a fresh environment and uses it there, far away from any checkout.

    python contrib/try_wheel.py dist/ccserver-0.1.0-py3-none-any.whl 'plain Python'

The second word is how the data path must have been made: `compiled` or `plain Python`. `make wheel`
calls this for each wheel. It needs the package index, for what ccserver depends on.
"""

from __future__ import annotations

import argparse
import re
import signal
import socket
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

READY_TIMEOUT = 20.0
"""Seconds that each command may take, and the server to listen."""


def output_of(folder: Path, *command: str | Path) -> str:
    """What a command prints; CalledProcessError with its own words if it fails."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=10 * READY_TIMEOUT
    )
    if done.returncode:
        print(done.stdout, done.stderr, sep="\n", file=sys.stderr)
    done.check_returncode()
    return done.stdout


def install(wheel: Path, folder: Path) -> Path:
    """A fresh environment with the wheel and what it depends on; its folder of programs."""
    venv.create(folder / "venv", with_pip=True)
    programs = folder / "venv" / "bin"
    output_of(folder, programs / "pip", "install", "--quiet", wheel.resolve())
    return programs


def free_port() -> int:
    """A TCP port that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def ask_echo(ccserver: Path, folder: Path) -> str:
    """Start a server with conf/echo.ini of the examples; its answer to one echo request."""
    address = f"tcp://127.0.0.1:{free_port()}"
    server = subprocess.Popen(
        [ccserver, "--set", f"cc-socket={address}", "conf/echo.ini"], cwd=folder
    )
    try:
        words = ("echo.request", '{"target": "me"}', "--wait", "1", "--timeout", "20")
        answer = output_of(folder, ccserver, "send", address, *words)
        server.send_signal(signal.SIGTERM)
        if server.wait(READY_TIMEOUT):
            raise RuntimeError(f"the server ended with status {server.returncode}")
    finally:
        server.kill()
        server.wait()
    return answer


def main() -> int:
    """Install and use the wheel; an exception or 1 if something is not as it should be."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("wheel", type=Path, help="file to install")
    parser.add_argument("path", choices=("compiled", "plain Python"), help="expected data path")
    args = parser.parse_args()
    print(f"trying {args.wheel.name} in a fresh environment", flush=True)
    with tempfile.TemporaryDirectory(prefix="ccserver-wheel-") as name:
        folder = Path(name)
        ccserver = install(args.wheel, folder) / "ccserver"
        version = output_of(folder, ccserver, "--version").strip()
        if f"data path {args.path}," not in version:
            print(f"expected data path {args.path}, found: {version}", file=sys.stderr)
            return 1
        output_of(folder, ccserver, "examples", ".")
        if strange := [*folder.glob("contrib/**/__pycache__"), *folder.glob("*.md")]:
            print(f"no examples: {strange}", file=sys.stderr)
            return 1
        output_of(folder, ccserver, "check", "conf/echo.ini", "conf/src.ini", "conf/redirect.ini")
        answer = ask_echo(ccserver, folder)
        if not re.match(r'echo\.response .*"orig_target": "me"', answer):
            print(f"expected an echo.response, found: {answer}", file=sys.stderr)
            return 1
    print(f"  {version}: examples written and checked, echo answered")
    return 0


if __name__ == "__main__":
    sys.exit(main())
