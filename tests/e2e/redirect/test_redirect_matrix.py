"""Six kinds of callers, six kinds of services, and every shape of a value between each pair.

The callers and services of XML and soap are written with the standard library alone: they speak as
real Jolie programs were seen to.
"""

import base64
import gzip
import threading
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from xml.etree import ElementTree

import pytest

from ccproxy.client import Client
from ccproxy.protocols.jolie.json_values import from_tree, to_tree
from ccproxy.protocols.jolie.values import Call, Fault, Long, Result, Tree
from ccproxy.testing import running_server

KINDS = ("sodep", "json", "xml", "soap", "jsonrpc", "cc")
FORMS = {"json": "http"}
"""Kind -> word of the protocol, where they differ."""
IN_TEXT = ("json", "jsonrpc", "cc")
"""Kinds that have no raw: it crosses as base64."""

SHAPES = {
    "void": Tree(),
    "empty": Tree(""),
    "string": Tree("a <b> & \"c\" ' "),
    "unicode": Tree("ä中\U0001f600"),
    "int": Tree(-7),
    "long": Tree(Long(1 << 40)),
    "double": Tree(0.5),
    "bool": Tree(True),
    "raw": Tree(None, {"r": [Tree(b"\x00\xffAB")]}),
    "array": Tree(None, {"n": [Tree(1), Tree(2), Tree(3)]}),
    "nested": Tree(
        None, {"m": [Tree(None, {"x": [Tree(1)], "y": [Tree(None, {"z": [Tree("t")]})]})]}
    ),
    "root": Tree("root", {"n": [Tree(1), Tree(2)], "s": [Tree("beside")]}),
    "large": Tree(None, {"n": [Tree(number) for number in range(900)], "t": [Tree("é" * 9000)]}),
}  # fmt: skip
FAULTS = {
    "failTree": Fault("DivisionByZero", Tree(None, {"a": [Tree(42)]})),
    "failText": Fault("StrFault", Tree("told")),
    "failVoid": Fault("VoidFault", Tree()),
}
TYPES = """
[int]
$ = int
[long]
$ = long
[double]
$ = double
[bool]
$ = bool
[empty]
$ = string
[raw]
r = raw
[array]
n = int
[nested]
m.x = int
[root]
$ = string
n = int
[large]
n = int
[typed]
x = int
[failTree fault DivisionByZero]
a = int
"""


def types() -> str:
    """The types of calls, and the same ones for the answers."""
    blocks = [one for one in TYPES.split("[") if one.strip()]
    calls = [one for one in blocks if "fault" not in one.partition("]")[0]]
    return TYPES + "".join(f"[{one.replace(']', ' answer]', 1)}" for one in calls)


def behave(call: Call):
    """What every service does: it echoes, fails, or looks at the type of x."""
    tree = call.value.tree()
    if call.operation in FAULTS:
        return FAULTS[call.operation]
    if call.operation == "note":
        return Result(Tree())
    if call.operation == "typed" and type(tree.children["x"][0].payload) is not int:
        return Fault("TypeMismatch", Tree("expected INT"))
    return Result(tree)


XSI = "{http://www.w3.org/2001/XMLSchema-instance}"
SOAP = "{http://schemas.xmlsoap.org/soap/envelope/}"
XSD = {bool: "boolean", int: "int", Long: "long", float: "double", str: "string",
       bytes: "base64Binary"}  # fmt: skip
READ = {"xsd:boolean": lambda text: text == "true", "xsd:int": int, "xsd:long": lambda text:
        Long(int(text)), "xsd:double": float, "xsd:base64Binary": base64.b64decode}  # fmt: skip


def text_of(payload) -> str | None:
    if isinstance(payload, bytes):
        return base64.b64encode(payload).decode()
    if isinstance(payload, bool):
        return str(payload).lower()
    return None if payload is None else str(payload)


def element(name: str, tree: Tree, typed: bool) -> ElementTree.Element:
    """A value as XML."""
    made = ElementTree.Element(name)
    made.text = text_of(tree.payload)
    if typed and tree.payload is not None:
        made.set(f"{XSI}type", f"xsd:{XSD[type(tree.payload)]}")
    elif typed and not tree.children:
        made.set(f"{XSI}nil", "true")
    for child, vector in tree.children.items():
        made.extend(element(child, one, typed) for one in vector)
    return made


