"""Fixtures of the tests of verbs."""

import json
import logging
import signal

import pytest

from ccproxy.commands import server_verb
from ccproxy.process.signals import ProcessSignals
from ccproxy.server.control_client import ControlReply


@pytest.fixture(autouse=True)
def _restored():
    before = {number: signal.getsignal(number) for number in ProcessSignals.NUMBERS}
    level = logging.getLogger().level
    yield
    for number, handler in before.items():
        signal.signal(number, handler)
    logging.getLogger().setLevel(level)


@pytest.fixture
def serving(monkeypatch):
    """Puts a function in the place of the server that verbs ask: it gets method and target of each
    request, and gives a code and a value; what was asked."""
    asked = []

    def serving(answer):
        def request(method, target, where, timeout):
            asked.append((method, target))
            code, value = answer(method, target)
            return ControlReply(where[0], code, json.loads(json.dumps(value)))

        monkeypatch.setattr(server_verb, "request", request)
        return asked

    return serving
