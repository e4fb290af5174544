"""The verb `reload`, and `ccserver run -r FILE`: a running server reads its configuration again.

It asks through the control socket, and waits for what becomes of it. A server without one is sent a
signal, which has no answer; the configuration is checked before, because a bad one changes nothing.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ccproxy.commands import common
from ccproxy.commands.control import control_places
from ccproxy.commands.server_verb import AskedServer, ServerVerb
from ccproxy.config.problems import Problem
from ccproxy.process.pidfile import PidFile, PidFileError, send_signal
from ccproxy.server.control_client import ControlReply, NoAnswer, NoServer, request

RELOAD_TIMEOUT = 600.0
"""Seconds a reload may take; each handler has `start-timeout`."""
EXAMPLES = """\
examples:
  ccserver reload conf/src.ini            what changed, or why nothing did
  ccserver reload --json conf/src.ini

As `ccserver run -r FILE`, which also tells a server without a control socket, by a signal.
exit status: 0 the new configuration runs, 1 it cannot, or no server answers, 78 it has mistakes"""


class ReloadVerb(ServerVerb):
    """`ccserver reload`."""

    changes = True
    timeout = RELOAD_TIMEOUT
    about = "let a running server read its configuration again, and say what changed"
    examples = EXAMPLES

    def asked(self, options: argparse.Namespace, server: AskedServer) -> int:
        """Reload, and say what became of it."""
        reply = server.reply("POST", "/v1/reload")
        if not options.json:
            return told(reply)
        print(json.dumps(reply.value))
        return status_of(reply.value)


def reload_server(file: Path, overrides: Mapping[str, str]) -> int:
    """Reload and say what changed or why nothing did; 0 only if the new configuration runs."""
    places = control_places(file, overrides)
    if places.fault is not None:
        common.print_problems([places.fault])
        return common.BAD_CONFIGURATION
    no_answer = f"{file} says control = no"
    if places.paths:
        try:
            return told(request("POST", "/v1/reload", places.paths, RELOAD_TIMEOUT))
        except NoAnswer as error:
            return common.fail(str(error))
        except NoServer as error:
            no_answer = str(error)
    return by_signal(file, overrides, no_answer)


def told(reply: ControlReply) -> int:
    """Print what the server answered; the exit status."""
    value = reply.value
    if not isinstance(value, dict) or "adopted" not in value:
        return common.fail(reply.error)
    problems = [problem_of(one) for one in value.get("problems", ())]
    common.print_problems(problems)
    text = value.get("text", "")
    if value["adopted"]:
        print(f"reloaded: {text}")
        return 0
    return common.fail(f"reload failed: {text}", status_of(value))


def status_of(value: Any) -> int:
    """The exit status that an outcome has."""
    if not isinstance(value, dict) or not value.get("adopted"):
        problems = value.get("problems", ()) if isinstance(value, dict) else ()
        mistakes = any(not one.get("warning") for one in problems)
        return common.BAD_CONFIGURATION if mistakes else common.FAILED
    return 0


def problem_of(value: Mapping[str, Any]) -> Problem:
    """A problem as the server sent it."""
    return Problem(
        str(value.get("file", "")), int(value.get("line", 0)), str(value.get("what", "")),
        str(value.get("hint", "")), bool(value.get("warning", False)),
    )  # fmt: skip


def by_signal(file: Path, overrides: Mapping[str, str], no_answer: str) -> int:
    """Send SIGHUP to the process of the pid file; 1 if there is none, 78 for a bad file.

    `no_answer` says why the server is not asked through its control socket.
    """
    pidfile = common.pidfile_of(file, overrides)
    if pidfile is None:
        return common.BAD_CONFIGURATION
    if not pidfile:
        return common.fail(f"{no_answer}, and the configuration names no pidfile")
    plan, problems = common.load(file, overrides)
    try:
        process = PidFile(Path(pidfile))
        if plan is None and process.held():
            common.print_problems(problems)
            return common.fail("the server keeps its configuration", common.BAD_CONFIGURATION)
        warning = send_signal(process, signal.SIGHUP)
    except PidFileError as error:
        return common.fail(str(error))
    if warning:
        return common.fail(warning)
    print("ccserver: told to reload by signal, the log says what becomes of it", file=sys.stderr)
    return 0