def tree_of(found: ElementTree.Element, typed: bool) -> Tree:
    """The value of XML."""
    tree = Tree(found.text)
    if typed:
        read = READ.get(found.get(f"{XSI}type", ""), lambda text: text)
        bare = found.get(f"{XSI}nil") == "true" or len(found) and not found.text
        tree = Tree(None if bare else read(found.text or ""))
    for one in found:
        tree.children.setdefault(one.tag, []).append(tree_of(one, typed))
    return tree


def strings(tree: Tree) -> Tree:
    """A value as XML without types has it."""
    children = {name: [*map(strings, vector)] for name, vector in tree.children.items()}
    return Tree(text_of(tree.payload) or None, children)


def in_text(tree: Tree) -> Tree:
    """A value as JSON has it, its raw payloads as base64."""
    payload = text_of(tree.payload) if isinstance(tree.payload, bytes) else tree.payload
    return Tree(payload, {name: [*map(in_text, vector)] for name, vector in tree.children.items()})


def xml_text(found: ElementTree.Element) -> bytes:
    return ElementTree.tostring(found, "utf-8", xml_declaration=False)


def enveloped(inner: ElementTree.Element) -> bytes:
    return (
        b'<?xml version="1.0" encoding="utf-8" ?><SOAP-ENV:Envelope xmlns:SOAP-ENV="%b" '
        b'xmlns:xsd="http://www.w3.org/2001/XMLSchema"><SOAP-ENV:Body>%b</SOAP-ENV:Body>'
        b"</SOAP-ENV:Envelope>" % (SOAP.strip("{}").encode(), xml_text(inner))
    )


