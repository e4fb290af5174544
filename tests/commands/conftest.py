"""What the tests of the verbs share."""

import logging
import signal

import pytest

from ccproxy.process.daemon import HeldSignals


@pytest.fixture(autouse=True)
def _restored():
    before = {number: signal.getsignal(number) for number in HeldSignals.NUMBERS}
    level = logging.getLogger().level
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.getLogger().setLevel(level)
