#!/usr/bin/env python3
"""Programs of xMsg and CLARA on both sides of a firewall, with copies of conf/clara-gateway.ini and
conf/clara-inside.ini on two addresses of the loopback interface.

    requester -> gateway <- inner side -> actor         requests and replies over both
    orchestrator -> gateway <- DPE                      a DPE that has only outgoing connections

The inner side must not listen on the address that is outside, and the DPE nowhere; every answer
must come, or the exit status is 1.
"""

from __future__ import annotations

import random
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from names import DpeName
from registry import Registrar, query, registration
from xmsg import Connection, Message, Proxy

from ccproxy.testing import running_server

HERE = Path(__file__).resolve().parent
CONF = HERE.parents[1] / "conf"
REQUESTS = 100
TIMEOUT = 30.0
"""Seconds to wait for anything."""
LISTEN = "0A"
"""The state of a listening socket in /proc/net/tcp."""


def main() -> int:
    """Run everything once."""
    network = f"127.{random.randint(8, 250)}.{random.randint(0, 250)}"
    outside, inside = f"{network}.2", f"{network}.1"
    with running_server(conf("clara-gateway", outside, inside)) as gateway:
        print(f"outside, at {outside}: ccserver clara-gateway.ini")
        with running_server(conf("clara-inside", outside, inside)) as inner:
            print(f"inside, at {inside}: ccserver clara-inside.ini")
            gateway.wait_for("ready")
            good = requests(Proxy(outside), Proxy(inside))
            good &= records(Proxy(outside), Proxy(inside))
            good &= hidden("ccserver", inner.process.pid, inside)
        good &= services(DpeName(outside, 7791), inside)
    print("everything has arrived" if good else "something is missing")
    return int(not good)


def conf(name: str, outside: str, inside: str) -> str:
    """A file of conf/ with other addresses."""
    text = (CONF / f"{name}.ini").read_text("utf-8")
    return text.replace("127.0.0.2", outside).replace("127.0.0.1", inside)


def requests(outside: Proxy, inside: Proxy) -> bool:
    """An actor inside answers requests of one outside, which knows the gateway only."""
    with Connection(inside) as actor, Connection(outside) as requester:
        actor.subscribe("fit:line")

        def answer() -> None:
            for _ in range(REQUESTS):
                request = actor.receive(TIMEOUT)
                if request is None or not actor.wanted(request.meta.replyTo, TIMEOUT):
                    return
                actor.publish(request.answer(request.data[::-1]))

        thread = threading.Thread(target=answer)
        thread.start()
        found = 0
        for number in range(REQUESTS):
            text = f"{number} points"
            reply = requester.request(Message.text("fit:line", text), TIMEOUT)
            found += reply.data.decode() == text[::-1]
        thread.join()
    print(f"  {found} of {REQUESTS} requests through the gateway were answered from inside")
    return found == REQUESTS


def records(outside: Proxy, inside: Proxy) -> bool:
    """What is registered inside is found from outside."""
    with Registrar(inside.address(4)) as here, Registrar(outside.address(4)) as there:
        here.register("Subscriber", registration("fitter", inside, "fit", "line"))
        found = [one.name for one in there.ask("allSubscriber", query())]
    print(f"  registered inside, found from outside: {', '.join(found)}")
    return found == ["fitter"]


def services(name: DpeName, inside: str) -> bool:
    """A DPE inside, whose name is an address of the gateway, runs services for an orchestrator."""
    with program("service.py", str(name)) as dpe:
        assert dpe.stdout is not None
        print(f"  inside: {dpe.stdout.readline().strip()}")
        good = hidden("the DPE", dpe.pid, inside)
        done = subprocess.run([sys.executable, HERE / "orchestrator.py", str(name)], check=False)
        return good and not done.returncode


@contextmanager
def program(*words: str) -> Iterator[subprocess.Popen[str]]:
    """A program of this folder, until the end of the block."""
    command = [sys.executable, str(HERE / words[0]), *words[1:]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        yield process
    finally:
        process.terminate()
        process.wait()
        if process.stdout:
            process.stdout.close()


def hidden(name: str, pid: int, inside: str) -> bool:
    """True if a process listens on the inner address at most; always so without Linux."""
    if sys.platform != "linux":
        return True
    own = {str(one.readlink()) for one in Path(f"/proc/{pid}/fd").iterdir() if one.is_symlink()}
    found = set()
    for line in Path(f"/proc/{pid}/net/tcp").read_text("ascii").splitlines()[1:]:
        fields = line.split()
        if fields[3] == LISTEN and f"socket:[{fields[9]}]" in own:
            raw = bytes.fromhex(fields[1].partition(":")[0])
            found.add(".".join(map(str, raw[::-1] if sys.byteorder == "little" else raw)))
    print(f"  {name} listens on {', '.join(found) or 'nothing'}")
    return found <= {inside}


if __name__ == "__main__":
    sys.exit(main())
