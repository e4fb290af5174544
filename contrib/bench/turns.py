#!/usr/bin/env python3
"""How long the turns of a Manager's event loop are, with 1,000 instances and 10,000 sessions.

    python contrib/bench/turns.py                     about two minutes
    python contrib/bench/turns.py --instances 500 --sessions 5000

The Manager is a real `ccserver` whose loop notes the processor time of each of its callbacks; time
that other programs take from it does not count. Each line is one thing that happens to the Manager,
with the longest callbacks meanwhile. The agents are those of `mesh.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import asyncio.events
import heapq
import json
import os
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mesh

from ccproxy.client import Client

SERVE = "--serve"
"""The argument by which this program is the server that is measured."""
ASK = signal.SIGRTMIN
"""The signal at which the server writes its longest callbacks down, and forgets them."""
SHOWN = 4
"""Callbacks of a line."""


class Turns:
    """The longest callbacks since the last time they were written down."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.found: list[tuple[float, int, str]] = []
        self.count = 0

    def install(self) -> None:
        """Note every callback of asyncio's own loop."""
        run = asyncio.events.Handle._run

        def timed(handle: Any) -> None:
            began = time.thread_time()
            run(handle)
            self.note(time.thread_time() - began, handle)

        asyncio.events.Handle._run = timed  # type: ignore[method-assign]
        signal.signal(ASK, self._write)

    def note(self, took: float, handle: Any) -> None:
        self.count += 1
        if len(self.found) < SHOWN:
            heapq.heappush(self.found, (took, self.count, name_of(handle)))
        elif took > self.found[0][0]:
            heapq.heapreplace(self.found, (took, self.count, name_of(handle)))

    def _write(self, *_: object) -> None:
        rows = [(took, name) for took, _, name in sorted(self.found, reverse=True)]
        self.found = []
        copy = self.file.with_suffix(".new")
        copy.write_text(json.dumps(rows), "utf-8")
        copy.rename(self.file)


def name_of(handle: Any) -> str:
    """What a callback is: its function, or the coroutine of its task."""
    call = handle._callback
    owner = getattr(call, "__self__", None)
    if isinstance(owner, asyncio.Task):
        return str(getattr(owner.get_coro(), "__qualname__", owner.get_name()))
    return str(getattr(getattr(call, "func", call), "__qualname__", call))


def serve(arguments: list[str]) -> int:
    """Be the server."""
    sys.modules["uvloop"] = None  # type: ignore[assignment]  # its callbacks cannot be timed
    Turns(Path(arguments[0]).with_name("turns")).install()
    from ccproxy.cli import main

    return main(arguments)


def longest(pid: int, configuration: Path) -> list[tuple[float, str]]:
    """The longest callbacks of a server since the last call: seconds, and what they were."""
    file = configuration.with_name("turns")
    file.unlink(missing_ok=True)
    os.kill(pid, ASK)
    end = time.monotonic() + 60
    while not file.exists():
        if time.monotonic() > end:
            raise TimeoutError("the server does not say how long its turns were")
        time.sleep(0.01)
    return [(took, name) for took, name in json.loads(file.read_text("utf-8"))]


class TimedManager(mesh.Manager):
    """The process that is measured."""

    def command(self) -> list[str]:
        return [sys.executable, __file__, SERVE, str(self.directory / "bench.ini")]

    def turns(self) -> list[tuple[float, str]]:
        """The longest callbacks since the last call."""
        return longest(self.process.pid, self.directory / "bench.ini")


