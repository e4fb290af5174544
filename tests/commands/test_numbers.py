"""Arguments that are numbers: what they accept and what they refuse."""

import argparse

import pytest

from ccproxy.commands.numbers import count, seconds


@pytest.mark.parametrize(("kind", "text", "value"), [(count, "1", 1), (seconds, "0.5", 0.5)])
def test_numbers(kind, text, value):
    assert kind(text) == value


@pytest.mark.parametrize(
    ("kind", "text"),
    [(kind, text) for kind in (count, seconds) for text in ("0", "-1", "nan", "inf", "", "x")],
)
def test_what_would_never_end_is_refused(kind, text):
    with pytest.raises(argparse.ArgumentTypeError, match=f"found '{text}', expected"):
        kind(text)
