"""What `send` and `listen` share: addresses of a configuration, and messages as lines.

A line must never hold a text of a stranger unescaped.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path

from ccproxy.commands import common
from ccproxy.config.plan import Plan
from ccproxy.wire.text import shortened
from ccproxy.wire.zmtp.sockets import COMPATIBLE
from ccproxy.zeromq import Frames

DEVICES = {
    "forwarder": ("xsub", "xpub"), "streamer": ("pull", "push"), "queue": ("router", "dealer"),
}  # fmt: skip
"""The sockets at `in` and `out` of handlers that are devices."""
SHOWN_FRAMES = 20
"""Frames of a message that a line shows."""


def address_for(kind: str, to: str) -> str:
    """The address that such a socket connects to; `to` is one, or the INI file of a server.

    Empty for a bad configuration, whose problems are printed; ValueError if the configuration has
    no such address or several.
    """
    if "://" in to:
        return to
    plan, problems = common.load(Path(to))
    common.print_problems(one for one in problems if plan is None or not one.warning)
    if plan is None:
        return ""
    found = list(addresses(plan, kind))
    if len(found) == 1:
        return common.reachable(found[0])
    if found:
        raise ValueError(f"{to} has several addresses for {kind}, name one: {', '.join(found)}")
    raise ValueError(f"{to} has no address for a socket {kind}")


def addresses(plan: Plan, kind: str) -> Iterator[str]:
    """Where the server of a configuration listens for sockets of this type."""
    opposites = {one.decode().lower() for one in COMPATIBLE[kind.upper().encode()]}
    for listener in plan.listeners:
        if listener.protocol != "zmq" or not listener.address:
            continue
        if listener.options.socket in opposites:
            yield listener.address
    for handler in plan.handlers:
        if handler.word == "zmq" and handler.options.socket in opposites:
            yield from handler.options.bind
        takes, gives = DEVICES.get(handler.word, ("", ""))
        if takes in opposites:
            yield from handler.options.in_
        if gives in opposites:
            yield from handler.options.out


def line_of(frames: Frames) -> str:
    """A message in one line: frames behind each other, each escaped and cut."""
    texts = [frame_text(one) for one in frames[:SHOWN_FRAMES]]
    if len(frames) > SHOWN_FRAMES:
        texts.append(f"... ({len(frames)} frames)")
    return " | ".join(texts)


def frame_text(frame: bytes) -> str:
    """A frame as text; bytes that are no UTF-8 as `\\xff`, an empty frame as `""`."""
    return shortened(frame.decode("utf-8", "backslashreplace")) or '""'


def json_of(frames: Frames) -> str:
    """A message as JSON in one line, whole; its frames are texts, all in base64 if one is none."""
    try:
        texts, encoding = [one.decode() for one in frames], "utf-8"
    except UnicodeDecodeError:
        texts, encoding = [base64.b64encode(one).decode() for one in frames], "base64"
    return json.dumps({"frames": texts, "encoding": encoding})
