"""The test of the example plugin, as the author of a plugin writes it."""

import importlib
from pathlib import Path

import pytest

from ccproxy.testing import run_handler

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS))
    return importlib.import_module("hello")


def test_it_greets_by_name(plugin):
    with run_handler(plugin.Hello, "greeting = Good morning") as hello:
        [answer] = hello.send("hello.you", {"name": "Ann"})
        assert answer.type == "reply.hello.you"
        assert answer.value()["text"] == "Good morning, Ann!"
        assert hello.ctx.counters["greeted"] == 1


def test_without_a_name_it_greets_the_world(plugin):
    with run_handler(plugin.Hello) as hello:
        [answer] = hello.send("hello")
        assert answer.value()["text"] == "Hello, world!"
