"""The verb `run`: starts the server, with its log and its pid file, or signals a running one.

It must never open anything before the plan is known to be right. What it opens, it closes.
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import logging
import platform
import signal
from collections.abc import Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

from ccproxy import __version__
from ccproxy.commands import common
from ccproxy.commands.succeeding import SucceedingServer
from ccproxy.config import kinds
from ccproxy.config.plan import Plan
from ccproxy.config.problems import Problem
from ccproxy.plugins import Plugins
from ccproxy.process import logs
from ccproxy.process.background import go_to_background
from ccproxy.process.handover import HandoverError
from ccproxy.process.log_format import Formats
from ccproxy.process.memory import set_aside
from ccproxy.process.pidfile import PidFile, PidFileError, send_signal, wait_for_end
from ccproxy.process.signals import ProcessSignals
from ccproxy.process.systemd import notify
from ccproxy.verb import Verb
from ccproxy.wire.text import OperatorText

EXAMPLES = """\
examples:
  ccserver run conf/src.ini              run in the foreground, ^C stops
  ccserver run -d conf/src.ini           run in the background; 0 only if the start succeeded
  ccserver run -v --set cc-socket=tcp://127.0.0.1:5555 conf/echo.ini
  ccserver run -d --replace conf/src.ini take the place of the running server, for an upgrade
  ccserver run --ini > my.ini            begin with a sample that shows every option

signals: INT and TERM stop, HUP reads the configuration again; a bad one changes nothing."""


class RunVerb(Verb):
    """`ccserver run`."""

    about = "start the server, or signal a running one"
    examples = EXAMPLES

    def arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare the options, which are those of the original server and a few more."""
        parser.add_argument("file", metavar="FILE", nargs="?", help="configuration, an INI file")
        parser.add_argument(
            "-d", "--daemon", action="store_true", help="go to the background; needs pidfile"
        )
        parser.add_argument(
            "-q", "--quiet", action="store_true", help="log warnings and errors only"
        )
        parser.add_argument(
            "-v",
            "--verbose",
            action="count",
            default=0,
            help="log more; -v -v logs single pings too",
        )
        parser.add_argument(
            "--set", metavar="NAME=VALUE", type=setting, action="append", default=[],
            help="override an option of [ccserver]; may be repeated",
        )  # fmt: skip
        parser.add_argument(
            "--replace", action="store_true",
            help="take the place of the running server of FILE without a closed port",
        )  # fmt: skip
        parser.add_argument(
            "--replace-linger", metavar="TIME", type=seconds, default=REPLACE_LINGER,
            help="time that connections of the replaced server may stay (default: 2 s)",
        )  # fmt: skip
        word = parser.add_mutually_exclusive_group()
        for flag, name, number, what in SIGNALS:
            word.add_argument(
                flag, name, dest="signal", action="store_const", const=number, help=what
            )
        word.add_argument("--ini", action="store_true", help="print a sample configuration")
        word.add_argument(
            "-V", "--version", action="store_true",
            help="print the version, how the data path was made, Python and uvloop",
        )  # fmt: skip

    def run(self, options: argparse.Namespace) -> int:
        """Do what the options say; without one of them, start."""
        overrides = dict(options.set)
        if options.version:
            print(about())
            return 0
        if options.ini:
            from ccproxy.commands.sample import sample

            print(sample(overrides), end="")
            return 0
        if not options.file:
            return common.fail("need config file, use --help for help.")
        if options.replace and options.signal:
            text = "--replace starts a server; -s, -k and -r signal the running one"
            return common.fail(text, common.WRONG_USAGE)
        if options.signal == signal.SIGHUP:
            from ccproxy.commands.reload import reload_server

            return reload_server(Path(options.file), overrides)
        if options.signal:
            return stop_server(Path(options.file), overrides, options.signal)
        return start(Path(options.file), overrides, options)


SIGNALS = (
    ("-s", "--stop", signal.SIGINT, "stop the server of the pid file (SIGINT)"),
    ("-k", "--kill", signal.SIGTERM, "stop the server of the pid file (SIGTERM)"),
    ("-r", "--reload", signal.SIGHUP, "the running server reads FILE again; 0 only if it does"),
)

REPLACE_LINGER = 2.0
"""Seconds: enough for clients that connect for one request, and for calls as at a stop."""
STOP_TIMEOUT = 10.0
"""Seconds that `-s` and `-k` wait until the server has ended."""


def setting(text: str) -> tuple[str, str]:
    """NAME=VALUE of `--set`."""
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise argparse.ArgumentTypeError(f"found {text!r}, expected NAME=VALUE")
    return name.strip(), value.strip()


def seconds(text: str) -> float:
    """The time of `--replace-linger`."""
    try:
        return float(kinds.duration("s").parse(text))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def about() -> str:
    """One line with the versions of the server, Python and uvloop."""
    from ccproxy.core.ingress import COMPILED

    path = "compiled" if COMPILED else "plain Python"
    loop = uvloop()
    python = f"data path {path}, Python {platform.python_version()}"
    found = f"uvloop {loop.__version__}" if loop else "no uvloop"
    return f"ccserver version {__version__}, {python}, {found}"


def uvloop() -> Any:
    """The module uvloop, None where it is not installed."""
    try:
        return importlib.import_module("uvloop")
    except ImportError:
        return None


