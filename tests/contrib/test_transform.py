"""The example that changes messages and forwards them: alone, and between two real servers."""

import importlib
from dataclasses import replace
from pathlib import Path

import pytest

from ccproxy.client import Client
from ccproxy.testing import message, run_handler, running_server

PLUGINS = Path(__file__).parents[2] / "contrib" / "plugins"
OPTIONS = "remote-cc = tcp://127.0.0.1:1\nsite = lux\nprefix = site"


@pytest.fixture
def plugin(monkeypatch):
    monkeypatch.syspath_prepend(str(PLUGINS))
    return importlib.import_module("transform")


def test_it_adds_a_field_and_a_prefix(plugin):
    with run_handler(plugin.Transform, OPTIONS) as tag:
        assert tag.send("log.info", {"log_msg": "hello"}, b"blob") == []
        [sent] = tag.ctx.links[0].take()
        assert sent.type == "site.log.info"
        assert sent.route == (b"client",)
        assert sent.value()["log_msg"] == "hello" and sent.value()["site"] == "lux"
        assert sent.blob == b"blob"
        assert tag.ctx.counters["transformed"] == 1
        assert tag.handler.status() == {"address": "tcp://127.0.0.1:1", "state": "up"}


def test_without_a_prefix_the_type_stays(plugin):
    with run_handler(plugin.Transform, "remote-cc = tcp://127.0.0.1:1\nsite = lux") as tag:
        tag.send("log.info")
        [sent] = tag.ctx.links[0].take()
        assert sent.type == "log.info" and sent.blob is None


def test_a_message_without_json_is_an_error_of_its_sender(plugin):
    broken = replace(message("log.info"), payload=(b"{",))
    with run_handler(plugin.Transform, OPTIONS) as tag, pytest.raises(ValueError, match="JSON"):
        tag.give(broken)


FAR = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
[routes]
site.echo = h:hello
[h:hello]
handler = hello
"""
NEAR = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = {plugins}
[routes]
echo = h:tag
[h:tag]
handler = transform
remote-cc = {far}
site = lux
prefix = site
"""


def test_a_reply_from_the_far_side_reaches_the_asker():
    far = FAR.replace("cc-role = remote", f"cc-role = remote\nplugins = {PLUGINS}")
    with (
        running_server(far) as there,
        running_server(NEAR.format(plugins=PLUGINS, far=there.address())) as here,
        Client(here.address()) as client,
    ):
        answer = client.request("echo.me", {"name": "Ann"})
        assert answer.type == "reply.site.echo.me"
        assert answer.value["text"] == "Hello, Ann!"
