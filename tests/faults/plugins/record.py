"""The handler `record` of the fault suite: writes the number of each message into a file.

A line is in the file before the next message is looked at, so that `kill -9` loses none of it.
"""

from __future__ import annotations

import os
from dataclasses import dataclass

from ccproxy import Context, Handler, Message, kinds, option


class Record(Handler):
    """Each message is `number size` in one frame and that many equal bytes in the next."""

    @dataclass(frozen=True, slots=True)
    class Options:
        """The file."""

        file: str = option(kinds.file, help="where the numbers go")

    descriptor = -1

    async def start(self, ctx: Context) -> None:
        """Open the file."""
        self.ctx = ctx
        self.descriptor = os.open(self.options.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)

    def handle(self, message: Message) -> None:
        """Write the number, with a word if the body is not what was sent."""
        number, size = message.payload[0].split()
        body = message.payload[1]
        whole = len(body) == int(size) and body.count(body[:1] or b"x") == len(body)
        os.write(self.descriptor, number + (b"\n" if whole else b" broken\n"))

    async def stop(self) -> None:
        """Close the file."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
