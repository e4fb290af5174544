"""The table in docs/architecture.md is true: so many files, and no others, are touched to add one.

Additions in one file are made here, in a folder that a configuration names; that nothing else
knows a built-in one is looked up in the sources.
"""

import json
import re
import threading
from contextlib import closing
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from ccproxy import Context, cli
from ccproxy.commands import common
from ccproxy.commands.dry import DryContext
from ccproxy.server.context import HandlerContext
from ccproxy.testing import FakeContext, running_server

ROOT = Path(__file__).parents[1]
KERNEL = ("core", "config", "net", "server", "process", "wire")
INI = """[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = {folder}
[routes]
hello = h:one
[h:one]
handler = one
{option}
"""
HANDLER = """
from dataclasses import dataclass
from ccproxy import Handler, kinds, option

class One(Handler):
    @dataclass(frozen=True, slots=True)
    class Options:
        colour: str = option(kinds.choice("red", "blue"), default="red", help="what it is painted")
"""
VERB = """
from ccproxy.verb import Verb

class Two(Verb):
    about = "count to a number"
    examples = "examples:\\n  ccserver two x.ini --to 3"

    def arguments(self, parser):
        parser.add_argument("file", help="a configuration")
        parser.add_argument("--to", type=int, default=2, help="the last number")

    def run(self, options):
        print(*range(1, options.to + 1))
        return 0
"""


@pytest.fixture
def configuration(tmp_path):
    """Writes a configuration whose plugin folder is the test's own; its path."""
    (tmp_path / "one.py").write_text(HANDLER)

    def write(option: str = "") -> Path:
        text = INI.format(folder=tmp_path, option=option).replace("PORT1", "22632")
        (tmp_path / "it.ini").write_text(text)
        return tmp_path / "it.ini"

    return write


def test_an_option_is_one_line_of_its_handler(configuration):
    plan, problems = common.load(configuration("colour = blue"))
    assert plan is not None and problems == []
    assert plan.handlers[0].options.colour == "blue"
    [problem] = common.load(configuration("colour = green"))[1]
    assert "red or blue" in str(problem)
    [problem] = common.load(configuration("color = blue"))[1]
    assert 'did you mean "colour"' in str(problem)


def test_a_handler_is_one_file(tmp_path):
    (tmp_path / "one.py").write_text(HANDLER)
    with running_server(INI.format(folder=tmp_path, option="")) as server:
        assert server.stop() == 0


def test_a_verb_is_one_file(configuration, tmp_path, capsys):
    (tmp_path / "two.py").write_text(VERB)
    assert cli.main(["two", str(configuration()), "--to", "3"]) == 0
    assert capsys.readouterr().out == "1 2 3\n"


CALLS = """
from ccproxy.protocols.jolie.jsonrpc.protocol import JsonRpcProtocol

class Three(JsonRpcProtocol):
    about = "calls as in JSON-RPC, under a name of its own"
"""
CALLS_INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = {folder}
[listen:calls]
protocol = three
address = tcp://127.0.0.1:PORT2
type = calc
[routes]
calc = h:service
[h:service]
handler = redirect
protocol = three
location = socket://127.0.0.1:{service}
"""


class Service(BaseHTTPRequestHandler):
    """Answers JSON-RPC requests with their operation and `x` twice."""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        result = {"called": request["method"], "twice": 2 * request["params"]["x"]}
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """The test looks at answers only."""


@pytest.fixture
def service():
    """The port of a service that speaks JSON-RPC."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Service) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_a_protocol_of_calls_is_one_file(tmp_path, service):
    """A listener takes calls in it, and a redirect calls a service in it."""
    (tmp_path / "three.py").write_text(CALLS)
    with running_server(CALLS_INI.format(folder=tmp_path, service=service), 60) as server:
        with closing(HTTPConnection("127.0.0.1", server.ports["PORT2"], timeout=60)) as caller:
            call = {"jsonrpc": "2.0", "id": 7, "method": "double", "params": {"x": 4}}
            caller.request("POST", "/", json.dumps(call))
            answer = json.loads(caller.getresponse().read())
        assert server.stop() == 0
    assert answer == {"jsonrpc": "2.0", "id": 7, "result": {"called": "double", "twice": 8}}


def test_a_method_of_the_context_is_the_contract_and_the_server(monkeypatch):
    """What the contract does by itself is enough for tests of handlers and for `explain`."""
    monkeypatch.setattr(Context, "brand_new", lambda self: "as the contract says", raising=False)
    for implementation in (DryContext("h:one", {}), FakeContext("h:one")):
        assert implementation.brand_new() == "as the contract says"
    implementation.close()
    assert issubclass(HandlerContext, Context)


OPTIONS_OF_THAT_NAME = {"http": ["monitor.py", "control_client.py"]}
"""Files that know an option, or a scheme of addresses, which has the name of a protocol."""


def quoted(word: str) -> list[str]:
    """Files of the kernel that have the word as a text of its own."""
    pattern = re.compile(rf"""["']{word}["']""")
    files = [file for folder in KERNEL for file in ROOT.glob(f"ccproxy/{folder}/**/*.py")]
    return [file.name for file in files if pattern.search(file.read_text("utf-8"))]


@pytest.mark.parametrize("word", ["ssmmp", "sodep", "http", "jsonrpc"])
def test_a_protocol_is_known_to_its_folder_only(word):
    assert quoted(word) == OPTIONS_OF_THAT_NAME.get(word, [])
    protocols = ROOT / "ccproxy" / "protocols"
    assert (protocols / word).is_dir() or (protocols / "jolie" / word).is_dir()


@pytest.mark.parametrize("word", ["run", "mesh", "relocate", "send", "explain", "examples"])
def test_a_verb_is_known_to_its_module_only(word):
    text = (ROOT / "ccproxy" / "cli.py").read_text("utf-8")
    if word != cli.DEFAULT:
        assert f'"{word}"' not in text
