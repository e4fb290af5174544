#!/usr/bin/env python3
"""A small shop under a Manager and two agents, while things go wrong; what its users saw of it.

    users -> web (gateway) -> catalog, orders -> store (SQLite file)

Under steady traffic one node is drained, a service is updated to its next version, an instance is
killed, the Manager is killed and started again, an agent is killed and started again. The promises:
no user request fails, every order that was confirmed is stored once, the Manager's list of open
sessions is the same as the kernel's, and no process or port is left when the shop is closed. If one
of these does not hold, the exit status is 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import kernel
from mesh import Mesh, until
from traffic import Traffic

BOUND = 240
"""Seconds after which the demo ends, whatever it is waiting for."""


class Demo:
    """The phases of the demo; `broken` are the promises that did not hold."""

    def __init__(self, mesh: Mesh, traffic: Traffic, requests: int) -> None:
        self.mesh = mesh
        self.traffic = traffic
        self.requests = requests
        self.broken: list[str] = []

    def run(self) -> None:
        """All phases; each gets its share of the requests."""
        phases: list[tuple[str, Callable[[], None]]] = [
            ("an ordinary day", lambda: None),
            ("a node is drained", self._drain),
            ("orders is updated, instance by instance", self._update),
            ("kill -9 of an instance", self._kill_instance),
            ("kill -9 of the Manager, restarted", self._kill_manager),
            ("kill -9 of an agent, restarted", self._kill_agent),
        ]
        self.traffic.start(phases[0][0])
        for number, (name, act) in enumerate(phases):
            if number:
                self.traffic.phase(name)
            act()
            share = self.requests // len(phases)
            seen = self.traffic.phases[-1]
            until(lambda seen=seen, share=share: seen.requests >= share, f"{share} requests", 120)
            print(seen, flush=True)
        self.traffic.stop()

    def check(self) -> None:
        """The promises."""
        total = self.traffic.total
        print(total)
        self._promise(total.requests >= self.requests, f"only {total.requests} requests")
        self._promise(not total.failures, f"failed requests: {total.failures[:5]}")
        with sqlite3.connect(self.mesh.directory / "shop.db") as db:
            rows = db.execute("SELECT key FROM rows WHERE kind = 'orders'").fetchall()
        stored = [key for (key,) in rows]
        print(f"orders confirmed {len(self.traffic.placed)}, stored {len(stored)}")
        same = len(stored) == len(set(stored)) and set(stored) >= self.traffic.placed
        self._promise(same, "an order that was confirmed is not stored once")

    def close(self) -> None:
        """Close the shop, in order; nothing may be left."""
        self.mesh.end()
        sessions = [one for one in self.mesh.rows("sessions") if one["state"] == "OPEN"]
        self._promise(not sessions, f"sessions left: {sessions[:3]}")
        left = kernel.listeners(self.mesh.nodes) | kernel.connections(self.mesh.nodes)
        self._promise(not left, f"ports left: {left}")
        print("the shop is closed: no processes, no ports, no sessions left")

    def _promise(self, kept: bool, otherwise: str) -> None:
        if not kept:
            self.broken.append(otherwise)
            print(f"BROKEN: {otherwise}")

    def _drain(self) -> None:
        node = self.mesh.nodes[1]
        self.mesh.execute("drain", node=node)
        left = [one for one in self.mesh.running() if one["agent"].startswith(node)]
        self._promise(not left, f"left on the drained node: {left}")
        self.mesh.execute("undrain", node=node)

    def _update(self) -> None:
        self.mesh.execute("update", service="orders", program="orders@2")
        old = [one for one in self.mesh.running("orders") if one["program"] != "orders@2"]
        self._promise(not old, f"not updated: {old}")

    def _kill_instance(self) -> None:
        victim = self.mesh.running("orders")[0]["instance"]
        os.killpg(self.mesh.pids()[victim], signal.SIGKILL)
        began = time.monotonic()

        def replaced() -> bool:
            return any(one["instance"] != victim for one in self.mesh.running("orders"))

        until(replaced, "the killed instance is replaced")
        print(f"  instance {victim} of orders replaced after {time.monotonic() - began:.2f} s")

    def _kill_manager(self) -> None:
        self.mesh.manager.kill()
        time.sleep(2.0)
        began = time.monotonic()
        self.mesh.manager.start()
        until(self._true_view, "the Manager's view is the kernel's")
        print(f"  true view {time.monotonic() - began:.2f} s after the restart of the Manager")

    def _kill_agent(self) -> None:
        agent, node = self.mesh.agents[0], self.mesh.nodes[0]
        before = {one["instance"] for one in self.mesh.running() if node in one["agent"]}
        agent.kill()
        time.sleep(1.0)
        agent.start()
        until(lambda: before <= {one["instance"] for one in self.mesh.running()}, "adopted again")
        print(f"  {len(before)} instances of the killed agent run on under its successor")

    def _true_view(self) -> bool:
        rows = [one for one in self.mesh.rows("sessions") if one["state"] == "OPEN"]
        known = {(tuple(one["from"]), tuple(one["to"])) for one in rows}
        return known == kernel.connections(self.mesh.nodes, 24000)


def main() -> int:
    """The exit status: 0 if all promises hold."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--requests", type=int, default=10_000, help="at least so many")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second")
    parser.add_argument("--users", type=int, default=8, help="at the same time")
    parser.add_argument("--logs", action="store_true", help="print the logs at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shop-") as directory:
        mesh = Mesh(Path(directory))
        signal.signal(signal.SIGALRM, _late)
        signal.alarm(BOUND + int(options.requests / options.rate))
        try:
            return play(mesh, options)
        finally:
            mesh.stop()
            if options.logs:
                for file in sorted(Path(directory).rglob("*.log")):
                    print(f"--- {file.name}\n{file.read_text('utf-8', 'replace')}")


def play(mesh: Mesh, options: argparse.Namespace) -> int:
    """Open the shop, run the demo, close the shop."""
    mesh.start()
    until(lambda: mesh.running("web"), "the shop is open")
    demo = Demo(
        mesh, Traffic(*mesh.fronts, users=options.users, rate=options.rate), options.requests
    )
    try:
        demo.run()
    finally:
        demo.traffic.stop()
    demo.check()
    demo.close()
    print("all promises kept" if not demo.broken else f"{len(demo.broken)} promises broken")
    return bool(demo.broken)


def _late(*_: object) -> None:
    raise TimeoutError(f"the demo takes longer than {BOUND} s")


if __name__ == "__main__":
    sys.exit(main())
