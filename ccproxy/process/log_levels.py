"""The levels of the log of a running server: changed for all, or for one section, and set back.

It must never decide what is logged where, or write a line.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping

from ccproxy.process.log_format import TRACE

LEVELS = {
    "trace": TRACE, "debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING,
    "error": logging.ERROR,
}  # fmt: skip
"""By their words, from the one with the most lines on."""
SERVER = "CCServer"
"""The name of the server's own lines in the log."""


class LogLevels:
    """The levels as they are now, beside the one that the command line asked for."""

    def __init__(self) -> None:
        self._first = logging.getLogger().level
        self._sections: dict[str, str] = {}

    @property
    def level(self) -> str:
        """The level of all that have none of their own, as a word, or as a number if it is odd."""
        found = logging.getLogger().level
        return next((word for word, level in LEVELS.items() if level == found), str(found))

    @property
    def sections(self) -> Mapping[str, str]:
        """The sections that have levels of their own, with these."""
        return dict(self._sections)

    @property
    def changed(self) -> bool:
        """True if anything is not as the command line asked for."""
        return bool(self._sections) or logging.getLogger().level != self._first

    def change(self, word: str, section: str = "") -> None:
        """Log a section, or all that have no level of their own, at another level."""
        if not section:
            logging.getLogger().setLevel(LEVELS[word])
            return
        logging.getLogger(section).setLevel(LEVELS[word])
        self._sections[section] = word

    def reset(self) -> None:
        """Everything as the command line asked for."""
        logging.getLogger().setLevel(self._first)
        for section in self._sections:
            logging.getLogger(section).setLevel(logging.NOTSET)
        self._sections.clear()
