"""The servers and lines of a run, all real, and the messages that pass through them.

    one    publisher -> source -> line -> far -> recording
    group  the same with two lines and far sides, and one recording
    two    the same with two lines, far sides and recordings: each message goes to both
    chain  publisher -> feeder -> source -> line -> far -> collector -> recording

Everything is a `ccserver` but publisher and line. Faults happen to source, line and far sides.
"""

from __future__ import annotations

import random
import re
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ccproxy.testing.server import RunningServer, free_ports
from tests.faults.disk import Disk
from tests.faults.line import Line
from tests.faults.preload import LIBRARIES, Preloaded, used
from tests.faults.traffic import Found, Publisher, Recording, together

SECONDS = 60
"""No single wait is longer; a wait ends with its event."""
PLUGINS = Path(__file__).parent / "plugins"
ONE, GROUP, TWO, CHAIN = "one", "group", "two", "chain"

HEAD = """
[ccserver]
cc-socket = tcp://127.0.0.1:{port}
cc-role = {role}
linger = 30 s
stats-period = 1 h
plugins = %(config_dir)s/plugins
server-id = %(config_dir)s/id
[routes]
data = {to}
"""
GROUP_SECTION = """
[h:group]
handler = {handler}
to = {members}
back-after = 200 ms
"""
LINK = """
[h:{name}]
handler = proxy
remote-cc = tcp://127.0.0.1:{port}
queue = {queue} MiB
on-full = block
linger = 30 s
reconnect = 10 ms
reconnect-max = 50 ms
{options}
"""
RECORD = """
[h:record]
handler = record
file = {file}
"""
HEARTBEAT = "heartbeat = 100 ms\nheartbeat-timeout = 600 ms\n"
ACKNOWLEDGED = "delivery = acknowledged\n"
SPOOL = "spool = %(config_dir)s/spool{name}\n"


class FreshServer(RunningServer):
    """A new Python, not one that the tests have forked from another (see `tests/forkserver.py`):
    the system loads a library first only for those."""

    launch = staticmethod(RunningServer.launch)


@dataclass(frozen=True, slots=True)
class Setting:
    """Which servers a run has, and the options of the links; `handler` is that of a group."""

    shape: str = ONE
    options: str = ""
    handler: str = ""
    spooled: bool = False

    @property
    def fars(self) -> tuple[str, ...]:
        """The far sides."""
        return ("far", "dub") if self.shape in (GROUP, TWO) else ("far",)


@dataclass(frozen=True, slots=True)
class Outcome:
    """A run: its seed, its faults by kind, what came of the messages, and the counts."""

    seed: int
    faults: Counter[str]
    found: Found
    sent: int
    recorded: int
    """Messages in all recordings, those included that came twice."""
    seconds: float
    ledgers: dict[str, dict[str, int]] = field(default_factory=dict)
    """Of each server, `received` and fates of its ledger, of its last life."""
    link: Counter[str] = field(default_factory=Counter)
    """The counts of the source's links together, of its last life."""
    lives: Counter[str] = field(default_factory=Counter)
    """How often each server was started."""
    first: str = "source"
    recorders: tuple[str, ...] = ("far",)

    def __str__(self) -> str:
        kinds = " ".join(f"{kind}={count}" for kind, count in sorted(self.faults.items()))
        return f"seed {self.seed}: {kinds}; {self.found}; {self.seconds:.1f} s"