def stop_server(file: Path, overrides: Mapping[str, str], number: int) -> int:
    """Send the running server a signal and wait for its end, so that a new one can be started.

    It is no failure if none runs.
    """
    pidfile = common.pidfile_of(file, overrides)
    if pidfile is None:
        return common.BAD_CONFIGURATION
    if not pidfile:
        return common.fail("no pidfile in config, nothing to do", status=0)
    running = PidFile(Path(pidfile))
    try:
        warning = send_signal(running, number)
        if warning:
            return common.fail(warning, status=0)
        if wait_for_end(running, STOP_TIMEOUT):
            return 0
    except PidFileError as error:
        return common.fail(str(error))
    waited = f"{STOP_TIMEOUT:g} s"
    return common.fail(f"the server of {pidfile} was told to stop, but still runs after {waited}")


def start(file: Path, overrides: Mapping[str, str], args: argparse.Namespace) -> int:
    """Start the server, in the background if asked; return the exit status."""
    plugins = Plugins()
    plan, problems = common.load(file, overrides, plugins)
    if plan is None:
        common.print_problems(problems)
        return common.BAD_CONFIGURATION
    process = ServerProcess(file, overrides, logs.level_of(args.quiet, args.verbose), plugins)
    linger = args.replace_linger if args.replace else None
    if not args.daemon:
        return process.run(plan, problems, linger)
    if not plan.server.pidfile:
        common.print_problems(problems)
        return common.fail(f"{file}: -d needs the option pidfile in [ccserver]")
    parent = go_to_background()
    if isinstance(parent, int):
        return parent
    process.started = lambda: parent.ready(process.left_behind)
    process.background = True
    status = process.run(plan, problems, linger)
    parent.failed(status)
    return status


class ServerProcess(SucceedingServer):
    """The process of a server: what it was started with, and how the configuration is read again.

    `plugins` found the handlers of the plan; a reload asks them again, so that a handler whose
    file did not change stays the same class. `started` is called when the server listens.
    """

    started: Callable[[], None] = staticmethod(lambda: None)

    def __init__(
        self, file: Path, overrides: Mapping[str, str], level: int, plugins: Plugins
    ) -> None:
        super().__init__()
        self.file = file
        self.overrides = overrides
        self.level = level
        self.plugins = plugins
        self.signals = ProcessSignals()
        self.log: logs.Log | None = None
        self.plan: Plan | None = None
        """The plan that was started."""

    def run(self, plan: Plan, problems: list[Problem], replace: float | None = None) -> int:
        """Run until the server ends; the log is open during that time.

        `replace`: take the place of the running server, whose connections may stay so long.
        """
        self.signals.hold()
        self.plan = plan
        try:
            logs.set_up(log_plan(plan, self.level))
        except OSError as error:
            return common.fail(f"cannot open log file {plan.server.logfile}: {error.strerror}")
        try:
            common.log_problems(problems)
            return self.guarded(plan, replace)
        finally:
            logs.tear_down()

    def guarded(self, plan: Plan, replace: float | None) -> int:
        """Run until the server ends; the pid file, if configured, exists during that time."""
        try:
            if replace is not None:
                self.take_over(plan, self.file, replace)
            self.take_pidfile(plan)
            return self.serve(plan)
        except (PidFileError, HandoverError) as error:
            common.LOG.error("%s", OperatorText(error))
            return common.FAILED
        finally:
            self.drop_files()

    def serve(self, plan: Plan) -> int:
        """Run the server on an event loop."""
        from ccproxy.server.server import serve

        return run_loop(serve(plan, self, self.plugins))

    def ready(self) -> None:
        """Report soon that the server listens: in its next iteration the loop handles signals."""
        asyncio.get_running_loop().call_soon(self.tell_ready)

    def tell_ready(self) -> None:
        """Tell the process that started us, and systemd, that the server listens."""
        self.signals.release()
        self.started()
        if self.plan is not None and self.use_journal():
            logs.set_up(log_plan(self.plan, self.level))
        notify("READY=1")
        set_aside()

    def reload(self) -> tuple[Plan | None, list[Problem]]:
        """Read the configuration again, and open the log of the new plan."""
        notify("RELOADING=1")
        plan, problems = common.load(self.file, self.overrides, self.plugins)
        if plan is not None:
            try:
                self.log = logs.Log(log_plan(plan, self.level))
            except OSError as error:
                what = f"cannot open log file {plan.server.logfile}: {error.strerror}"
                return None, [*problems, Problem(str(self.file), 0, what)]
        return plan, problems

    def reloaded(self, adopted: bool) -> None:
        """Replace the log by that of the new plan if the server has adopted the plan."""
        log, self.log = self.log, None
        if log is not None:
            (log.begin if adopted else log.abandon)()
        notify("READY=1")


def run_loop(main: Coroutine[Any, Any, int]) -> int:
    """Run a coroutine on uvloop if it is installed, else on asyncio's loop."""
    found = uvloop()
    with asyncio.Runner(loop_factory=found.new_event_loop if found else None) as runner:
        loop = runner.get_loop()
        task = loop.create_task(main)
        while True:
            try:
                return loop.run_until_complete(task)
            except (SystemExit, KeyboardInterrupt) as error:
                if task.done():  # if not, a plugin's own callback ended the loop
                    raise
                common.LOG.error("a plugin raised %r in a callback", error, exc_info=error)


def log_plan(plan: Plan, level: int) -> logs.LogPlan:
    """What is logged where, according to the options of `[ccserver]`."""
    server = plan.server
    kind = "_verbose" if level < logging.INFO else ""

    def formats(place: str) -> Formats:
        line = getattr(server, f"logfmt_{place}{kind}")
        time = getattr(server, f"logdatefmt_{place}{kind}")
        return Formats(line, time, server.log_format == "json")

    return logs.LogPlan(
        level=level,
        file=Path(server.logfile) if server.logfile else None,
        size=server.log_size,
        count=server.log_count,
        console=formats("console"),
        filed=formats("file"),
    )
