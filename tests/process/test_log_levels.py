"""Levels of the log: changed as a whole or by section, shown, and set back."""

import logging

import pytest

from ccproxy.process.log_levels import LEVELS, LogLevels


@pytest.fixture
def levels():
    """Those of a process that logs at info."""
    root = logging.getLogger()
    before = root.level
    root.setLevel(logging.INFO)
    found = LogLevels()
    yield found
    found.reset()
    root.setLevel(before)


def test_every_level_has_a_word(levels):
    for word in LEVELS:
        levels.change(word)
        assert levels.level == word
    logging.getLogger().setLevel(37)
    assert levels.level == "37"


def test_a_section_may_say_more_or_less_than_the_others(levels):
    levels.change("trace", "h:more")
    levels.change("error", "h:less")
    assert logging.getLogger("h:more").isEnabledFor(LEVELS["trace"])
    assert not logging.getLogger("h:less").isEnabledFor(logging.WARNING)
    assert not logging.getLogger("h:other").isEnabledFor(logging.DEBUG)
    assert (levels.level, levels.sections) == ("info", {"h:more": "trace", "h:less": "error"})


def test_everything_is_set_back(levels):
    assert not levels.changed
    levels.change("debug")
    levels.change("trace", "h:more")
    assert levels.changed
    levels.reset()
    assert not levels.changed
    assert (levels.level, levels.sections) == ("info", {})
    assert not logging.getLogger("h:more").isEnabledFor(logging.DEBUG)
