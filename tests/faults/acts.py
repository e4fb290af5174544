"""What each kind of fault does to a world, and a run of them.

The seed of a run decides which faults come, when, and with which numbers; two runs of one seed have
the same faults, at times that differ by what the machine does meanwhile.
"""

from __future__ import annotations

import resource
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

from tests.faults.world import SECONDS, Outcome, Setting, World

REPLACE = ("run", "--replace", "--replace-linger", "200 ms")
QUOTA = 64 * 1024
"""Bytes that files of the source may have under the fault `quota`."""
DAY = 24 * 3600
JUMPS = (-30 * DAY, -3600, -5, 5, 3600, 30 * DAY)
NEEDS = {"full-disk": "disk", "read-only": "disk", "protect": "protect", "clock": "clock"}
"""Kind of fault -> what a world must have for it."""


class Acts:
    """The faults of one world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.dice = world.dice
        self.faults: Counter[str] = Counter()

    def happen(self, kinds: Sequence[str], count: int) -> None:
        """Let so many faults happen, with some traffic in front of each."""
        acts = self.table()
        for _ in range(count):
            self.world.traffic(self.dice.randrange(20, 100))
            kind = self.dice.choice(kinds)
            self.faults[kind] += 1
            acts[kind]()

    def table(self) -> dict[str, Callable[[], None]]:
        """Kind of fault -> what happens."""
        return {
            "cut": lambda: self.end("cut"),
            "reset": lambda: self.end("reset"),
            "half-open": lambda: self.end("half-open"),
            "stall": self.stall,
            "stall-and-reset": self.stall_and_reset,
            "slow": self.slow,
            "kill-far": lambda: self.kill(self.dice.choice(self.world.fars)),
            "kill-source": lambda: self.kill("source"),
            "kill-both": lambda: self.kill("source", self.dice.choice(self.world.fars)),
            "freeze-far": lambda: self.freeze(self.dice.choice(self.world.fars)),
            "freeze-source": lambda: self.freeze("source"),
            "reload": self.reload,
            "rename": self.rename,
            "replace": self.replace,
            "full-disk": self.full_disk,
            "read-only": self.read_only,
            "protect": self.protect,
            "quota": self.quota,
            "remove": self.remove,
            "copy": self.copy,
            "twin": self.twin,
            "restore": self.restore,
            "clock": self.set_clock,
        }

    # Processes

    def pause(self, least: float = 0.0, most: float = 0.1) -> None:
        """Some time passes: that is the fault."""
        time.sleep(self.dice.uniform(least, most))

    def kill(self, *names: str) -> None:
        """`kill -9`, some time without them, and a new life."""
        self.world.kill(*names)
        self.pause()
        self.world.start(*names)

    def freeze(self, which: str) -> None:
        """SIGSTOP for some time."""
        process = self.world.servers[which].process
        process.send_signal(signal.SIGSTOP)
        self.pause(0.05, 0.3)
        process.send_signal(signal.SIGCONT)

    def reload(self) -> None:
        """SIGHUP with another limit of the queue."""
        world = self.world
        world.queue = self.dice.choice([one for one in (16, 24, 32, 48) if one != world.queue])
        source = world.servers["source"]
        (world.folder / "source" / "server.ini").write_text(world.ini("source"), "utf-8")
        self.after("reloaded: ", lambda: source.process.send_signal(signal.SIGHUP))

    def rename(self) -> None:
        """A reload in which the section of a link has another name."""
        which = self.dice.choice(self.world.fars)
        names = self.world.names
        names[which] = f"{which}{self.dice.randrange(10**6)}", names[which][1]
        self.reload()

    def replace(self) -> None:
        """Another process takes the place of the source."""
        old = self.world.servers["source"]
        self.world.start("source", words=REPLACE)
        status = old.process.wait(SECONDS)
        old.stop(SECONDS)
        assert status == 0, "\n".join(old.lines)

    def after(self, text: str, act: Callable[[], None]) -> None:
        """Do something, and wait until the source logs a text once more."""
        lines = self.world.servers["source"].lines
        before = sum(text in line for line in lines)
        act()
        self.world.until(lambda: sum(text in line for line in lines) > before, text)

    # The line

    def end(self, how: str) -> None:
        """End the connection somewhere in a message, and wait for the next one."""
        line = self.world.lines[self.dice.choice(self.world.fars)]
        before = line.connections
        after = self.dice.choice((1, 10, 300, 5_000, 70_000, 1_000_000))
        line.end(how, self.dice.randrange(after), self.dice.uniform(0.01, 0.2))
        self.world.until(lambda: line.connections > before, f"a connection after {how}")

    def stall(self) -> None:
        """Nothing passes for some time."""
        line = self.world.lines[self.dice.choice(self.world.fars)]
        line.stall(True)
        self.pause(0.02, 0.3)
        line.stall(False)

    def stall_and_reset(self) -> None:
        """Nothing passes for some time, and then the connection ends."""
        line = self.world.lines[self.dice.choice(self.world.fars)]
        before = line.connections
        line.stall(True)
        self.pause(0.02, 0.3)
        line.end("reset", 0, 0.0)
        line.stall(False)
        self.world.until(lambda: line.connections > before, "a connection after a reset")

    def slow(self) -> None:
        """A thin line for some time."""
        line = self.world.lines[self.dice.choice(self.world.fars)]
        line.rate = self.dice.choice((200_000, 1_000_000, 5_000_000))
        self.pause(0.05, 0.3)
        line.rate = 0

    # The disk of the source

    def full_disk(self) -> None:
        """No room for some time."""
        disk = self.world.disk
        assert disk is not None
        self.opened()
        self.after("spool cannot be written", disk.fill)
        self.pause()
        disk.empty()
        self.written()

    def opened(self) -> None:
        """Wait until the source has opened all its spools."""
        lines, spools = self.world.servers["source"].lines, len(self.world.fars)
        self.world.until(lambda: sum("spool open" in one for one in lines) >= spools, "spools")

    def written(self) -> None:
        """Wait until no spool of the source has a problem."""
        lines, sections = self.world.servers["source"].lines, self.world.names.values()

        def over() -> bool:
            said = [one for one in lines if "spool can" in one]
            last = [[one for one in said if f"link=h:{name}" in one][-1:] for name, _ in sections]
            return all("can be written again" in one for (one,) in filter(None, last))

        self.world.until(over, "spool that can be written again")

    def read_only(self) -> None:
        """The source is killed, and finds a disk that it may not write to for some time."""
        disk = self.world.disk
        assert disk is not None
        self.world.kill("source")
        disk.protect(True)
        self.world.start("source")
        self.world.servers["source"].wait_for("Read-only file system", SECONDS)
        disk.protect(False)
        self.world.servers["source"].wait_for("spool open", SECONDS)

    def protect(self) -> None:
        """The disk of all spools becomes read-only while it is in use, for some time."""
        disk = self.world.preloaded["protect"]
        self.opened()
        self.after("spool cannot be written", lambda: disk.set(1))
        self.pause()
        disk.set(0)
        self.written()

    def quota(self) -> None:
        """No file of the source may grow for some time."""
        process = self.world.servers["source"].process.pid
        _, most = resource.prlimit(process, resource.RLIMIT_FSIZE)

        def limit(size: int) -> None:
            resource.prlimit(process, resource.RLIMIT_FSIZE, (size, most))

        self.opened()
        self.after("spool cannot be written", lambda: limit(QUOTA))
        self.pause()
        limit(most)
        self.written()

    def remove(self) -> None:
        """The folder of a spool is removed while it is in use."""
        folder = self.world.spool()
        self.opened()
        self.after(
            "were written once more", lambda: shutil.rmtree(folder, ignore_errors=True)
        )  # fmt: skip

    # Copies

    def copy(self) -> None:
        """A second server with a copy of the configuration, and so with the same spools."""
        world = self.world
        ini = world.source_ini(world.spare, spools=str(world.folder / "source"))
        self._beside(ini, "is in use by process")

    def twin(self) -> None:
        """A second server with a copy of the spools, which sends what waits in them as well."""
        world = self.world
        world.kill("source")
        copies = world.folder / "twin"
        shutil.rmtree(copies, ignore_errors=True)
        for far in world.fars:
            name = f"spool{far}"
            shutil.copytree(world.folder / "source" / name, copies / name)
        world.start("source")
        self._beside(world.source_ini(world.spare), "spool open")

    def restore(self) -> None:
        """The source is killed, and finds its spool as it was some time ago."""
        world, folder = self.world, self.world.spool()
        backup = world.folder / "backup"
        world.kill("source")
        shutil.rmtree(backup, ignore_errors=True)
        shutil.copytree(folder, backup)
        world.start("source")
        world.traffic(self.dice.randrange(20, 200))
        world.kill("source")
        for one in folder.iterdir():
            one.unlink()
        for one in backup.iterdir():
            shutil.copy2(one, folder / one.name)
        world.start("source")

    def _beside(self, ini: str, text: str) -> None:
        """Another server runs for some time, from when it logs a text."""
        other = self.world.begin("twin", ini)
        try:
            other.wait_for(text, SECONDS)
            self.pause(0.0, 0.3)
        except RuntimeError as error:
            raise AssertionError("\n".join(other.lines)) from error
        finally:
            other.process.kill()
            other.stop(SECONDS)

    # The clock

    def set_clock(self) -> None:
        """The time of day of all servers jumps."""
        self.world.preloaded["clock"].set(self.dice.choice(JUMPS))
        self.pause()


def run(folder: Path, seed: int, faults: tuple[Sequence[str], int], setting: Setting) -> Outcome:
    """One run from its start to its end; `faults` are the kinds, and how many there are."""
    wants = frozenset(NEEDS[kind] for kind in faults[0] if kind in NEEDS)
    world = World(folder, seed, setting, wants)
    try:
        acts = Acts(world)
        acts.happen(*faults)
        return world.outcome(acts.faults)
    except BaseException:
        for name, server in world.servers.items():
            print(f"-- {name}", *server.lines[-30:], sep="\n")
        raise
    finally:
        world.close()
