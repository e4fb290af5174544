"""Which topics of CLARA may pass a gateway, from the names of DPEs and from prefixes of topics.

A DPE has requests (`dpe:NAME`, and topics that begin with the name of one of its services),
reports about it (`done:NAME:...`, `dpeAlive:SESSION:NAME` and the like), and answers, which name
nothing. It must never look behind a topic.
"""

from __future__ import annotations

from collections.abc import Sequence

REPORTS = (b"done", b"data", b"ERROR", b"WARNING", b"INFO")
"""What stands in front of a name in the topics of reports."""
ALIVE = (b"dpeAlive", b"dpeReport")
"""What stands in front of a session and a name."""
ANSWERS = (b"ret:", b"return: ")
"""What the topics of answers to requests begin with."""


class Permit:
    """What one gateway lets through; without names and prefixes everything."""

    def __init__(self, dpes: Sequence[str], topics: Sequence[str]) -> None:
        self._open = not dpes and not topics
        self._topics = tuple(one.encode() for one in topics)
        self._dpes = tuple(one.encode() for one in dpes)

    def enters(self, topic: bytes) -> bool:
        """True if a message from outside may go to the DPEs."""
        named = topic.removeprefix(b"dpe:")
        return self._open or topic.startswith(self._topics) or self._is_of_dpe(named)

    def leaves(self, topic: bytes) -> bool:
        """True if a message of the DPEs may go outside.

        So may one whose topic is only the beginning of such a topic, as `done:` is: that confirms a
        subscription.
        """
        if self._open or topic.startswith((*self._topics, *ANSWERS)):
            return True
        if any(one.startswith(topic) for one in self._topics):
            return True
        word, colon, named = topic.partition(b":")
        if word in ALIVE:
            named = named.partition(b":")[2]
        if not colon or word not in (*REPORTS, *ALIVE):
            return False
        return self._is_of_dpe(named) or any(one.startswith(named) for one in self._dpes)

    def _is_of_dpe(self, name: bytes) -> bool:
        """True for the names of the DPEs, of their containers and of their services."""
        return any(name == one or name.startswith(one + b":") for one in self._dpes)