class World:
    """The processes of one run."""

    def __init__(self, folder: Path, seed: int, setting: Setting, wants: frozenset[str]) -> None:
        """`wants` are `disk`, `clock` and `protect`, as far as faults need them."""
        self.seed, self.setting, self.folder = seed, setting, folder
        self.dice = random.Random(seed)
        self.lives: Counter[str] = Counter()
        self.fars = setting.fars
        chain = setting.shape == CHAIN
        self.first = "feeder" if chain else "source"
        self.recorders = ("collector",) if chain else self.fars
        names = [*dict.fromkeys((*self.recorders, *self.fars, "source", self.first))]
        ports = iter(free_ports(len(names) + len(self.fars) + 1))
        self.ports = {name: next(ports) for name in names}
        self.spare = next(ports)
        """A port for a server that a fault starts."""
        self.names = {name: (name, next(ports)) for name in self.fars}
        """Far side -> the section of its link, and the port of its line."""
        self.queue = 32
        shared = setting.shape == GROUP
        files = {name: folder / f"numbers{'' if shared else name}" for name in self.recorders}
        self.recordings = {file: Recording(file) for file in files.values()}
        self._files = files
        spools = {"FAULTS_PROTECTED": str(folder / "source" / "spool")}
        self.preloaded = {
            name: Preloaded(name, folder, spools) for name in LIBRARIES if name in wants
        }
        self.disk = Disk(folder / "source" / f"spool{self.fars[0]}") if "disk" in wants else None
        self.servers: dict[str, RunningServer] = {}
        self.lines: dict[str, Line] = {}
        self.publisher: Publisher | None = None
        try:
            self.start(*names)
            for name, (_, port) in self.names.items():
                self.lines[name] = Line(port, self.ports[name])
            self.publisher = Publisher(self.ports[self.first], seed)
        except BaseException:
            self.close()
            raise
        self.begun = time.monotonic()

    # Processes

    def ini(self, which: str) -> str:
        """The configuration of a server."""
        port = self.ports[which]
        role = "local" if which == self.first else "remote"
        if which in self.recorders:
            head = HEAD.format(port=port, role=role, to="h:record")
            return head + RECORD.format(file=self._files[which])
        if which == "feeder":
            head = HEAD.format(port=port, role=role, to="h:source")
            return head + self._link("source", self.ports["source"], ACKNOWLEDGED)
        if which in self.fars:
            head = HEAD.format(port=port, role=role, to="h:collector")
            options = ACKNOWLEDGED + SPOOL.format(name="")
            return head + self._link("collector", self.ports["collector"], options)
        return self.source_ini(port, role)

    def source_ini(self, port: int, role: str = "remote", spools: str = "%(config_dir)s") -> str:
        """The configuration of the source, or of one that is like it at another port, with the
        spools in another folder."""
        links, setting = [], self.setting
        for far, (section, line) in self.names.items():
            spool = SPOOL.format(name=far) if setting.spooled else ""
            options = setting.options + spool.replace("%(config_dir)s", spools)
            links.append(self._link(section, line, options))
        to = ", ".join(f"h:{section}" for section, _ in self.names.values())
        if setting.handler:
            links.append(GROUP_SECTION.format(handler=setting.handler, members=to))
            to = "h:group"
        return HEAD.format(port=port, role=role, to=to) + "".join(links)

    def _link(self, name: str, port: int, options: str) -> str:
        return LINK.format(name=name, port=port, queue=self.queue, options=options)

    def start(self, *names: str, words: Sequence[str] = ()) -> None:
        """Start servers and wait until they take messages."""
        for which in names:
            self.lives[which] += 1
            self.servers[which] = self.begin(which, self.ini(which), words)
        for which in names:
            self.servers[which].wait_for("ready data-path", SECONDS)

    def begin(self, which: str, ini: str, words: Sequence[str] = ()) -> RunningServer:
        """Start a server in a folder of its own."""
        folder = self.folder / which
        shutil.copytree(PLUGINS, folder / "plugins", dirs_exist_ok=True)
        (folder / "server.ini").write_text(ini, "utf-8")
        with used(self.preloaded.values()):
            kind = FreshServer if self.preloaded else RunningServer
            return kind(folder, {}, words)

    def kill(self, *names: str) -> None:
        """`kill -9`, all at once."""
        for which in names:
            self.servers[which].process.kill()
        for which in names:
            self.servers[which].stop(SECONDS)

    def spool(self) -> Path:
        """The folder of one spool of the source."""
        return self.folder / "source" / f"spool{self.dice.choice(self.fars)}"

    # Messages

    def traffic(self, messages: int) -> None:
        """Wait until the publisher has sent so many more."""
        assert self.publisher is not None
        publisher, more = self.publisher, self.publisher.sent + messages
        self.until(lambda: publisher.sent > more, "traffic")

    def settle(self) -> None:
        """Send last messages until one of them has come: all before it have come or are lost."""
        assert self.publisher is not None
        self.publisher.stop()
        for _ in range(100):
            self.publisher.send(1)
            last = self.publisher.sent
            if self.comes(last, SECONDS / 100):
                return
        raise AssertionError(f"seed {self.seed}: number {last} did not come")

    def comes(self, number: int, seconds: float) -> bool:
        """True once a message is recorded everywhere; False if that takes too long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if all(one.has(number) for one in self.recordings.values()):
                return True
            time.sleep(0.01)
        return False

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something."""
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"seed {self.seed}: no {what}"
            time.sleep(0.005)

    def outcome(self, faults: Counter[str]) -> Outcome:
        """Stop everything; what came of it."""
        self.settle()
        assert self.publisher is not None
        seconds, sent = time.monotonic() - self.begun, self.publisher.sent
        order = dict.fromkeys((self.first, "source", *self.fars, *self.recorders))
        for name in order:
            server = self.servers[name]
            assert server.stop(SECONDS) == 0, "\n".join(server.lines)
        links = [outbox(self.servers["source"], f"h:{one}") for one, _ in self.names.values()]
        found = [one.found(sent) for one in self.recordings.values()]
        return Outcome(
            self.seed, faults, together(found), sent,
            sum(one.received + one.doubled for one in found), seconds,
            {name: ledger(self.servers[name]) for name in order},
            sum(map(Counter, links), Counter()), self.lives, self.first, self.recorders,
        )  # fmt: skip

    def close(self) -> None:
        """End what is left."""
        if self.publisher is not None:
            self.publisher.stop()
            self.publisher.close()
        for line in self.lines.values():
            line.close()
        for server in self.servers.values():
            server.process.send_signal(signal.SIGCONT)
            server.process.kill()
            server.stop(SECONDS)
        if self.disk is not None:
            self.disk.close()


def ledger(server: RunningServer) -> dict[str, int]:
    """`received` and the fates, from the last line of the log."""
    line = next(line for line in reversed(server.lines) if "ledger received=" in line)
    return {key: int(count) for key, count in re.findall(r"([a-z-]+)=(\d+)", line)}


def outbox(server: RunningServer, name: str) -> dict[str, int]:
    """The counts of a link, from the log."""
    line = next(line for line in server.lines if f"outbox name={name} " in line)
    return {key: int(count) for key, count in re.findall(r" ([a-z-]+)=(\d+)", line)}
