"""A kit for testing handlers without sockets or waiting, and servers as real processes.

    with run_handler(Hello, {"greeting": "Hi"}) as hello:
        [answer] = hello.send("hello.you", {"name": "Ann"})
        assert answer.value()["text"] == "Hi, Ann!"
        hello.ctx.advance(60.0)

The call that caused an exception of the handler raises it. The clock does not move unless the test
moves it. Nothing here may sleep, except `running_server`, which waits for a process.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from configparser import ConfigParser
from contextlib import closing, contextmanager
from typing import Any

from ccproxy.config.options import options_of
from ccproxy.core.message import Message
from ccproxy.handler import Handler
from ccproxy.testing.context import FakeContext, message
from ccproxy.testing.links import CODEC, TIME, FakeLink
from ccproxy.testing.server import RunningServer, free_ports, running_server


class HandlerUnderTest:
    """A started handler and its context, made by `run_handler`."""

    def __init__(self, handler: Handler, ctx: FakeContext) -> None:
        self.handler = handler
        self.ctx = ctx

    def send(
        self, type: str, value: Mapping[str, Any] | None = None, blob: bytes | None = None
    ) -> list[Message]:
        """Give the handler a message, as the switch would; return its replies."""
        return self.give(message(type, value, blob))

    def give(self, message: Message) -> list[Message]:
        """Give the handler a message that the test has made; return its replies."""
        before = len(self.ctx.replies)
        self.ctx.deliver(self.handler, message)
        self.ctx.settle()
        return self.ctx.replies[before:]


@contextmanager
def run_handler(
    factory: type[Handler],
    options: Mapping[str, Any] | str = "",
    handlers: Mapping[str, Handler] | None = None,
) -> Iterator[HandlerUnderTest]:
    """Start a handler as section `h:test`, and stop it at the end.

    `options` are the lines of an INI section, or a dict by the names of the INI. Texts in the dict
    are parsed, other values are taken as they are. ValueError if an option is unknown, missing or
    wrong.
    """
    handler = factory("h:test", options_for(factory, options))
    with closing(FakeContext("h:test", handlers)) as ctx:
        try:
            ctx.run(handler.start(ctx))
            yield HandlerUnderTest(handler, ctx)
        finally:
            ctx.run(handler.stop())


def options_for(factory: type[Handler], options: Mapping[str, Any] | str) -> Any:
    """The Options of a handler class from INI lines or a dict; ValueError as `run_handler`."""
    given = _read(options) if isinstance(options, str) else dict(options)
    values = {}
    for one in options_of(factory.Options):
        for name in (one.name, *one.aliases):
            if name in given:
                found = given.pop(name)
                values[one.field] = one.kind.parse(found) if isinstance(found, str) else found
        if one.required and one.field not in values:
            raise ValueError(f"option {one.name!r} is missing")
    if given:
        raise ValueError(f"unknown options: {', '.join(map(repr, given))}")
    return factory.Options(**values)


def _read(text: str) -> dict[str, str]:
    parser = ConfigParser(delimiters=("=",), interpolation=None)
    parser.read_string(f"[h:test]\n{text}")
    return dict(parser["h:test"])


__all__ = [
    "CODEC", "TIME", "FakeContext", "FakeLink", "HandlerUnderTest", "RunningServer", "free_ports",
    "message", "options_for", "run_handler", "running_server",
]  # fmt: skip
