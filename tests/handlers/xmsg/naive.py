"""A registrar that walks over a list: what the indexed one is compared with."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError

from ccproxy_handlers.xmsg.messages import classes
from ccproxy_handlers.xmsg.topics import TopicParts, build, split

MESSAGE = classes("bytes")["Registration"]
KINDS = ("Publisher", "Subscriber")


def topic(one: Any) -> bytes:
    return build(TopicParts(one.domain, one.subject, one.type))


class NaiveRegistrar:
    """One list for each kind."""

    def __init__(self) -> None:
        self.lists: dict[str, list[Any]] = {kind: [] for kind in KINDS}

    def request(self, action: str, data: bytes) -> tuple[bool, list[bytes]]:
        """True for success, and the records of the answer, sorted."""
        if action == "removeAllRegistration":
            for each in self.lists.values():
                each[:] = [one for one in each if one.host != data]
            return True, []
        kind = "Publisher" if "Publisher" in action else "Subscriber"
        word = action.removesuffix("Registration").removesuffix(kind)
        if word == "all":
            return True, sorted(one.SerializeToString() for one in self.lists[kind])
        try:
            asked = MESSAGE.FromString(data)
        except DecodeError:
            return False, []
        if not asked.IsInitialized():
            return False, []
        return self._known(word, kind, asked)

    def _known(self, word: str, kind: str, asked: Any) -> tuple[bool, list[bytes]]:
        records = self.lists[kind]
        if word == "register":
            if asked.domain == b"*":
                return False, []
            records += [] if asked in records else [asked]
            return True, []
        if word == "remove":
            records[:] = [one for one in records if not removes(asked, one)]
            return True, []
        found = [one for one in records if finds(word, kind, asked, one)]
        return True, sorted(one.SerializeToString() for one in found)


def removes(asked: Any, one: Any) -> bool:
    if asked.domain == b"*" or (one.name, one.host) != (asked.name, asked.host):
        return False
    return one.domain == asked.domain and topic(one) == topic(asked)


def finds(word: str, kind: str, asked: Any, one: Any) -> bool:
    if word == "filter":
        wanted = (asked.domain, asked.subject, asked.type)
        parts = zip(wanted, split(topic(one)), strict=True)
        if not all(part in (b"*", own) for part, own in parts):
            return False
        if asked.host == b"undefined":
            return True
        return one.host == asked.host and asked.port in (0, one.port)
    if asked.domain == b"*" or one.domain != asked.domain:
        return False
    if word == "exact":
        return topic(one) == topic(asked)
    if kind == "Publisher":
        return topic(one).startswith(topic(asked))
    return topic(asked).startswith(topic(one))
