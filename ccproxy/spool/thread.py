"""The thread of a spool: it commits what was gathered while the last commit ran, and reads.

    loop --SpoolWork--> queue --> thread: one commit for all that is there --SpoolDone--> loop

What could not be written stays here and is tried again, with pauses; until then nothing of it is
told as safe. The thread must never drop a message, and call the loop's side only through the loop.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from ccproxy.spool.file import SpoolFile, is_full, may_be_full
from ccproxy.spool.keeping import PRUNE_INTERVAL, Keeping
from ccproxy.spool.lock import FolderLock
from ccproxy.spool.renewal import Renewals, SpoolRemoved, prepare, renewed
from ccproxy.spool.reserve import NoRoom, Reserve
from ccproxy.spool.rows import Numbering, OfferedRun, SpoolRow, last_numbers
from ccproxy.spool.salvage import LOG_LOST, is_damage, salvage, set_aside, unfinished, whole_file
from ccproxy.spool.schema import FILE_NAME, SpoolCommit, State
from ccproxy.spool.work import FileOptions, SpoolDone, SpoolFound, SpoolWork, answer, result_of

COMMIT_ITEMS = 4096
"""Offers after which a commit takes no more: their receipts are told in one turn of the loop."""
PAUSES = (0.5, 30.0)
"""Seconds between attempts to write after a failed one: the first, and the longest."""
IDLE = 0.2
"""Seconds without work after which the file is made smaller."""
TIDY_INTERVAL = 2.0
FAILURES = sqlite3.Error, OSError, ValueError, MemoryError
FILE_LOST = "the file was removed while it could not be written: the messages in it are lost"


class SpoolThread:
    """The thread of one spool, from `start` to the work that says `stop`."""

    def __init__(
        self,
        options: FileOptions,
        work: queue.SimpleQueue[SpoolWork],
        tell: Callable[[SpoolDone], None],
    ) -> None:
        """`work` may hold some from before the start."""
        self.options = options
        """May be replaced while the thread runs, but for the folder."""
        self._tell_loop = tell
        self._loop = asyncio.get_running_loop()
        self._queue = work
        self._work = SpoolWork()
        """What is not written yet."""
        self._rows: list[SpoolRow] = []
        self._written_items: list[OfferedRun] = []
        self._written_size = 0
        """The rows that the items of the next commit have become."""
        self._file: SpoolFile | None = None
        self._problem = self._damage = ""
        self._pause, self._next_attempt = PAUSES[0], 0.0
        self._committed: State | None = None
        self._tidy_at = 0.0
        self._keeping, self._renewals = Keeping(), Renewals()
        self._unsynced = False
        """True if what was written may not be on the disk, although a commit said so."""
        self._busy_file = False
        """True if something was written since the file was last made small."""
        self.ended: asyncio.Future[None] = self._loop.create_future()
        self._opened: asyncio.Future[SpoolFound] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name=f"spool {options.folder}",
                                        daemon=True)  # fmt: skip

    @property
    def started(self) -> bool:
        """True after `start`."""
        return self._thread.ident is not None

    async def start(self) -> SpoolFound:
        """Open the file; OSError if that is not possible."""
        self._thread.start()
        return await self._opened

    # In the thread

    def _run(self) -> None:
        try:
            opened = self._open()
        except BaseException as error:  # whoever waits for `start` gets it
            raised = error if isinstance(error, OSError) else OSError(str(error) or repr(error))
            self._post(answer, self._opened, None, raised)
            self._post(answer, self.ended, None, None)
            return
        self._post(self._tell_loop, SpoolDone(opened=opened))
        self._post(answer, self._opened, opened, None)
        while not (self._work.stop and not self._queue.qsize()
                   and (self._problem or not self._work.items)):  # fmt: skip
            try:
                self._turn()
            except BaseException as error:
                self._mistaken(error)
        self._end()

    def _turn(self) -> None:
        """Wait for work, and do it."""
        busy = self._gather() or bool(self._problem)
        if busy:
            self._round()
        if not self._problem and (not busy or time.monotonic() >= self._tidy_at):
            self._tidy()

    def _mistaken(self, error: BaseException) -> None:
        """A mistake of this program is said, and all is tried again, as on a disk that fails."""
        if not self._problem:
            what = {"message": f"spool {self.options.folder}", "exception": error}
            self._post(self._loop.call_exception_handler, what)
        if self._file is not None:
            with suppress(*FAILURES):
                self._file.abandon()
            self._file, self._unsynced = None, True
        self._problem = repr(error)
        self._wait_before_next_attempt()
        self._tell(SpoolDone(failures=1))
        time.sleep(PAUSES[0])  # whatever it is, it must not take all the time of a processor

    def _wait_before_next_attempt(self) -> None:
        self._next_attempt = time.monotonic() + self._pause
        self._pause = min(2 * self._pause, PAUSES[1]) or PAUSES[0]

    def _tell(self, done: SpoolDone) -> None:
        done.problem, done.damage, done.kept = self._problem, self._damage, self._keeping.kept
        self._post(self._tell_loop, done)

    def _open(self) -> SpoolFound:
        folder = self.options.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._lock = FolderLock(folder)
        try:
            return self._found()
        except BaseException:
            if self._file is not None:
                self._file.abandon()
            self._lock.release()
            raise

    def _found(self) -> SpoolFound:
        self._reserve = Reserve(self.options.folder)
        self._reserve.make()
        self._file = self._opened_file()
        if self._file.lost_log:
            self._damage = LOG_LOST
        self._mark_open(self._file)
        state = self._committed = self._file.state
        self._keeping.count(self._file, self.options)
        epoch = int.from_bytes(os.urandom(8), "big")
        self._numbers = Numbering(state.last + 1, epoch)
        return SpoolFound(state, epoch, self._file.origins(), self._file.first_time(), self._damage)

    @staticmethod
    def _mark_open(file: SpoolFile) -> None:
        try:
            file.mark_open()
        except sqlite3.OperationalError as error:
            if not may_be_full(error):
                raise  # on a full disk, what is there can be sent all the same

    def _opened_file(self) -> SpoolFile:
        """The file of the folder, or a new one with what can be read of a damaged one."""
        folder, full, link = self.options.folder, self.options.full, os.urandom(16)
        aside = unfinished(folder)
        if aside is None:
            try:
                return whole_file(folder, link, full)
            except sqlite3.Error as error:
                if not is_damage(error):
                    raise OSError(f"{folder / FILE_NAME}: {error}") from error
                aside = set_aside(folder)
        self._salvage(aside, link)
        return SpoolFile(folder, link, full)

    def _salvage(self, aside: Path, link: bytes) -> None:
        self._committed = None
        self._damage = str(salvage(self.options.folder, aside, link, self.options.full))

    def _gather(self) -> bool:
        """Wait for work, and take what there is for one commit; False if there is none to do."""
        work = self._work
        with suppress(queue.Empty):
            work.add(self._queue.get(timeout=self._timeout()))
            most = self._reserve.commit
            while work.size < most and len(work.items) < COMMIT_ITEMS and not work.stop:
                work.add(self._queue.get_nowait())
            return True
        return self._unwritten or self._asked

    def _timeout(self) -> float | None:
        if self._problem:
            return max(0.0, self._next_attempt - time.monotonic())
        if self._unwritten or self._asked:
            return 0.0
        if self._busy_file:
            return IDLE
        return PRUNE_INTERVAL if self.options.keep_time and self._keeping.kept else None

    def _round(self) -> None:
        """Write, and tell it; then read."""
        may_try = not self._problem or time.monotonic() >= self._next_attempt or self._work.stop
        if may_try:
            self._attempt(self._write)
        if self._asked and (self._file is not None or may_try):
            self._attempt(self._read)

    def _attempt(self, step: Callable[[SpoolDone], None]) -> None:
        """Make a step, and tell the loop what became of it."""
        done = SpoolDone()
        try:
            step(done)
        except FAILURES as error:
            self._failed(error)
            done.failures = 1
        self._tell(done)

    @property
    def _unwritten(self) -> bool:
        work = self._work
        return bool(
            work.items or self._written_items or work.gone or work.dropped or work.released >= 0
            or work.server is not None or (work.stop and work.written)
        )  # fmt: skip

    @property
    def _asked(self) -> bool:
        """True if something is to be read."""
        return self._work.read is not None or bool(self._work.calls)

    def _write(self, done: SpoolDone) -> None:
        """One commit; on an exception all of it is tried again later."""
        file = self._reopened()
        if file.removed:
            file = self._renewed(file)
        elif file.log_removed:
            file.checkpoint()
            file.forsake()
            self._file = None
            file = self._reopened()
        file.full = self.options.full
        if self._unwritten:
            self._write_to(file, done)
        if not self._reserve.there:
            self._make_room(file)
        self._problem, self._pause = "", PAUSES[0]

    def _renewed(self, old: SpoolFile) -> SpoolFile:
        """The file once more in its folder."""
        folder = self.options.folder
        try:
            prepare(old)
            if self._lock.removed:
                before, self._lock = self._lock, FolderLock(folder)
                before.release()
            self._reserve = Reserve(folder)
            self._reserve.make()
            result = renewed(old, self.options.full)
        except FAILURES as error:
            raise SpoolRemoved(f"{old.path} was removed: {error}") from error
        self._file, self._damage, self._keeping = (
            result.file,
            self._renewals.note(result),
            Keeping(),
        )
        self._committed = result.file.state
        return result.file

    def _write_to(self, file: SpoolFile, done: SpoolDone) -> None:
        work = self._work
        if not self._written_items:  # what could not be written is tried again alone
            self._written_items, self._written_size = work.take(self._reserve.commit)
            self._rows = list(self._numbers.rows(self._written_items, time.time()))
        if not self._reserve.suffices(self._written_size):
            if self._work.gone:
                self._pause = PAUSES[0]
            self._commit(file, [], [])
            self._make_room(file)
        self._commit(file, self._rows, self._written_items)
        done.commits = 1
        done.items, done.size, done.rows = self._written_items, self._written_size, self._rows
        self._rows, self._written_items, self._written_size = [], [], 0

    def _make_room(self, file: SpoolFile) -> None:
        """Have the reserve again on a disk that was full, or NoRoom."""
        least = self._reserve.least_for(self._written_size)
        if not file.give_back(partial(self._reserve.make, least)):
            raise NoRoom(f"{self.options.folder}: less than {least} bytes are free")

    def _commit(self, file: SpoolFile, rows: list[SpoolRow], items: list[OfferedRun]) -> None:
        work = self._work
        change = self._change(file, rows, items)
        file.write(change)
        self._committed = file.state
        self._keeping.kept += work.gone_size
        if change.prune:
            self._keeping.count(file, self.options)
        self._work = work.behind_commit()
        self._busy_file = True

    def _change(
        self, file: SpoolFile, rows: list[SpoolRow], items: list[OfferedRun]
    ) -> SpoolCommit:
        work = self._work
        state = work.state_behind(file.state, rows)
        prune = self._keeping.prune(file, state.released, self.options)
        return SpoolCommit(state, rows, last_numbers(items), work.dropped, prune)

    def _reopened(self) -> SpoolFile:
        """The file, opened again if it was closed after a failure."""
        if self._file is None:
            file = self._opened_file()
            try:
                if self._unsynced:
                    # What is in the log may not be on the disk: begin a new log.
                    file.mark_open()
            except BaseException:
                file.abandon()
                raise
            self._unsynced = False
            if self._committed is not None:
                if file.state.link != self._committed.link:
                    self._damage = FILE_LOST
                # The commit that failed may be in the file all the same. It is made again.
                file.state = replace(self._committed, closed=file.state.closed)
            self._file = file
        return self._file

    def _failed(self, error: Exception) -> None:
        """Say why, and when to try again. A file that was removed can still be read."""
        intact = isinstance(error, SpoolRemoved | NoRoom)
        if self._file is not None and not intact:
            self._file.abandon()
            self._file = None
        self._unsynced |= not (is_full(error) or intact)
        if is_damage(error):
            try:
                self._salvage(set_aside(self.options.folder), os.urandom(16))
                return
            except FAILURES as second:
                error = second
        first, self._problem = not self._problem, f"{error}"
        if may_be_full(error) and self._reserve.use():  # there is some room again
            self._pause = 0.0 if first else PAUSES[0]
        self._wait_before_next_attempt()

    def _read(self, done: SpoolDone) -> None:
        work = self._work
        file = self._reopened()
        calls, work.calls = work.calls, []
        for call, future in calls:
            self._post(answer, future, *result_of(partial(call, file)))
        if work.read is not None:
            after, size = work.read
            done.found = file.read(after, size)
            work.read = None

    def _tidy(self) -> None:
        """Forget what was kept long enough, give back room: in idle moments, or now and then."""
        self._tidy_at = time.monotonic() + TIDY_INTERVAL
        try:
            self._make_small(self._reopened())
        except FAILURES as error:
            self._failed(error)
            self._tell(SpoolDone(failures=1))

    def _make_small(self, file: SpoolFile) -> None:
        if to := self._keeping.prune(file, file.state.released, self.options):
            file.write(SpoolCommit(file.state, prune=to))
            self._keeping.count(file, self.options)
        self._busy_file = file.shrink()

    def _end(self) -> None:
        try:
            if self._file is not None:
                self._file.close()
        except (sqlite3.Error, OSError) as error:
            self._problem = f"{error}"
        lost = [*self._written_items, *self._work.items]
        self._post(
            self._tell_loop,
            SpoolDone(lost=lost, problem=self._problem, damage=self._damage),
        )
        self._lock.release()
        self._post(answer, self.ended, None, None)

    def _post(self, call: Callable[..., object], *values: object) -> None:
        with suppress(RuntimeError):  # the loop is closed: the server has ended without waiting
            self._loop.call_soon_threadsafe(call, *values)
