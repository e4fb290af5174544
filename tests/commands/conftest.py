"""Fixtures of the tests of verbs."""

import logging
import signal

import pytest

from ccproxy.process.signals import ProcessSignals


@pytest.fixture(autouse=True)
def _restored():
    before = {number: signal.getsignal(number) for number in ProcessSignals.NUMBERS}
    level = logging.getLogger().level
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.getLogger().setLevel(level)
