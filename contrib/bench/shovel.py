#!/usr/bin/env python3
"""How fast a backlog on the disk of one server comes to the disk of the next one, beside RabbitMQ.

    ccserver with a spool --> ccserver with a spool --> (nobody yet)
    queue of rabbitmq-server --> its shovel, with confirms --> queue of another rabbitmq-server

The first servers have taken all messages, persistent ones, before the second ones may have any. The
clock runs from the first message at the second server until that has the last one and the first
server has none left. Runs alternate, and the medians are printed. Needs Linux,
RabbitMQ 3.10 or later (Debian: `apt-get install rabbitmq-server`), and `pip install pika`. All
processes listen at the loopback interface only.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import time
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import delivery
import pika
from delivery import SOURCE, SPOOL, CcServer, Figures, cc_sender, cpu_seconds, free_port, until

FAR = """[ccserver]
cc-socket = tcp://127.0.0.1:{far}
cc-role = remote
control = {folder}/far.sock
[routes]
b = h:next
[h:next]
handler = proxy
remote-cc = tcp://127.0.0.1:{nobody}
on-full = block
delivery = acknowledged
spool = {folder}/far-spool
spool-size = 20 GiB
"""
SHOVEL = {
    "src-protocol": "amqp091", "src-queue": "b", "dest-protocol": "amqp091", "dest-queue": "b",
    "ack-mode": "on-confirm", "src-prefetch-count": 1000,
}  # fmt: skip


def run_ccserver(args: argparse.Namespace) -> Figures:
    """Fill the first spool while there is no second server, then start that."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(delivery.scratch(args.folder)))
        ports = {"source": free_port(), "far": free_port(), "nobody": free_port()}
        options = f"{SPOOL}full".format(folder=folder)
        text = SOURCE.format(folder=folder, options=options, **ports)
        source = CcServer(stack, folder, "source", text)
        sock = stack.enter_context(cc_sender(ports["source"]))
        delivery.write(sock, delivery.pack([b"", b"b", b"x" * args.body]), args.count)
        until(source.received() >= args.count for _ in iter(int, 1))
        before = cpu_seconds(source.process.pid)
        far = CcServer(stack, folder, "far", FAR.format(folder=folder, **ports))
        until(far.received() > 0 for _ in iter(int, 1))
        begin = time.perf_counter()
        until(far.waiting() >= args.count and source.waiting() == 0 for _ in iter(int, 1))
        seconds = time.perf_counter() - begin
        used = cpu_seconds(source.process.pid) - before + cpu_seconds(far.process.pid)
        return Figures(args.count / seconds, used / args.count * 1e6)


class Rabbit:
    """One running rabbitmq-server with an empty durable queue `b`."""

    def __init__(self, stack: ExitStack, folder: Path, name: str, args: argparse.Namespace) -> None:
        self.folder = folder / name
        self.folder.mkdir()
        self.port = free_port()
        (self.folder / "rabbitmq.conf").write_text(f"listeners.tcp.1 = 127.0.0.1:{self.port}\n")
        (self.folder / "plugins").write_text("[rabbitmq_shovel].\n")
        node = f"{name}-{self.port}@localhost"
        self.environment = {
            **os.environ, "HOME": str(folder), "RABBITMQ_NODENAME": node,
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_DIST_PORT": str(free_port()), "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(args.epmd),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
        }  # fmt: skip
        # The scripts of Debian change to a user of their own; those of the library do not.
        self._folder = args.rabbitmq
        self.process = subprocess.Popen(
            [f"{self._folder}/rabbitmq-server"], env=self.environment, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        stack.callback(self._stop)
        self.connection = self._connected()
        stack.callback(self.connection.close)
        self.channel = self.connection.channel()
        self.channel.queue_declare("b", durable=True)

    def control(self, *words: str) -> None:
        """Run rabbitmqctl; CalledProcessError if it fails."""
        words = (f"{self._folder}/rabbitmqctl", *words)
        subprocess.run(words, env=self.environment, check=True, capture_output=True)

    @property
    def waiting(self) -> int:
        """Messages in the queue."""
        found: int = self.channel.queue_declare("b", passive=True).method.message_count
        return found

    @property
    def cpu(self) -> float:
        """CPU seconds of the Erlang machine."""
        return cpu_seconds(int((self.folder / "pid").read_text()))

    def _connected(self) -> pika.BlockingConnection:
        end = time.monotonic() + delivery.LIMIT
        parameters = pika.ConnectionParameters("127.0.0.1", self.port, heartbeat=0)
        while True:
            try:
                return pika.BlockingConnection(parameters)
            except pika.exceptions.AMQPConnectionError:
                if time.monotonic() > end or self.process.poll() is not None:
                    raise
                time.sleep(1)

    def _stop(self) -> None:
        self.control("stop")
        self.process.wait(delivery.LIMIT)


def run_rabbitmq(args: argparse.Namespace) -> Figures:
    """Fill the first queue, then make the shovel."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(delivery.scratch(args.folder)))
        args.epmd = free_port()
        stack.callback(subprocess.run, ["epmd", "-port", str(args.epmd), "-kill"], check=True)
        source, far = (Rabbit(stack, folder, name, args) for name in ("source", "far"))
        persistent = pika.BasicProperties(delivery_mode=2)
        for _ in range(args.count):
            source.channel.basic_publish("", "b", b"x" * args.body, persistent)
        until(source.waiting >= args.count for _ in iter(int, 1))
        ends = {
            f"{side}-uri": f"amqp://guest:guest@127.0.0.1:{one.port}"
            for side, one in (("src", source), ("dest", far))
        }
        before = source.cpu + far.cpu
        source.control("set_parameter", "shovel", "s", json.dumps(SHOVEL | ends))
        until(far.waiting > 0 for _ in iter(int, 1))
        begin = time.perf_counter()
        until(far.waiting >= args.count and source.waiting == 0 for _ in iter(int, 1))
        seconds = time.perf_counter() - begin
        used = source.cpu + far.cpu - before
        return Figures(args.count / seconds, used / args.count * 1e6)


def main() -> None:
    """Measure what the arguments ask for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--count", type=int, default=300_000, help="messages of a run")
    parser.add_argument("--body", type=int, default=200, help="bytes of a message")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", help="where spools and queues are, on the disk to measure")
    parser.add_argument(
        "--rabbitmq", default="/usr/lib/rabbitmq/bin", help="folder of rabbitmq-server"
    )
    args = parser.parse_args()
    runs = {"ccserver": partial(run_ccserver, args), "rabbitmq": partial(run_rabbitmq, args)}
    delivery.compare(runs, args.rounds, f"{args.count} messages of {args.body} bytes")


if __name__ == "__main__":
    main()
