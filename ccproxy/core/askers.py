"""Who asked: the frame in front of a message for a service, which leads the answer back.

    name of the asker | frames          to a peer that has itself called so, as `zmq.proxy` does it
    0x00 envelope     | frames          to any other: the envelope is route, empty frame and type

A service returns the frame in front of its answer, as every ROUTER or REP socket does. An envelope
needs no memory here, and leads over any number of servers. This module must never keep a message.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from ccproxy.core.runs import MessageSource, Run
from ccproxy.core.sinks import Sink
from ccproxy.core.spans import cut, parted
from ccproxy.wire.cc import valid_type
from ccproxy.wire.zmtp.frames import frame, pack, unpack

ENVELOPE = 0
"""The first byte of a name that holds an envelope; no peer may give itself such a name."""
NAME_SIZE = 5
"""Bytes of the names that sockets make for peers without one; these begin with 0 as well."""
EMPTY = b"\0\0"
"""An empty frame that ends a message."""
REMEMBERED = 1024


class WayBack(NamedTuple):
    """Where answers go, and what stands in front of the frames of each."""

    sink: Sink
    head: bytes


class Askers:
    """The names of the askers of one socket, each used by one asker at a time."""

    def __init__(self) -> None:
        self._named: dict[bytes, MessageSource] = {}
        self._names: dict[bytes, bytes] = {}
        self._opened: dict[bytes, tuple[bytes, bytes]] = {}

    def named(self, run: Run) -> bytes:
        """The messages of a run behind the name of their sender, or behind envelopes."""
        source = run.source
        if source is None or source.box is None or run.has_envelopes:
            return enveloped(run)
        name = self._names.get(source.identity) or self._take_name(source)
        if not name:
            return enveloped(run)
        return _prefixed(frame(name, more=True) + run.stack, run.payloads)

    def meet(self, source: MessageSource) -> None:
        """A peer is connected: a service may speak to it first, as to a client of `zmq.proxy`.

        Of several connections of one name at one listener this is the one that holds it.
        """
        held = self._named.get(source.routing_id)
        if held is not None and held.listener == source.listener:
            self.forget(held.identity)
        if source.box is not None:
            self._take_name(source)

    def forget(self, identity: bytes) -> None:
        """A peer of this server is gone: its name is free."""
        if name := self._names.pop(identity, b""):
            del self._named[name]

    def way_back(self, name: bytes, peers: Mapping[bytes, Sink]) -> WayBack | None:
        """Where answers with this name go; None if such an asker is not known, or not any more."""
        source = self._named.get(name)
        if source is not None and source.box is not None:
            return WayBack(source.box, b"")
        opened = self._opened.get(name)
        if opened is None:
            if (opened := envelope_of(name)) is None:
                return None
            if len(self._opened) >= REMEMBERED:
                self._opened.clear()
            self._opened[name] = opened
        identity, head = opened
        sink = peers.get(identity)
        return None if sink is None else WayBack(sink, head)

    def _take_name(self, source: MessageSource) -> bytes:
        """Give a sender its own name, or that of its connection; empty if another one has it."""
        name = source.routing_id or source.identity
        if name in self._named:
            return b""
        self._named[name] = source
        self._names[source.identity] = name
        return name


def enveloped(run: Run) -> bytes:
    """The messages of a run behind their envelopes."""
    if not run.has_envelopes:
        return _prefixed(_sealed(run.head), run.payloads)
    parts: list[bytes] = []
    for route, type, body in parted(run.envelopes):
        head = route + type
        if not body:  # the type is the last frame, and in front of an answer it is not
            head = pack([*unpack(head), b""])[: -len(EMPTY)]
        parts += (_sealed(head), body or EMPTY)
    return b"".join(parts)


def envelope_of(name: bytes) -> tuple[bytes, bytes] | None:
    """The identity of the peer that an envelope leads to, and what stands in front of an answer:
    the rest of the route, the empty frame and the type. None if it is no envelope."""
    if len(name) <= NAME_SIZE or name[0] != ENVELOPE:
        return None
    try:
        *route, empty, type, _ = unpack(name[1:] + EMPTY)
    except ValueError:  # ZmtpError, or fewer frames
        return None
    if not route or empty or not all(route) or not valid_type(type):
        return None
    return route[0], name[1 + len(frame(route[0])) :]


def answers(head: bytes, frames: bytes) -> bytes:
    """Answers behind what stands in front of each."""
    return _prefixed(head, frames) if head else frames


def _sealed(head: bytes) -> bytes:
    return frame(bytes((ENVELOPE,)) + head, more=True)


def _prefixed(head: bytes, messages: bytes) -> bytes:
    return b"".join([head + one for one in cut(messages)])
