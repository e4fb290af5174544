"""The console of the dynamic redirection, as the page says it: SOAP services that move behind one
sodep address, each a process of its own."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

from ccproxy.testing import free_ports, running_server

ROOT = Path(__file__).parents[2]
REDIRECT = ROOT / "contrib" / "redirect"
SECONDS = 60.0


@pytest.fixture
def demo(monkeypatch):
    """The demonstration, whose client speaks sodep."""
    monkeypatch.syspath_prepend(str(REDIRECT))
    return importlib.import_module("demo")


@pytest.fixture
def process():
    """Start a program of the folder; it is ended with the test."""
    made = []

    def process(name, *words):
        pipe = subprocess.PIPE
        command = [sys.executable, str(REDIRECT / name), *map(str, words)]
        made.append(subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True))
        return made[-1]

    yield process
    for one in made:
        one.kill()
        one.communicate()


@pytest.fixture
def service(process):
    """Start a service over SOAP; its port."""

    def service(operation):
        one = process("web_service.py", operation, "--protocol", "soap")
        return int(one.stdout.readline())

    return service


@pytest.fixture
def server(service):
    """conf/redirect-soap.ini before two services."""
    text = (ROOT / "conf" / "redirect-soap.ini").read_text("utf-8")
    text = text.replace("22684", str(service("sum"))).replace("22685", str(service("sub")))
    with running_server(re.sub(r"\b226(\d\d)\b", r"PORT\1", text)) as server:
        yield server


def test_services_move_by_the_dialogue_while_clients_stay_connected(demo, server, service, process):
    caller = demo.SodepClient(server.ports["PORT81"])

    def called(path, operation):
        return demo.shown(caller.ask(path, operation, 5, 3))

    assert (called("/Sum", "sum"), called("/Sub", "sub")) == ("8", "2")
    new = service("sub")  # it subtracts: so it is seen that calls of Sum go there
    console = process("console.py", server.address("PORT89"))
    lines = ["relocateSum", f"socket://127.0.0.1:{new}", "relocateSub", "", "relocateSub",
             "nonsense\x1b[31m", "what", "relocateSum", "socket://h:1 nope", "exit"]  # fmt: skip
    out, err = console.communicate("\n".join(lines) + "\n", SECONDS)
    assert (console.returncode, err) == (0, "")
    said = out.splitlines()
    assert said[0] == (
        "command (relocateSum, relocateSub, exit): "
        f"sum is at socket://127.0.0.1:{re.search(r'sum is at .*:(.*) in', out)[1]} in soap"
    )
    assert f"sum is now at socket://127.0.0.1:{new} in soap; 0 calls under way" in out
    assert "sub stays there" in out
    assert 'refused: found "nonsense' in out and "\x1b" not in out
    assert "no command 'what'; there are relocateSum, relocateSub, exit" in out
    assert 'no protocol "nope"' in out
    assert called("/Sum", "sub") == "2"
    assert called("/Sum", "sum").startswith("fault IOException: Invalid operation")
    assert called("/Sub", "sub") == "2"
    caller.close()


def test_a_listener_that_may_not_relocate_and_a_name_that_is_not_routed(server, process):
    console = process("console.py", server.address("PORT80"))
    out, _ = console.communicate("relocateSum\n", SECONDS)
    assert console.returncode == 0
    assert "refused: [ccserver] may not relocate [h:sum]" in out


def test_nothing_answers(process):
    [port] = free_ports(1)
    console = process("console.py", f"tcp://127.0.0.1:{port}", "sum")
    _, err = console.communicate("relocateSum\n", SECONDS)
    assert console.returncode == 1
    assert "no answer to relocate.sum" in err
