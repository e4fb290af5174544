"""An example plugin: answers `hello.*` with a greeting.

[routes]
hello = h:hello

[h:hello]
handler  = hello
greeting = Good morning
"""

from __future__ import annotations

from dataclasses import dataclass

from ccproxy import Actions, Handler, Message, Reply, kinds, option


class Hello(Handler):
    """Greets every asker by the `name` of the request."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The words of the greeting."""

        greeting: str = option(kinds.text, default="Hello", help="words in front of the name")

    def handle(self, message: Message) -> Actions:
        """Answer `hello.X` with `reply.hello.X` and its `text`."""
        name = message.value().get("name", "world")
        self.ctx.count("greeted")
        return Reply(f"reply.{message.type}", {"text": f"{self.options.greeting}, {name}!"})
