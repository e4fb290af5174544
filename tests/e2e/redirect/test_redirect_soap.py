"""conf/redirect-soap.ini as it is: the two examples of Jolie's site, with services that move."""

import re
import subprocess
import sys
import threading
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path

import pytest

from ccproxy import cli
from ccproxy.client import Client
from ccproxy.protocols.jolie.values import Fault, Tree

ROOT = Path(__file__).parents[3]
PORT = re.compile(r"226(8[0-9])")
SERVICES = {"84": ("sum", "soap"), "85": ("sub", "soap"), "86": ("sum", "http"),
            "87": ("sum", "soap")}  # fmt: skip
OURS = {"80": "PORT1", "81": "PORT2", "82": "PORT8", "83": "PORT3", "89": "PORT5", "88": "PORT6"}
"""The ends of the ports in the file, and the words for those that are free here."""


@pytest.fixture
def services():
    """The ports of services in processes of their own, by the ends of those in the file."""
    made = {}
    for end, (operation, protocol) in SERVICES.items():
        command = [sys.executable, str(ROOT / "contrib" / "redirect" / "web_service.py"),
                   operation, "--protocol", protocol]  # fmt: skip
        made[end] = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    yield {end: int(process.stdout.readline()) for end, process in made.items()}
    for process in made.values():
        process.terminate()
        process.wait()
        process.stdout.close()


@pytest.fixture
def server(start, services):
    text = (ROOT / "conf" / "redirect-soap.ini").read_text("utf-8")
    return start(PORT.sub(lambda one: str(services.get(one[1]) or OURS[one[1]]), text))


def sum_of(x, y):
    return Tree(None, {"x": [Tree(x)], "y": [Tree(y)]})


def test_soap_and_xml_services_behind_one_sodep_address(server, caller, value_of):
    one = caller("sodep")
    assert value_of(one.ask("/Sum", "sum", sum_of(5, 3))) == 8
    assert value_of(one.ask("/Sub", "sub", sum_of(5, 3))) == 2
    assert value_of(one.ask("/Web", "sum", sum_of(5, 3))) == 8
    for resource in ("/Sum", "/Web"):
        assert value_of(one.ask(resource, "other", sum_of(1, 1))) == (
            "IOException", "Invalid operation: other",
        )  # fmt: skip
        assert value_of(one.ask(resource, "sum", sum_of("a", 1))) == (
            "TypeMismatch", "expected INT",
        )  # fmt: skip
    assert value_of(caller("soap", "PORT8").ask("/Web", "sum", sum_of(1, 2))) == 3
    with closing(HTTPConnection("127.0.0.1", server.ports["PORT3"], timeout=60)) as web:
        body = b"<sum><x>5</x><y>3</y></sum>"
        web.request("POST", "/!/Sum!/sum", body, {"Content-Type": "text/xml"})
        assert web.getresponse().read() == b"<sumResponse>8</sumResponse>"
    with Client(server.address("PORT1")) as client:
        answer = client.request("calc.Web.sum", {"x": 2, "y": 3}, timeout=60)
        assert answer.value["data"] == 5


def test_a_soap_service_moves_while_it_is_called(server, services, service, caller, capsys):
    """As often as the first example does it, to another soap service and to one of sodep."""
    far = service("sodep")
    places = [
        (f"socket://127.0.0.1:{services['87']}", "soap"),
        (far.location, "sodep"),
        (f"socket://127.0.0.1:{services['84']}", "soap"),
    ]
    wrong, over, counts = [], threading.Event(), [0] * 3

    def call(number: int) -> None:
        one = caller("sodep")
        while not over.is_set():
            answer = one.ask("/Sum", "sum", sum_of(number, counts[number]))
            if isinstance(answer, Fault) or answer.value.tree() != Tree(number + counts[number]):
                wrong.append(answer)
            counts[number] += 1

    threads = [threading.Thread(target=call, args=(number,)) for number in range(3)]
    for thread in threads:
        thread.start()
    try:
        for location, protocol in places * 3:
            before = sum(counts)
            command = ["relocate", server.address("PORT5"), "sum", location, "--protocol", protocol]
            assert cli.main(command) == 0
            while sum(counts) < before + 10 and not wrong and all(t.is_alive() for t in threads):
                over.wait(0.01)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert not wrong and min(counts) > 0
    assert far.calls
    assert capsys.readouterr().out.count('"before"') == 9
