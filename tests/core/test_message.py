"""Messages as handlers see them."""

from __future__ import annotations

from dataclasses import FrozenInstanceError

import pytest

from ccproxy.core.message import Message, Reply, UnreadableMessage, Value
from ccproxy.wire.cc import UntrustedMessage


class Upper:
    def decode(self, type: str, payload: tuple[bytes, ...]) -> Value:
        return {"type": type, "text": payload[0].decode().upper()}

    def encode(self, type: str, value: Value, blob: bytes | None) -> tuple[bytes, ...]:
        raise NotImplementedError

    def blob(self, payload: tuple[bytes, ...]) -> bytes | None:
        return payload[2] if len(payload) > 2 else None


CODEC = Upper()


def test_cut_takes_the_first_empty_frame_for_the_delimiter() -> None:
    frames = [b"id", b"Q1", b"", b"a.b", b"x", b"", b"blob"]
    message = Message.cut(frames, CODEC, "in")
    assert message == Message("a.b", (b"id", b"Q1"), (b"x", b"", b"blob"), CODEC, "in")
    assert message.value() == {"type": "a.b", "text": "X"}


@pytest.mark.parametrize(
    ("frames", "problem"),
    [([b"id", b"a"], "no empty frame"), ([b"id", b""], "nothing behind"), ([b"", b"a."], "type")],
)
def test_cut_says_what_is_wrong(frames: list[bytes], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Message.cut(frames, CODEC)


def test_the_codec_finds_the_blob() -> None:
    assert Message("a.b", (b"id",), (b"x", b"", b"blob"), CODEC).blob == b"blob"
    assert Message("a.b", (b"id",), (b"x", b""), CODEC).blob is None


def test_size_counts_all_frames() -> None:
    assert Message("a.b", (b"id", b"Q1"), (b"x", b"", b"blob"), CODEC).size == 2 + 2 + 3 + 1 + 4


def test_messages_and_actions_are_values() -> None:
    message = Message("a", (), (), CODEC)
    with pytest.raises(FrozenInstanceError):
        message.type = "b"  # type: ignore[misc]
    assert Reply("a") == Reply("a", {})
    assert Reply("a").value is not Reply("a").value


class Strict:
    def decode(self, type: str, payload: tuple[bytes, ...]) -> Value:
        raise UntrustedMessage("hijacked") if type == "untrusted" else ValueError("no JSON")


def test_a_payload_that_cannot_be_read_is_the_fault_of_its_sender() -> None:
    with pytest.raises(UnreadableMessage, match="no JSON"):
        Message("a", (), (), Strict()).value()  # type: ignore[arg-type]
    with pytest.raises(UntrustedMessage, match="hijacked"):
        Message("untrusted", (), (), Strict()).value()  # type: ignore[arg-type]
