import json
from hashlib import sha1
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.core.message import Message
from ccproxy.wire import cc

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
CASES = json.loads((VECTORS / "echo_log_invalid.json").read_text("utf-8"))["cases"]
CODEC = cc.CcCodec("vm", lambda: 1.5)

BETTER = {
    "echo-null-target",
    "echo-no-target",
    "echo-no-hostname",
    "echo-unicode-target",
    "echo-time-bad",
    "json-list-of-scalars-inside",
    "json-list-of-strings-inside",
    "log-level-but-no-time",
}
"""Cases that fail in the original's handler or by an accident of its reader, and are read here."""


def frames_of(case: dict) -> list[bytes]:
    frames = [
        bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode() for one in case["send"]
    ]
    return [b"", *frames] if case["socket"] == "REQ" else frames


def log_of(case: dict) -> str:
    return "\n".join(case.get("log", []))


def readable(case: dict) -> bool:
    return bool(case["replies"]) or case["name"] in BETTER or "ERROR" not in log_of(case)


INVALID = [one for one in CASES if "Invalid CC message" in log_of(one)]
NEWLINE = [one for one in CASES if one["name"] == "dest-trailing-newline"]
PARSED = [
    one
    for one in CASES
    if one not in INVALID + NEWLINE
    and not {"forwarded"} & set(one)
    and b"drop" not in frames_of(one)
]


@pytest.mark.parametrize("case", INVALID + NEWLINE, ids=lambda case: case["name"])
def test_frames_the_original_calls_invalid(case):
    with pytest.raises(ValueError, match="empty frame|invalid message type"):
        Message.cut(frames_of(case), CODEC)


@pytest.mark.parametrize("case", PARSED, ids=lambda case: case["name"])
def test_payloads_are_read_and_refused_as_by_the_original(case):
    message = Message.cut(frames_of(case), CODEC, "cc-socket")
    if readable(case):
        assert message.value()["req"] == message.type
        return
    refused = "CryptoContext" in log_of(case)
    with pytest.raises(cc.UntrustedMessage if refused else ValueError) as error:
        message.value()
    assert isinstance(error.value, cc.UntrustedMessage) == refused
    assert str(error.value)


def test_a_message_is_cut_at_its_first_empty_frame():
    message = Message.cut([b"\0id", b"Q1", b"", b"a.b", b"{}", b"", b"blob"], CODEC, "here")
    assert (message.route, message.type, message.listener) == ((b"\0id", b"Q1"), "a.b", "here")
    assert message.payload == (b"{}", b"", b"blob")
    assert cc.frames(message.route, message.type, message.payload) == [
        b"\0id", b"Q1", b"", b"a.b", b"{}", b"", b"blob"
    ]  # fmt: skip
    assert cc.blob(message.payload) == b"blob"
    assert cc.blob(message.payload[:2]) is None


@pytest.mark.parametrize("good", ["a", "a.b", "A-_9.z.0", "-", "_._"])
def test_valid_types(good):
    assert cc.valid_type(good.encode())


@pytest.mark.parametrize(
    "bad", ["", ".", "a.", ".a", "a..b", "a b", "a/b", "*", "a\n", "\n", "a\0", "é", "a:b", "a.b\n"]
)
def test_invalid_types(bad):
    assert not cc.valid_type(bad.encode())
    for build in (
        lambda: cc.frames((), bad, ()),
        lambda: CODEC.encode(bad, {}),
    ):
        with pytest.raises(ValueError, match="invalid message type"):
            build()


def test_json_is_written_as_the_original_writes_it():
    payload = CODEC.encode("a", {"x": "caf\u00e9", "n": [1, 2.25]})
    assert payload == (
        b'{"req": "a", "time": 1.5, "hostname": "vm", "x": "caf\\u00e9", "n": [1, 2.25],'
        b' "blob_hash": ""}',
        b"",
    )


def test_a_value_passed_on_keeps_its_maker_but_not_its_type_and_hash():
    value = {"req": "old", "time": 7.0, "hostname": "far", "blob_hash": "SHA-1:00"}
    payload = CODEC.encode("new", value, b"data")
    assert cc.decode("new", payload) == {**value, "req": "new", "blob_hash": ""}
    assert payload[1:] == (b"", b"data")


@pytest.mark.parametrize("value", [{"x": b"bytes"}, {"x": {1, 2}}, {(1, 2): 3}, 5, "text", [1]])
def test_what_json_cannot_carry_is_a_value_error(value):
    with pytest.raises(ValueError, match="cannot carry"):
        CODEC.encode("a", value)


def test_nesting_beyond_the_reader_is_a_value_error():
    with pytest.raises(ValueError, match="nested"):
        cc.decode("a", (b"[" * 100_000, b""))


def test_the_hash_counts_only_beside_a_signature():
    def payload(hash: object, signature: bytes) -> tuple[bytes, ...]:
        return (json.dumps({"req": "a", "blob_hash": hash}).encode(), signature, b"")

    right = "SHA-1:" + sha1(b"").hexdigest()
    assert cc.decode("a", payload("SHA-1:0", b""))
    assert cc.decode("a", payload(right, b"sig"))
    for wrong in ("SHA-1:" + "0" * 40, right.upper(), "", None, 5, "SHA-256:00", "SHA-1"):
        with pytest.raises(cc.UntrustedMessage):
            cc.decode("a", payload(wrong, b"sig"))


def test_fields_are_converted_as_by_the_original():
    value = {"text": "t", "five": 5, "half": "0.5", "null": None, "word": "x", "list": [1]}
    assert cc.text(value, "five") == "5"
    assert cc.number(value, "half") == 0.5
    assert cc.number(value, "five") == 5.0
    for read in (cc.text, cc.number):
        with pytest.raises(KeyError):
            read(value, "absent")
        with pytest.raises(ValueError, match="null"):
            read(value, "null")
    for key in ("word", "list"):
        with pytest.raises(ValueError, match="expected a number"):
            cc.number(value, key)
    with pytest.raises(ValueError, match="expected a number"):
        cc.number({"big": 10**400}, "big")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=10,
)
TYPES = st.from_regex(r"[A-Za-z0-9_-]{1,5}(\.[A-Za-z0-9_-]{1,5}){0,3}", fullmatch=True)
COMMON = ("req", "time", "hostname", "blob_hash")


@settings(max_examples=200)
@given(TYPES, st.dictionaries(st.text(), JSON, max_size=4), st.none() | st.binary(max_size=20))
def test_what_is_encoded_is_decoded(type, value, blob):
    payload = CODEC.encode(type, value, blob)
    assert CODEC.blob(payload) == blob
    found = CODEC.decode(type, payload)
    expected = {key: item for key, item in value.items() if key not in ("req", "blob_hash")}
    assert {key: found[key] for key in expected} == expected
    assert set(found) == set(expected) | set(COMMON)
    assert cc.blob(payload) == blob
    assert all(byte < 128 for byte in payload[0])


@settings(max_examples=300)
@given(
    st.lists(
        st.binary(max_size=12)
        | st.sampled_from([b"", b"a", b"{}", b'{"req":"a"}', b"ENC1", b'[["req","a"],[[],1]]'])
        | JSON.map(lambda value: json.dumps(value).encode()),
        max_size=7,
    )
)
def test_arbitrary_frames_raise_nothing_but_value_errors(frames):
    try:
        message = Message.cut(frames, CODEC)
        assert cc.frames(message.route, message.type, message.payload) == frames
        message.value()
    except ValueError:
        pass
