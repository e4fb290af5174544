"""The CC wire format: frames to a message, JSON payload to a value, and back.

    route frames ... | empty | type | JSON | signature | blob | more

It holds the syntax of types, the reading and checking of payloads as in a server without keys, the
`CcCodec`, and readers for the loosely typed fields of CC. It must never open a socket, read a
clock or ask for the host's name: time and name are arguments.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha1
from typing import Any, NamedTuple

ENCRYPTED = b"ENC1"
"""The content of the JSON frame if the signature frame holds an encrypted message."""

_TYPE = re.compile(rb"[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*")


class UntrustedMessage(ValueError):
    """A payload that can be read but must not be trusted: hijacked, wrong hash, encrypted."""


class UnreadableField(ValueError, KeyError):
    """A field of a message is missing or of the wrong kind: its sender is at fault."""

    __str__ = Exception.__str__  # that of KeyError puts the text in quotes


class Parts(NamedTuple):
    """One message, cut at its empty frame; `payload` are the frames behind the type."""

    route: tuple[bytes, ...]
    type: str
    payload: tuple[bytes, ...]


def valid_type(type: bytes) -> bool:
    """True for parts of letters, digits, `_` and `-`, joined by single dots."""
    return _TYPE.fullmatch(type) is not None


def split(frames: Sequence[bytes]) -> Parts:
    """Cut frames at the first empty one; ValueError without one or without a valid type."""
    try:
        cut = frames.index(b"")
    except ValueError:
        raise ValueError("no empty frame: expected route, empty frame, type, payload") from None
    if cut + 1 == len(frames):
        raise ValueError("nothing behind the empty frame: expected a message type")
    type = bytes(frames[cut + 1])
    if not valid_type(type):
        raise ValueError(f"invalid message type {type[:80]!r}")
    return Parts(tuple(frames[:cut]), type.decode("ascii"), tuple(frames[cut + 2 :]))


def frames(route: Sequence[bytes], type: str, payload: Sequence[bytes]) -> list[bytes]:
    """The frames of a message; ValueError if `type` is not a valid message type."""
    return [*route, b"", _encoded(type), *payload]


def decode(type: str, payload: Sequence[bytes]) -> dict[str, Any]:
    """Read the JSON of a payload and check it against its type and blob.

    Raises UntrustedMessage for what a server without keys refuses, ValueError for what cannot be
    read.
    """
    if not payload:
        raise ValueError("no JSON frame behind the message type")
    if payload[0] == ENCRYPTED:
        raise UntrustedMessage("encrypted message, but no key to decrypt it")
    value = _object(payload[0])
    if "req" not in value:
        raise ValueError("no key 'req' in the JSON")
    if value["req"] != type:
        raise UntrustedMessage(
            f"hijacked message: 'req' is {value['req']!r:.80}, the type is {type!r:.80}"
        )
    _check_blob(value, payload)
    return value


def encode(
    type: str, value: Mapping[str, Any], blob: bytes | None, *, hostname: str, time: float
) -> tuple[bytes, ...]:
    """The payload frames (JSON, empty signature, blob if there is one) that carry `value`.

    `time` and `hostname` fill those fields unless `value` has them. ValueError if the type is
    invalid or JSON has no form for a value.
    """
    _encoded(type)
    common = {"req": type, "time": time, "hostname": hostname}
    try:
        text = json.dumps({**common, **value, "req": type, "blob_hash": ""})
    except (TypeError, RecursionError) as reason:
        raise ValueError(f"CC cannot carry this value of {type}: {reason}") from None
    head = (text.encode("ascii"), b"")
    return head if blob is None else (*head, blob)


@dataclass(frozen=True, slots=True)
class CcCodec:
    """The codec of CC (see `ccproxy.core.message.Codec`); `time` is a clock, seconds since 1970."""

    hostname: str
    time: Callable[[], float]

    def decode(self, type: str, payload: Sequence[bytes]) -> dict[str, Any]:
        """The JSON object of a payload; ValueError if it cannot be read or is refused."""
        return decode(type, payload)

    def encode(
        self, type: str, value: Mapping[str, Any], blob: bytes | None = None
    ) -> tuple[bytes, ...]:
        """The payload that carries `value`; ValueError if JSON has no form for it."""
        return encode(type, value, blob, hostname=self.hostname, time=self.time())

    def blob(self, payload: Sequence[bytes]) -> bytes | None:
        """The blob frame of a payload, None if there is none."""
        return blob(payload)


def blob(payload: Sequence[bytes]) -> bytes | None:
    """The blob frame of a payload, None if there is none."""
    return payload[2] if len(payload) > 2 else None


def text(value: Mapping[str, Any], key: str) -> str:
    """A text field; any value is converted to text. UnreadableField if absent or null."""
    return str(_present(value, key))


def number(value: Mapping[str, Any], key: str) -> float:
    """A number field, text converted; UnreadableField if it is absent or no number."""
    found = _present(value, key)
    try:
        return float(found)
    except (TypeError, ValueError, OverflowError):
        raise UnreadableField(f"field {key!r} is {found!r:.80}, expected a number") from None


def _present(value: Mapping[str, Any], key: str) -> Any:
    if key not in value:
        raise UnreadableField(f"field {key!r} is missing")
    if value[key] is None:
        raise UnreadableField(f"field {key!r} is null")
    return value[key]


def _encoded(type: str) -> bytes:
    name = type.encode("utf-8", "replace")
    if not valid_type(name):
        raise ValueError(f"invalid message type {type[:80]!r}")
    return name


def _object(frame: bytes) -> dict[str, Any]:
    try:
        value = json.loads(str(frame, "utf-8"))
        # The original server reads a list of pairs as an object, so programs may send one.
        value = dict(value) if isinstance(value, list) else value
    except UnicodeDecodeError as reason:
        raise ValueError(f"JSON is not UTF-8: {reason.reason} at byte {reason.start}") from None
    except (TypeError, ValueError) as reason:
        raise ValueError(f"not a JSON object: {reason}") from None
    except RecursionError:
        raise ValueError("JSON is nested too deeply") from None
    if not isinstance(value, dict):
        raise ValueError(f"JSON is {value!r:.80}, expected an object")
    return value


def _check_blob(value: Mapping[str, Any], payload: Sequence[bytes]) -> None:
    found = blob(payload)
    if found is None:
        if value.get("blob_hash"):
            raise UntrustedMessage("blob hash exists without blob")
        return
    if "blob_hash" not in value:
        raise ValueError("no key 'blob_hash' in the JSON of a message with a blob")
    # The hash proves something only if it is signed: without a signature the original ignores it.
    if payload[1]:
        _check_hash(value["blob_hash"], found)


def _check_hash(claimed: Any, blob: bytes) -> None:
    if not claimed:
        raise UntrustedMessage("blob hash missing")
    kind, _, digest = str(claimed).partition(":")
    if kind != "SHA-1":
        raise UntrustedMessage(f"unsupported hash type: {kind!r:.80}")
    if digest != sha1(blob, usedforsecurity=False).hexdigest():
        raise UntrustedMessage(f"blob hash does not match: {digest!r:.80}")
