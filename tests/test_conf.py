"""Every configuration of conf/ runs: it starts on free ports, answers echo, and stops cleanly.
Those with a file of tests pass them."""

import os
import re
from pathlib import Path

import pytest

from ccproxy import cli
from ccproxy.client import Client
from ccproxy.testing import running_server
from tests.certificates import PLACE, Authority

CONF = Path(__file__).parents[1] / "conf"
FILES = sorted(one for one in CONF.glob("*.ini") if "." not in one.stem)
"""Configurations of servers; NAME.graph.ini and NAME.repo.ini are read by handlers."""


def relocated(file):
    """The text of a configuration with free ports and all its files beside it."""
    text = re.sub(r"\b((226|55)\d\d|1000\d)\b", r"PORT\1", file.read_text("utf-8"))
    # The paths of the file itself first, because the clone may be in /tmp as well.
    text = re.sub(r"(~/(pid|log|state)|/tmp)/", "%(scratch)s/", text)
    text = text.replace("%(config_dir)s/", f"{CONF}/")
    # Proxies of CLARA have blocks of ports, so they get hosts of this process, not other ports.
    mine = f"127.{8 + os.getpid() % 240}.{os.getpid() // 240 % 250}"
    text = re.sub(r"tcp://(\*|127\.0\.0\.(\d)):77", rf"tcp://{mine}.1\2:77", text)
    return text.replace("%(scratch)s/", "%(config_dir)s/")


def call(address, text):
    with Client(address) as client:
        client.publish("unknown.type", {})
        if re.search(r"(?m)^echo = h:echo", text):
            answer = client.request("echo.request", {"target": "me"})
            assert answer.value["orig_target"] == "me"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_runs(file, tmp_path):
    Authority(tmp_path).parts("localhost", files=("server.pem", "server.key"))
    text = relocated(file).replace(PLACE, str(tmp_path))
    ports = re.findall(r"(?m)^cc-socket = .*(PORT\d+)", text)
    with running_server(text) as server:
        for port in ports:
            call(server.address(port), text)
        assert server.stop() == 0
    count = "[12] " if ports else "0"
    assert re.search(rf"ledger received={count}", server.lines[-1]) or "bridge" in file.name
    assert not [line for line in server.lines if " ERROR " in line]


@pytest.mark.parametrize("file", sorted(CONF.glob("*.test")), ids=lambda file: file.name)
def test_it_passes_its_tests(file, capsys):
    assert cli.main(["test", str(file.with_suffix(""))]) == 0, capsys.readouterr().out
