#!/usr/bin/env python3
"""A monitor: prints what goes over a proxy of xMsg, one message a line.

python monitor.py 127.0.0.1:7791                    everything
python monitor.py 127.0.0.1:7791 dpeAlive: done:    what begins so
"""

from __future__ import annotations

import argparse
import contextlib
import sys

from xmsg import Connection, Message, Proxy

SHOWN = 60
"""Bytes of a payload that are printed."""


def line(message: Message) -> str:
    """A message as one line of printable text."""
    meta = message.meta
    facts = {"type": meta.dataType, "from": meta.sender, "id": meta.communicationId}
    shown = " ".join(f"{name}={value}" for name, value in facts.items() if value)
    text = f"{message.topic} {shown} {message.data[:SHOWN].decode('utf-8', 'replace')}"
    return "".join(one if one.isprintable() else "?" for one in text)


def watch(proxy: Proxy, topics: list[str], count: int | None, check: bool) -> None:
    """Print messages until `count` of them have come."""
    with Connection(proxy, handshake=check, check=check) as here:
        for topic in topics:
            here.subscribe(topic)
        while count is None or count > 0:
            message = here.receive(1.0)
            if message is not None:
                print(line(message), flush=True)
                count = None if count is None else count - 1


def main() -> int:
    """Print until the end, or until ^C."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("proxy", metavar="HOST:PORT", help="where publishers connect")
    parser.add_argument("topic", nargs="*", default=[""], help="prefixes of topics")
    parser.add_argument("--count", type=int, help="end after so many messages")
    parser.add_argument("--no-check", action="store_true", help="the proxy may come later")
    args = parser.parse_args()
    host, _, port = args.proxy.rpartition(":")
    with contextlib.suppress(KeyboardInterrupt):
        watch(Proxy(host, int(port)), args.topic, args.count, not args.no_check)
    return 0


if __name__ == "__main__":
    sys.exit(main())
