import json
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp.framing import Framing, FramingLimits, Reader, cut, framing_of

VECTORS = Path(__file__).parents[2] / "vectors" / "ssmmp" / "spec"
BASE = json.loads((VECTORS / "base.json").read_text("utf-8"))["messages"]
STREAMS = {f: "".join(one[f.value] for one in BASE[:6]).encode() for f in Framing}


def fed(data: bytes, *, step: int = 1) -> list[bytes]:
    reader = Reader()
    return [
        unit
        for at in range(0, len(data), step)
        for unit in reader.feed(data[at : at + step])
    ]  # fmt: skip


@pytest.mark.parametrize("framing", Framing)
def test_split_at_every_byte(framing):
    whole = Reader().feed(STREAMS[framing])
    assert len(whole) == 6
    for at in range(len(STREAMS[framing])):
        reader = Reader()
        first, rest = STREAMS[framing][:at], STREAMS[framing][at:]
        assert reader.feed(first) + reader.feed(rest) == whole
        assert not reader.partial


@pytest.mark.parametrize("framing", Framing)
@given(step=st.integers(1, 300))
@settings(max_examples=20)
def test_split_in_slices(framing, step):
    assert fed(STREAMS[framing], step=step) == Reader().feed(STREAMS[framing])


@pytest.mark.parametrize("framing", Framing)
def test_the_first_line_tells_the_framing(framing):
    reader = Reader()
    assert reader.framing is None
    units = reader.feed(STREAMS[framing])
    assert reader.framing is framing
    assert framing_of(units[0].decode().partition("\n")[0]) is framing


@pytest.mark.parametrize("framing", Framing)
def test_carriage_returns_are_dropped(framing):
    crlf = STREAMS[framing].replace(b"\n", b"\r\n")
    assert fed(crlf) == Reader().feed(STREAMS[framing])


def test_a_half_message_is_known_as_such():
    reader = Reader()
    assert reader.feed(b"\n\r\n") == [] and not reader.partial
    assert reader.feed(b"type: initiation_response\n") == [] and reader.partial
    assert reader.feed(b"message_id: 1\n") == [] and reader.partial
    assert len(reader.feed(b"\n")) == 1 and not reader.partial


def test_a_connection_keeps_its_framing():
    reader = Reader()
    assert len(reader.feed(b"type:a_request;message_id:1\ntype: b\n")) == 2


@pytest.mark.parametrize(
    "data",
    [
        b"x" * (1 << 20),
        b"type: a_request\n" + b"x" * (1 << 20),
        b"type: a_request\n" + b"y: " + b"x" * 16384 + b"\n",
        b"type: a_request\n" + b"a: 1\n" * 300,
        b"type: a_request\n" + b"".join(b"%05d: " % i + b"x" * 1000 + b"\n" for i in range(80)),
        b"type:a_request;message_id:1;" + b"x" * 70000 + b"\n",
        b"type: a_request ~ message_id: 1 ~ " + b"x" * 70000,
    ],
    ids=["no-end", "long-line", "line+1", "lines", "bytes", "semicolon", "tilde"],
)  # fmt: skip
@pytest.mark.parametrize("step", [777, 1 << 21])
def test_limits_break_and_bound(data, step):
    reader = Reader()
    for at in range(0, len(data), step):
        assert reader.feed(data[at : at + step]) == []
        assert len(reader._buffer) <= 65536 + step
    assert "expected at most" in reader.broken or "more than" in reader.broken
    assert not reader.partial
    assert reader.feed(b"type: a\nmessage_id: 1\n\n") == []


def test_limits_are_kept_to_the_byte():
    line = b"y: " + b"x" * (16384 - 3)
    reader = Reader()
    assert len(reader.feed(b"type: a\n" + line + b"\n\n")) == 1
    small = Reader(FramingLimits(message=10, line=10, lines=2))
    assert small.feed(b"a: 1\nb: 2\n\n") == [b"a: 1\nb: 2"]
    assert small.feed(b"a: 1\nb: 2\nc: 3\n") == [] and small.broken