class JolieService(BaseHTTPRequestHandler):
    """A service of http with XML: one parser for all calls, answers packed if that is allowed."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    typed = False
    parser = threading.Lock()
    busy = 0

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not JolieService.parser.acquire(blocking=False):
            JolieService.busy += 1
            text = b"org.xml.sax.SAXException: FWK005 parse may not be called while parsing."
            self.close_connection = True
            return self.say(500, text, "text/plain; charset=utf-8")
        try:
            status, answer = self.answered(ElementTree.fromstring(body))
        finally:
            JolieService.parser.release()
        return self.say(status, answer, "text/xml; charset=utf-8")

    def answered(self, root):
        operation = self.headers["X-Jolie-Operation"]
        tree = tree_of(root, False)
        if operation == "note":
            return 204, b""
        if operation == "typed" and not tree.children["x"][0].payload.isdigit():
            found = Fault("TypeMismatch", Tree("expected INT"))
        elif operation in FAULTS:
            found = FAULTS[operation]
        else:
            return 200, xml_text(element(f"{operation}Response", tree, False))
        made = ElementTree.Element(f"{operation}Response")
        made.append(element(found.name, found.value, False))
        return 500, xml_text(made)

    def say(self, status, body, type):
        self.send_response(status)
        self.send_header("Server", "Jolie")
        self.send_header("Content-Type", type)
        if "gzip" in self.headers.get("Accept-Encoding", ""):
            body = gzip.compress(body)
            self.send_header("Content-Encoding", "gzip")
        if status != 204:
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        """The tests look at answers only."""


class SoapService(JolieService):
    """A service of soap without WSDL."""

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        [found] = ElementTree.fromstring(body).find(f"{SOAP}Body")
        operation = self.headers["SOAPAction"].strip('"').rpartition("/")[2]
        assert found.tag == operation
        answer = behave(Call("/", operation, tree_of(found, True)))
        if isinstance(answer, Result):
            return self.say(200, enveloped(element(f"{operation}Response", answer.value, True)),
                            "text/xml; charset=utf-8")  # fmt: skip
        made = ElementTree.Element(f"{SOAP}Fault")
        ElementTree.SubElement(made, "faultcode").text = "SOAP-ENV:Server"
        ElementTree.SubElement(made, "faultstring").text = f"{answer.name}: "
        detail = ElementTree.SubElement(made, "detail")
        detail.append(element(answer.name, answer.value, True))
        return self.say(500, enveloped(made), "text/xml; charset=utf-8")


class HttpCaller:
    """A client of http with XML."""

    def __init__(self, port: int) -> None:
        self.web = HTTPConnection("127.0.0.1", port, timeout=60)

    def ask(self, path: str, operation: str, value: Tree):
        body = xml_text(element(operation, value, False))
        headers = {"Content-Type": "text/xml; charset=utf-8", "X-Jolie-Operation": operation}
        self.web.request("POST", f"/!{path}!/{operation}", body, headers)
        response = self.web.getresponse()
        root = ElementTree.fromstring(response.read())
        assert root.tag == f"{operation}Response"
        if response.status == 200:
            return Result(tree_of(root, False))
        assert response.status == 500
        [found] = root
        return Fault(found.tag, tree_of(found, False))

    def close(self):
        self.web.close()


class SoapCaller(HttpCaller):
    """A client of soap."""

    def ask(self, path: str, operation: str, value: Tree):
        headers = {"Content-Type": "text/xml; charset=utf-8", "SOAPAction": f'"/{operation}"'}
        self.web.request("POST", path, enveloped(element(operation, value, True)), headers)
        response = self.web.getresponse()
        [found] = ElementTree.fromstring(response.read()).find(f"{SOAP}Body")
        if response.status == 200:
            assert found.tag == f"{operation}Response"
            return Result(tree_of(found, True))
        assert (response.status, found.tag) == (500, f"{SOAP}Fault")
        [found] = found.find("detail")
        return Fault(found.tag, tree_of(found, True))


class CcCaller:
    """A client of CC."""

    def __init__(self, address: str) -> None:
        self.client = Client(address)

    def ask(self, path: str, operation: str, value: Tree):
        found = from_tree(value)
        fields = found if isinstance(found, dict) else {} if found is None else {"$": found}
        answer = self.client.request(f"calc.{path[1:]}.{operation}", fields, timeout=60).value
        if error := answer.get("error"):
            return Fault(error["message"], to_tree(error["data"]))
        return Result(to_tree(answer["data"]))

    def close(self):
        self.client.close()


CC_SERVICE = """
from ccproxy import Handler, Reply
FAULTS = {faults!r}

class CcService(Handler):
    def handle(self, message):
        operation = message.type.rpartition(".")[2]
        fields = {{name: one for name, one in message.value().items()
                  if name not in ("req", "time", "hostname", "blob_hash")}}
        data = fields["$"] if fields.keys() == {{"$"}} else fields or None
        answer = {{"data": None if operation == "note" else data}}
        if operation in FAULTS:
            answer = {{"error": FAULTS[operation]}}
        elif operation == "typed" and type(fields["x"]) is not int:
            answer = {{"error": {{"message": "TypeMismatch", "data": "expected INT"}}}}
        self.ctx.act(Reply("reply." + message.type, answer), message)
