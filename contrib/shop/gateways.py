#!/usr/bin/env python3
"""The gateway of the shop is moved, drained and updated while its users open connections.

    python contrib/shop/gateways.py                   a minute: 8 rounds
    python contrib/shop/gateways.py --rounds 50

Each user opens a connection for each request. The gateway may run on two nodes, and users know
both addresses. In each round it is migrated to the other node and back, the node that it runs on is
drained, and it is updated to its other version. No request may fail; else the exit status is 1.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from mesh import Mesh, until
from traffic import Traffic

SHOWN = 10
"""Failures that are printed."""


def rounds(mesh: Mesh, traffic: Traffic, count: int) -> None:
    """Move the gateway, again and again."""
    for number in range(count):
        traffic.phase(f"round {number + 1}")
        for _ in range(2):
            [web] = mesh.running("web")
            mesh.execute("migrate", instance=web["instance"])
        [web] = mesh.running("web")
        mesh.execute("drain", node=web["agent"])
        mesh.execute("undrain", node=web["agent"])
        program = {"web": "web@2", "web@2": "web"}[web["program"]]
        mesh.execute("update", service="web", program=program)
        [web] = mesh.running("web")
        if web["program"] != program:
            raise RuntimeError(f"not updated: {web}")
        print(traffic.phases[-1], flush=True)


def main() -> int:
    """The exit status: 0 if no request failed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rounds", type=int, default=8, help="default: 8")
    parser.add_argument("--rate", type=float, default=300.0, help="requests a second")
    parser.add_argument("--users", type=int, default=8, help="at the same time")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="shop-") as directory:
        mesh = Mesh(Path(directory), web=(0, 1), timers={"update-watch": "1 s"})
        traffic = Traffic(*mesh.fronts, users=options.users, rate=options.rate, each=True)
        try:
            mesh.start()
            until(lambda: mesh.running("web"), "the shop is open")
            traffic.start("an ordinary day")
            until(lambda: traffic.total.requests >= options.rate, "everything runs")
            rounds(mesh, traffic, options.rounds)
        finally:
            if traffic.phases:
                traffic.stop()
            mesh.stop()
    total = traffic.total
    print(total, *total.failures[:SHOWN], sep="\n")
    return bool(total.failures)


if __name__ == "__main__":
    sys.exit(main())