@given(st.lists(st.binary(max_size=300), max_size=10))
def test_any_bytes_are_bounded_and_units_have_no_end(slices):
    reader = Reader(FramingLimits(message=200, line=100, lines=5))
    for data in slices:
        for unit in reader.feed(data):
            assert unit.strip() and len(unit) <= 200
        assert reader.broken or len(reader._buffer) <= 200


def test_lists_in_the_semicolon_framing():
    assert cut("a:(x; y);b:1; ;", Framing.SEMICOLON) == ["a:(x; y)", "b:1"]
    assert cut("a:(x; y;b:1", Framing.SEMICOLON) == ["a:(x", "y", "b:1"]


@pytest.mark.parametrize(("mark", "first"), [(";", "a;message_id:1"), ("~", "a ~ message_id: 1")])
def test_the_fields_of_a_message_on_one_line_are_counted_before_they_are_cut(mark, first):
    """60,000 semicolons in 60 KB took 32 ms."""
    most = FramingLimits().marks
    line = f"type: {first}"
    fine = f"{line}{mark * (most - 1 - line.count(mark))}\n".encode()
    reader = Reader()
    assert len(reader.feed(fine)) == 1 and not reader.broken
    assert reader.feed(fine.replace(b"\n", mark.encode() + b"\n")) == []
    assert reader.broken == f"a message of more than {most} fields and list items"


def test_parentheses_take_no_step_each(monkeypatch):
    """60,000 of them in a message took 10 ms."""
    text = "a:(" + "(x)" * 20_000 + ";y);b:1"
    assert cut(text, Framing.SEMICOLON) == [text[:-4], "b:1"]
    monkeypatch.setattr(re, "finditer", None)
    assert cut(text, Framing.SEMICOLON) == [text[:-4], "b:1"]


def test_time_limit_is_named():
    assert ssmmp.MESSAGE_TIMEOUT == 5.0


@pytest.mark.parametrize(
    "head",
    [
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Type: text/plain\r\n\r\n",
        b"GET http://h:80/ HTTP/1.1\r\n\r\n",
        b"\x16\x03\x01\x00\xa5\n",
        b"hello\n",
    ],
)
def test_what_does_not_begin_with_a_field_ends_the_reading_at_its_first_line(head):
    message = b"type: initiation_request\nmessage_id: 1\n\n"
    reader = Reader()
    assert reader.feed(b"\n\n" + head + message) == []
    assert reader.broken == "a message that does not begin with the name of a field"
    behind = Reader()
    assert len(behind.feed(message + head + message)) == 1
    assert behind.broken


def test_blank_lines_in_front_of_messages_are_skipped_all_at_once():
    message = b"type: initiation_request\nmessage_id: 1"
    calls = []
    reader_line = Reader._line

    class Counting(Reader):
        def _line(self, line):
            calls.append(line)
            return reader_line(self, line)

    counting = Counting()
    blank = b" \r\n\n" * 100_000
    assert counting.feed(blank + message + b"\n\n" + blank + message + b"\n\n") == [message] * 2
    assert len(calls) == 6
    for at in range(len(message) + 4):
        data = b"\n \n" + message + b"\n\n\n"
        assert Reader.feed(reader := Reader(), data[:at]) + reader.feed(data[at:]) == [message]


def test_messages_are_numbered_and_a_part_of_one_is_seen():
    reader = Reader()
    reader.feed(b"type: a\nmessage_id: 1\n\n\n\n")
    assert (reader.units, reader.partial, reader.held) == (1, False, 0)
    reader.feed(b"type: a\nmess")
    assert (reader.units, reader.partial, reader.held) == (1, True, 12)
    reader.feed(b"age_id: 1\n\n")
    assert (reader.units, reader.partial, reader.held) == (2, False, 0)