class Run:
    """What happens to the Manager, one thing after the other."""

    def __init__(self, bench: mesh.Bench, manager: TimedManager, args: argparse.Namespace) -> None:
        self.bench = bench
        self.manager = manager
        self.args = args
        self.longest = 0.0

    def say(self, what: str) -> None:
        found = self.manager.turns()
        self.longest = max(self.longest, found[0][0])
        shown = ", ".join(f"{1000 * took:.1f} {name}" for took, name in found)
        print(f"{what:<34} ms: {shown}", flush=True)

    def ask(self, verb: str, **fields: Any) -> dict[str, Any]:
        with Client(f"tcp://127.0.0.1:{self.manager.cc}") as client:
            found: dict[str, Any] = client.request(f"mesh.{verb}", fields, timeout=60.0).value
        return found

    async def asked(self, verb: str, **fields: Any) -> dict[str, Any]:
        return await asyncio.to_thread(self.ask, verb, **fields)

    def list(self, what: str, **fields: Any) -> int:
        after, count = None, 0
        while True:
            page = self.ask("list", what=what, after=after, **fields)
            count += len(page["rows"])
            after = page["next"]
            if after is None:
                return count

    async def run(self) -> None:
        bench, args = self.bench, self.args
        await bench.connect(self.manager.mesh)
        self.say("agents register")
        for service in ("front", "back"):
            await asyncio.to_thread(mesh.scale, self.manager.cc, service, args.instances // 2)
        await bench.wait(lambda: len(bench.running) >= args.instances)
        self.say(f"scale to {args.instances} instances")
        await bench.fill(args.sessions, args.window)
        self.say(f"{args.sessions} sessions open")
        await bench.fill(5000, args.window, close=True)
        self.say("5000 sessions change")
        await self.views()
        await self.operations()
        await self.losses()
        print(f"longest {1000 * self.longest:.1f} ms")

    async def views(self) -> None:
        for what in ("agents", "services", "instances", "sessions", "operations"):
            await asyncio.to_thread(self.list, what)
            self.say(f"list {what}")
        await asyncio.to_thread(self.list, "sessions", all=True)
        self.say("list sessions --all")
        await self.asked("summary")
        await self.asked("graph", form="dot")
        await self.asked("events", latest=200)
        self.say("summary, graph, events")

    async def operations(self) -> None:
        node = next(iter(self.bench.agents))
        await self.asked("plan", command="drain", node=node)
        self.say("plan of a drain")
        await self.asked("plan", command="update", service="back", program="back")
        await self.asked("plan", command="scale", service="back", count=1)
        await self.asked("plan", command="rebalance", service="back")
        self.say("plans of update, scale, rebalance")
        await self.asked("execute", command="rebalance", service="back")
        await asyncio.sleep(2)
        self.say("rebalance")
        text = (self.manager.directory / "bench.graph").read_text("utf-8")
        more = "[service more]\nplugs = back_client -> back.api\n"
        (self.manager.directory / "bench.graph").write_text(text + more, "utf-8")
        os.kill(self.manager.process.pid, signal.SIGHUP)
        await asyncio.sleep(2)
        self.say("another graph")

    async def losses(self) -> None:
        """An agent goes and comes back with all it has, the Manager is killed, agents are lost."""
        bench = self.bench
        agent = next(iter(bench.agents.values()))
        agent.transport.close()
        await asyncio.sleep(1)
        self.say("an agent is gone")
        self.manager.kill()
        await asyncio.to_thread(self.manager.start)
        self.say("the Manager starts again")
        await bench.connect(self.manager.mesh)
        await asyncio.sleep(2)
        self.say("all agents come back")
        for one in bench.agents.values():
            one.transport.close()
        await asyncio.sleep(3)
        self.say("all agents are gone")
        await asyncio.sleep(5)
        self.say("all agents are lost")
        await asyncio.sleep(10)
        self.say("what has ended is forgotten")


def main() -> int:
    if SERVE in sys.argv:
        return serve(sys.argv[sys.argv.index(SERVE) + 1 :])
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--instances", type=int, default=1000, help="default: 1000")
    parser.add_argument("--agents", type=int, default=20, help="default: 20")
    parser.add_argument("--sessions", type=int, default=10_000, help="open ones; default: 10000")
    parser.add_argument("--window", type=int, default=64, help="requests under way; default: 64")
    parser.add_argument("--tombstone", default="8 s", help="how long what ended is remembered")
    parser.add_argument("--sync", choices=("full", "normal"), default="normal")
    args = parser.parse_args()
    with TemporaryDirectory(prefix="turns-") as directory:
        manager = TimedManager(directory, args, "agent-lost = 4 s\n")
        try:
            asyncio.run(Run(mesh.Bench(args), manager, args).run())
        finally:
            manager.process.kill()
            manager.process.wait()
            log = (Path(directory) / "log").read_text().splitlines()
            print(*[one for one in log if "slow" in one or "ERROR" in one][:10], sep="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
