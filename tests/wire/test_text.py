"""No text begins a line, commands a terminal, reorders a line, or is longer than its limit."""

import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.wire.text import TEXT_LIMIT, OperatorText, escaped, shortened


def test_no_text_begins_a_line_or_commands_a_terminal():
    assert escaped("a\nb\r\x1b[2J\x85\u2028\ud800\0") == (
        "a\\nb\\r\\x1b[2J\\x85\\u2028\\ud800\\x00"
    )
    assert escaped("caf\u00e9\tC:\\new") == "caf\u00e9\tC:\\new"


RANGES = [
    (0x202A, 0x202E), (0x2066, 0x2069), (0x200B, 0x200F), (0xFEFF, 0xFEFF), (0x80, 0x9F),
    (0x115F, 0x1160), (0x3164, 0xFFA0), (0xFE00, 0xFE0F), (0x34F, 0x2800), (0xE0000, 0xE0FFF),
]  # fmt: skip


@pytest.mark.parametrize("code", [code for first, last in RANGES for code in (first, last)])
def test_invisible_controls_are_escaped(code):
    assert re.fullmatch(r"a\\[xuU][0-9a-f]+b", escaped(f"a{chr(code)}b"))


@given(st.text(), st.integers(60, 300))
def test_a_text_is_visible_and_has_a_bounded_length(text, limit):
    found = shortened(text, limit)
    assert len(found) <= limit
    assert not {unicodedata.category(one) for one in found.replace("\t", "")} & {"Cc", "Zl", "Zp"}
    assert found == escaped(text) or found.endswith(f"... ({len(text)} characters)")


def test_a_text_of_megabytes_says_its_length():
    found = shortened("x" * 30_000_000)
    assert len(found) == TEXT_LIMIT and found.endswith("xx... (30000000 characters)")


def test_a_text_of_the_operator_is_a_text():
    assert OperatorText("a") == "a" and f"{OperatorText('a')}" == "a"
