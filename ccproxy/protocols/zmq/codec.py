"""The payload of a message without a type as a neutral value, for handlers that look into it.

    one frame with a JSON object     that object
    any other frames                 {"frames": [bytes, ...]}

It must never refuse a message: its frames are a value in any case.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from ccproxy.core.message import Value


class FrameCodec:
    """A Codec, see `ccproxy.core.message`. `delimiter` are frames in front of every payload."""

    def __init__(self, delimiter: tuple[bytes, ...] = ()) -> None:
        self._delimiter = delimiter

    def decode(self, type: str, payload: Sequence[bytes]) -> Value:
        """The value of a payload."""
        frames = payload[len(self._delimiter) :]
        if len(frames) == 1:
            try:
                value = json.loads(frames[0])
            except (ValueError, RecursionError):
                value = None
            if isinstance(value, dict):
                return value
        return {"frames": list(frames)}

    def encode(self, type: str, value: Value, blob: bytes | None) -> tuple[bytes, ...]:
        """The frames of `{"frames": [...]}`, or one frame of JSON; the blob is one more frame.

        ValueError if the frames are neither bytes nor text, or JSON cannot hold the value.
        """
        more = () if blob is None else (blob,)
        if isinstance(value, dict) and value.keys() == {"frames"} and value["frames"]:
            return (*self._delimiter, *map(_bytes, value["frames"]), *more)
        try:
            text = json.dumps(value, separators=(",", ":"))
        except TypeError as error:
            raise ValueError(f"no JSON: {error}") from None
        return (*self._delimiter, text.encode(), *more)

    def blob(self, payload: tuple[Any, ...]) -> bytes | None:
        """None: no frame is known to be something else than the others."""
        return None


def _bytes(frame: Any) -> bytes:
    if isinstance(frame, str):
        return frame.encode()
    if not isinstance(frame, bytes):
        raise ValueError(f"a frame is bytes or text, not {frame!r:.80}")
    return frame


FRAMES = FrameCodec()
DELIMITED = FrameCodec((b"",))
"""For requests of REQ sockets to a ROUTER, which have an empty frame in front, as their answers."""
