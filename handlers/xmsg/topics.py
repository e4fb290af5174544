"""Topics of xMsg: bytes of up to three parts, `domain:subject:type`, and how the parts make one.

`*` stands for a part that is absent. The rules are those of the Java library, which the registrar
follows; that of C++ raises an error where Java leaves the type out. Matching is no matter of parts:
a subscription is a prefix of the bytes. Only functions.
"""

from __future__ import annotations

from typing import NamedTuple

ANY = b"*"
SEPARATOR = b":"


class TopicParts(NamedTuple):
    """A topic in parts; only the last one may hold separators."""

    domain: bytes
    subject: bytes = ANY
    type: bytes = ANY


def build(parts: TopicParts) -> bytes:
    """The topic of these parts; ValueError without a domain.

    Nothing follows an absent part. A type ends at its first word with a `*` in it, and loses its
    empty words.
    """
    if parts.domain == ANY:
        raise ValueError("a topic needs a domain, and * is none")
    if parts.subject == ANY:
        return parts.domain
    words = [parts.domain, parts.subject]
    for word in parts.type.split(SEPARATOR):
        if ANY in word:
            break
        if word:
            words.append(word)
    return SEPARATOR.join(words)


def split(topic: bytes) -> TopicParts:
    """The parts of a topic; missing ones are `*`."""
    return TopicParts(*topic.split(SEPARATOR, 2))
