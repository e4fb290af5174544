"""The process of a server that takes the place of another one, or is replaced: its files, systemd.

It must never know a socket: the server passes those on.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from ccproxy.commands import common
from ccproxy.commands.control import control_places
from ccproxy.config.plan import Plan
from ccproxy.process.handover import JOURNAL, PIDFILE
from ccproxy.process.pidfile import PidFile
from ccproxy.process.systemd import is_journal, notify
from ccproxy.server.replacement import Surrender
from ccproxy.server.takeover import NothingToReplace, Takeover, stranded, take_over
from ccproxy.wire.text import OperatorText

STOP_MARGIN = 15.0
"""Seconds that a replaced server may need beyond its times for connections and queues. What hangs
then is a plugin: its place is printed, and the process ended."""
STDERR = 2


class SucceedingServer:
    """What a ServerProcess does when it follows another one, or is followed."""

    def __init__(self) -> None:
        self.takeover: Takeover | None = None
        self.pidfile: PidFile | None = None
        self.background = False
        """True if the process has no terminal of its own."""
        self._pidfile_number: int | None = None
        self._journal: int | None = None
        self._linger = 0.0

    def take_over(self, plan: Plan, file: Path, linger: float) -> None:
        """Ask the server that runs with this file for its sockets; without one this is a start like
        any other. HandoverError if it refuses."""
        places = control_places(file, {"control": plan.server.control}).paths
        try:
            sockets = [one for one in places if isinstance(one, Path)]
            self.takeover = take_over(sockets, linger)
        except NothingToReplace as error:
            common.LOG.info("no server to replace: %s", OperatorText(error))
            return
        journal = self.takeover.journal()
        self._journal = journal.descriptor if journal else None

    def take_pidfile(self, plan: Plan) -> None:
        """Have the pid file of a plan, if it names one: that of the old server, or our own.

        PidFileError if another process has it.
        """
        inherited = self.takeover.pidfile() if self.takeover else None
        self._linger = plan.server.linger
        path = Path(plan.server.pidfile) if plan.server.pidfile else None
        if path is not None:
            self.pidfile = PidFile(path)
        if inherited is not None:
            if self.pidfile is not None and self.pidfile.adopt(inherited.descriptor):
                self._pidfile_number = inherited.number
                return
            if self.pidfile is None:
                os.close(inherited.descriptor)
        if self.pidfile is not None and self.pidfile.take():
            common.LOG.warning("ignoring stale pid file %s", self.pidfile.path)

    def drop_files(self) -> None:
        """Give up what is left."""
        if self.pidfile is not None:
            self.pidfile.drop()
        if self.takeover is not None:
            self.takeover.close()
        if self._journal is not None:
            os.close(self._journal)
            self._journal = None

    # The new process

    @property
    def left_behind(self) -> str:
        """A line for the operator about messages that the old server may drop; "" without any."""
        if self.takeover is None or not self.takeover.stranded:
            return ""
        return f"ccserver: {stranded(self.takeover.process, self.takeover.stranded)}\n"

    def claim(self) -> list[int]:
        """Write our number into the inherited pid file; it is what we go on with."""
        if self.pidfile is None or self._pidfile_number is None:
            return []
        self.pidfile.write()
        return [self._pidfile_number]

    def own(self) -> None:
        """The old process has let go of the pid file."""
        if self.pidfile is not None:
            self.pidfile.lent = False

    def use_journal(self) -> bool:
        """In the background, where standard error leads nowhere, write it to where the old server
        did, if that is systemd's journal; True if it is so now."""
        if self._journal is None or not self.background or is_journal(STDERR):
            return False
        os.dup2(self._journal, STDERR)
        return is_journal(STDERR)

    # The old process

    def files(self) -> Sequence[tuple[str, str, int]]:
        """The pid file, and standard error if systemd reads it."""
        found = []
        if self.pidfile is not None and (descriptor := self.pidfile.descriptor) is not None:
            found.append((PIDFILE, str(self.pidfile.path.absolute()), descriptor))
        if is_journal(STDERR):
            found.append((JOURNAL, "", STDERR))
        return found

    def kept(self) -> None:
        """The new process may have written its number before it ended."""
        if self.pidfile is not None:
            self.pidfile.write()

    def surrendered(self, to: Surrender) -> None:
        """Leave the pid file alone, tell systemd, and do not hang at the end."""
        if self.pidfile is not None:
            self.pidfile.lent = PIDFILE in to.kinds
        notify(f"MAINPID={to.process}")
        if sys.stderr is not None:
            seconds = to.linger + 2 * self._linger + STOP_MARGIN
            faulthandler.dump_traceback_later(seconds, exit=True)
