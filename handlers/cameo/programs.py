"""The programs `cameo-rep-proxy` and `cameo-pub-proxy`, with the arguments of CAMEO's own.

    cameo-rep-proxy P1
    cameo-pub-proxy P2 P3

A CAMEO server finds them by `--proxy-path` and starts them. They are the handler `cameo-proxy`
without a server around it, as the start must take no longer than a client waits; they run until
they are killed. They must never write more than the one line that says why they cannot start:
nothing reads what they write.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import logging
import os
import random
import signal
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from ccproxy import Context, ListenerPlan, ZmtpListenerOptions
from ccproxy.core.memory import Memory
from ccproxy.core.switch import Switch
from ccproxy.net.flush import FlushQueue
from ccproxy.net.memory_watch import MemoryWatch
from ccproxy.net.notices import ServerLog
from ccproxy.net.shared import Kit
from ccproxy.net.zmtp.identities import Identities
from ccproxy.net.zmtp.listener import ZmtpListener
from ccproxy.net.zmtp.role import ListenerRole
from ccproxy.process.memory import keep_some, memory_limit, set_aside
from ccproxy.wire.cc import CcCodec

from .handler import CameoProxy
from .options import ALL_INTERFACES, CameoOptions

QUEUE = 256 * 1024 * 1024
"""Bytes that wait for a peer, and of the largest message. CAMEO's programs keep 1000 messages of
any size, but hand them on one by one: here a read may hold more than that for a quick peer."""
MOST_PEERS = 100_000
ENDS_WITH_PARENT = "CAMEO_PROXY_ENDS_WITH_PARENT"
"""A variable of the environment: `1` ends the program once its parent has ended in any way."""
LOOK_INTERVAL = 1.0
"""Seconds between two looks whether the parent is there."""


def rep_proxy() -> int:
    """`cameo-rep-proxy`."""
    return program(sys.argv[1:], ("responder",))


def pub_proxy() -> int:
    """`cameo-pub-proxy`."""
    return program(sys.argv[1:], ("publisher", "internal"))


def program(arguments: Sequence[str], sockets: Sequence[str]) -> int:
    """Run the sockets of these options on the ports of the first arguments; further arguments are
    ignored, as CAMEO's programs do. The exit status, if it cannot be started."""
    # As for a program in C. A KeyboardInterrupt would print where it came from.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    logging.disable()
    if len(arguments) < len(sockets):
        print(f"usage: {Path(sys.argv[0]).name} {' '.join(['PORT'] * len(sockets))}")
        return 1
    addresses = [f"tcp://{ALL_INTERFACES}:{port}" for port in arguments[: len(sockets)]]
    try:
        run(serve(options(dict(zip(sockets, addresses, strict=True)))))
    except (OSError, ValueError) as error:
        print(f"cannot listen on {' and '.join(addresses)}: {error}")
    return 1


def options(addresses: dict[str, Any]) -> CameoOptions:
    """The options that behave as CAMEO's programs do."""
    return CameoOptions(**addresses, peer_queue=QUEUE, max_message=QUEUE, max_peers=MOST_PEERS)


async def serve(options: CameoOptions) -> None:
    """Listen until the process is killed; OSError or ValueError if that is not possible."""
    keep_some()
    context = ProgramContext()
    proxy = CameoProxy("cameo", options)
    await proxy.start(context)
    if os.environ.get(ENDS_WITH_PARENT) == "1":
        context.every(LOOK_INTERVAL, partial(end_without, os.getppid()))
    set_aside()
    await MemoryWatch(context.kit.memory, context.kit.log).run()


def end_without(parent: int) -> None:
    """End at once if another process has become the parent."""
    if os.getppid() != parent:
        os._exit(0)


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine on uvloop if it is installed, else on asyncio's loop."""
    factory: Any = None
    with contextlib.suppress(ImportError):
        factory = importlib.import_module("uvloop").new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(work)


class ProgramContext(Context):
    """What the handler uses, without a server."""

    def __init__(self) -> None:
        self.name = "cameo"
        self.log = logging.LoggerAdapter(logging.getLogger(self.name), {})
        self._loop = loop = asyncio.get_running_loop()
        log = ServerLog(loop.time)
        switch = Switch(CcCodec("", time.time), log)
        identities = Identities(random.getrandbits(31))
        self.kit = Kit(switch, FlushQueue(loop), log, identities, Memory(memory_limit()))
        self.kit.descriptors.raise_limit()

    def bind(self, address: str, options: ZmtpListenerOptions, role: ListenerRole) -> str:
        """Accept peers; the bound address. OSError if it cannot be had."""
        plan = ListenerPlan(self.name, "zmtp", ZmtpListener, address, options, 0)
        listener = ZmtpListener(plan, self.kit, role)
        listener.acceptor.open(options)
        listener.acceptor.accept()
        return listener.acceptor.bound

    def every(self, seconds: float, call: Callable[[], None]) -> None:
        """Call again and again."""

        def again() -> None:
            self._loop.call_later(seconds, again)
            call()

        self._loop.call_later(seconds, again)

    def call_later(self, seconds: float, call: Callable[[], None]) -> None:
        """Call once."""
        self._loop.call_later(seconds, call)

    def now(self) -> float:
        """Seconds of the loop's clock."""
        return self._loop.time()
