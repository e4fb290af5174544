"""Types of arguments that are numbers: what would never end or never begin is wrong usage.

They must raise ArgumentTypeError only, whose text argparse prints.
"""

from __future__ import annotations

import argparse

MOST_SECONDS = 1e6
"""Eleven days: longer than a command runs, and short enough for every clock of the system."""


def count(text: str) -> int:
    """A whole number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"found {text!r:.40}, expected a whole number from 1 on")
    return number


def seconds(text: str) -> float:
    """A time above 0; not a number, and endless ones, are refused."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= MOST_SECONDS:
        what = f"found {text!r:.40}, expected seconds, more than 0 and at most {MOST_SECONDS:.0f}"
        raise argparse.ArgumentTypeError(what)
    return number
