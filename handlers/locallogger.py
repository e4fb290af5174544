"""The handler `locallogger`: writes each log message of a client as one line of the server's log.

The level of the line is INFO, whatever that of the message. A text must never begin a new line,
and of a line of megabytes the first 64 KiB are written.
"""

from __future__ import annotations

import time
from typing import Any

from ccproxy import Handler, Message, Plan
from ccproxy.wire import cc
from ccproxy.wire.text import OPERATOR_LIMIT, OperatorText, shortened


class LocalLogger(Handler):
    """Logs `[JOB@HOST] HH:MM:SS,mmm LEVEL TEXT`; other messages are logged as they are."""

    def explain(self, type: str, plan: Plan) -> str:
        """Where the line is to be found."""
        return "written as a line of this server's log"

    def handle(self, message: Message) -> None:
        """Log the message; KeyError or ValueError if a field of it is missing or wrong."""
        try:
            value = message.value()
        except cc.UntrustedMessage:
            self.ctx.log.info("non-log msg: None")
            raise
        self.ctx.log.info("%s", OperatorText(shortened(line(value), OPERATOR_LIMIT)))


def line(value: dict[str, Any]) -> str:
    """The log line of a log message; its `log_time`, in seconds since 1970, as local time."""
    if "log_level" not in value:
        return f"non-log msg: {value}"
    seconds = cc.number(value, "log_time")
    clock = time.strftime("%H:%M:%S", time.localtime(seconds))
    # The original takes the digits of a rounded number: .9996 becomes ,000 of the same second.
    thousandths = f"{seconds % 1:.3f}"[2:]
    job, host = cc.text(value, "job_name"), cc.text(value, "hostname")
    level, text = cc.text(value, "log_level"), cc.text(value, "log_msg")
    return f"[{job}@{host}] {clock},{thousandths} {level} {text}"
