#!/usr/bin/env python3
"""A small service that speaks sodep: one operation on the children x and y, for the demo and tests.

    python contrib/redirect/service.py sum --port 8001
    python contrib/redirect/service.py sub --port 0       any port; it is printed

A request may have any children; `wait`, in seconds, is waited before the answer. The answer is
the int, and the fault TypeMismatch or IOException where Jolie services have them. It takes
any number of requests on a connection and answers in whatever order they are done.
"""

from __future__ import annotations

import argparse
import asyncio
import operator
from collections.abc import Callable, Mapping

from ccproxy.protocols.jolie.sodep import Sodep
from ccproxy.protocols.jolie.values import (
    Answer,
    Asked,
    Call,
    CallerSide,
    Fault,
    Result,
    Tree,
    io_fault,
)

OPERATIONS: Mapping[str, Callable[[int, int], int]] = {"sum": operator.add, "sub": operator.sub}


class CallerConnection(asyncio.Protocol):
    """One connection."""

    def __init__(self, operation: str) -> None:
        self.operation = operation
        self.side: CallerSide = Sodep().caller()
        self.transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer what became whole."""
        for asked in self.side.feed(data):
            self._take(asked)
        self._write()

    def eof_received(self) -> bool:
        """Answers may still be under way."""
        self.side.eof()
        return not self.side.closing

    def _take(self, asked: Asked) -> None:
        if isinstance(asked.call, Fault):
            self.side.answer(asked.token, asked.call)
            return
        answer, wait = answer_of(self.operation, asked.call)
        if not wait:
            self.side.answer(asked.token, answer)
            return
        asyncio.get_running_loop().call_later(wait, self._later, asked.token, answer)

    def _later(self, token: object, answer: Answer) -> None:
        self.side.answer(token, answer)
        self._write()

    def _write(self) -> None:
        self.transport.write(b"".join(self.side.take()))
        if self.side.broken or self.side.closing:
            self.transport.close()


def answer_of(operation: str, call: Call) -> tuple[Answer, float]:
    """The answer to a call, and how many seconds it takes."""
    if call.operation != operation or call.path != "/":
        return io_fault(f"Invalid operation: {call.operation}"), 0.0
    tree = call.value.tree()
    numbers = {name: vector[0].payload for name, vector in tree.children.items() if vector}
    x, y, wait = (numbers.get(name, 0) for name in ("x", "y", "wait"))
    if not isinstance(x, int) or not isinstance(y, int) or not isinstance(wait, int | float):
        return Fault("TypeMismatch", Tree("x and y must be int")), 0.0
    return Result(Tree(OPERATIONS[operation](x, y))), float(wait)


async def serve(operation: str, port: int) -> None:
    """Listen until the end of the process."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: CallerConnection(operation), "127.0.0.1", port)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main() -> None:
    """Run one service."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("operation", choices=sorted(OPERATIONS), help="what it offers")
    parser.add_argument("--port", type=int, default=0, help="port on 127.0.0.1; 0 = any")
    args = parser.parse_args()
    try:
        asyncio.run(serve(args.operation, args.port))
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main()