"""

INI = """
[ccserver]
cc-socket = tcp://127.0.0.1:PORT1
cc-role = remote
plugins = {folder}
[listen:sodep]
protocol = sodep
address = tcp://127.0.0.1:PORT2
type = calc
raw = base64
[listen:http]
protocol = http
address = tcp://127.0.0.1:PORT3
type = calc
types = {folder}/types.ini
raw = base64
[listen:jsonrpc]
protocol = jsonrpc
address = tcp://127.0.0.1:PORT4
type = calc
raw = base64
[listen:soap]
protocol = soap
address = tcp://127.0.0.1:PORT5
type = calc
raw = base64
[routes]
calc.cc = h:cc
{routes}
[h:cc]
handler = cc_service
{redirects}
"""
OPTIONS = {"xml": "format = xml"}


@pytest.fixture(scope="module")
def world(tmp_path_factory, service_class):
    """A server in front of a service of each kind."""
    folder = tmp_path_factory.mktemp("matrix")
    faults = {
        name: {"message": one.name, "data": from_tree(one.value)} for name, one in FAULTS.items()
    }
    (folder / "cc_service.py").write_text(CC_SERVICE.format(faults=faults))
    (folder / "types.ini").write_text(types())
    made, ports = [], {}
    for kind in ("sodep", "json", "jsonrpc"):
        made.append(service_class(FORMS.get(kind, kind), behave))
        ports[kind] = made[-1].port
    webs = []
    for kind, handler in (("xml", JolieService), ("soap", SoapService)):
        webs.append(ThreadingHTTPServer(("127.0.0.1", 0), handler))
        webs[-1].daemon_threads = True
        threading.Thread(target=webs[-1].serve_forever, args=(0.01,)).start()
        ports[kind] = webs[-1].server_port
    words = {"json": "http", "xml": "http"}
    redirects = "".join(
        f"[h:{kind}]\nhandler = redirect\nlocation = socket://127.0.0.1:{port}\nraw = base64\n"
        f"protocol = {words.get(kind, kind)}\ntypes = {folder}/types.ini\n{OPTIONS.get(kind, '')}\n"
        for kind, port in ports.items()
    )
    routes = "\n".join(f"calc.{kind} = h:{kind}" for kind in ports)
    try:
        with running_server(
            INI.format(folder=folder, routes=routes, redirects=redirects), 60
        ) as server:
            yield server
            assert server.stop() == 0
    finally:
        for web in webs:
            web.shutdown()
            web.server_close()
        for one in made:
            one.close()


@pytest.fixture
def connect(world, caller_class):
    """Connect a caller of a kind."""
    made = []
    ports = world.ports

    def connect(kind: str):
        if kind == "xml":
            made.append(HttpCaller(ports["PORT3"]))
        elif kind == "soap":
            made.append(SoapCaller(ports["PORT5"]))
        elif kind == "cc":
            made.append(CcCaller(world.address("PORT1")))
        else:
            port = {"sodep": "PORT2", "json": "PORT3", "jsonrpc": "PORT4"}[kind]
            made.append(caller_class(ports[port], FORMS.get(kind, kind)))
        return made[-1]

    yield connect
    for one in made:
        one.close()


def expected(tree: Tree, caller: str, service: str) -> Tree:
    """The value that comes back: all of it, in the forms that caller and service have."""
    if caller in IN_TEXT or service in IN_TEXT:  # an answer in base64 is a text to others
        tree = in_text(tree)
    return strings(tree) if caller == "xml" else tree


@pytest.mark.xdist_group("matrix")
@pytest.mark.parametrize("caller", KINDS)
@pytest.mark.parametrize("service", KINDS)
def test_every_shape_crosses_from_each_kind_to_each(connect, caller, service):
    one = connect(caller)
    for operation, tree in SHAPES.items():
        sent = in_text(tree) if caller in IN_TEXT else tree
        answer = one.ask(f"/{service}", operation, sent)
        assert isinstance(answer, Result), (operation, answer, answer.value.tree())
        assert answer.value.tree() == expected(tree, caller, service), operation
    for operation, fault in FAULTS.items():
        answer = one.ask(f"/{service}", operation, Tree("x"))
        assert isinstance(answer, Fault), operation
        assert answer.name == fault.name
        assert answer.value.tree() == expected(fault.value, caller, service)
    assert one.ask(f"/{service}", "note", Tree("hi")).value.tree() == Tree()
    answer = one.ask(f"/{service}", "typed", Tree(None, {"x": [Tree("a")]}))
    assert (answer.name, answer.value.tree()) == ("TypeMismatch", Tree("expected INT"))
    answer = one.ask(f"/{service}", "typed", Tree(None, {"x": [Tree(5)]}))
    assert isinstance(answer, Result)


@pytest.mark.xdist_group("matrix")
def test_a_service_with_one_parser_never_gets_two_calls_at_once(connect):
    callers = [connect(kind) for kind in ("sodep", "json", "xml", "soap") * 2]

    def calls(one):
        return [one.ask("/xml", "int", Tree(number)).value.tree() for number in range(30)]

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(calls, callers):
            assert [int(tree.payload) for tree in found] == [*range(30)]
    assert JolieService.busy == 0
