"""Bytes of real Jolie programs that speak XML and soap, read and written as those programs did.

Where the original loses or alters something, the test says what is done instead.
"""

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.http import Http
from ccproxy.protocols.jolie.soap.form import Soap
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.values import Call, Fault, Long, Reading, Result, Tree, Unportable

VECTORS = Path(__file__).parents[3] / "vectors" / "jolie"
FORMS = {"xml": Http, "soap": Soap}
NO_FORM = {
    "xml_attributes": "@Other", "soap_attributes": "@Attributes", "xml_raw": "not utf-8",
    "soap_raw": "not utf-8",
}  # fmt: skip
"""Calls that the original sends without a part of them, or altered, and we refuse."""
LOSSY = {"soap_attributes", "soap_raw", "soap_fault"}
"""Answers from which the original service had left something out."""


def form_of(file: Path):
    form = FORMS[file.stem.partition("_")[0]]()
    form.style = CallStyle("xml")
    return form


def tree(value) -> Tree:
    content = value.get("content")
    if isinstance(content, dict):
        [(kind, text)] = content.items()
        content = {"int": int, "long": Long, "double": float, "raw": bytes.fromhex}[kind](text)
    children = value.get("children", {})
    return Tree(content, {name: [tree(one) for one in vector] for name, vector in children.items()})


def whole(found):
    return result(found.steps) if isinstance(found, Reading) else found


def call_in(file: Path, data: bytes):
    [asked] = form_of(file).caller().feed(data)
    return whole(asked.call)[0].call if isinstance(asked.call, Reading) else asked.call


def answer_in(file: Path, data: bytes):
    form = form_of(file)
    side = form.service()
    side.send(form.request(Call("/", "op", Tree()), 1))
    [answered] = side.feed(data)
    return whole(answered.answer)


def steps(direction: str):
    for file in sorted(VECTORS.glob("*.json")):
        if file.stem.startswith(tuple(FORMS)):
            for number, step in enumerate(json.loads(file.read_text("utf-8")).get("steps", ())):
                if step.get("direction") == direction and "hex" in step:
                    yield pytest.param(file, step, id=f"{file.stem}-{number}")


REQUESTS = [*steps("client -> service")]
ANSWERS = [*steps("service -> client")]


def canonical(element):
    children = sorted(map(canonical, element), key=lambda one: one[0])
    return element.tag, element.text or "", sorted(element.attrib.items()), children


@pytest.mark.parametrize("file, step", REQUESTS)
def test_requests_of_real_clients_are_read(file, step):
    call = call_in(file, bytes.fromhex(step["hex"]))
    meant = step["same_call_over_sodep"]
    # The original loses the text beside children of soap; it is kept here.
    keeps = file.stem == "soap_root"
    expected = meant if keeps else step.get("read_without_types") or meant
    assert (call.path, call.operation) == (meant["resourcePath"], meant["operation"])
    assert call.value.tree() == tree(expected["value"])


@pytest.mark.parametrize("file, step", REQUESTS)
def test_the_same_requests_are_written(file, step):
    meant = step["same_call_over_sodep"]
    call = Call("/", meant["operation"], tree(meant["value"]))
    if file.stem in NO_FORM:
        with pytest.raises(Unportable, match=NO_FORM[file.stem]):
            form_of(file).request(call, 1)
        return
    sent = form_of(file).request(call, 1)
    said = step["decoded_body"].encode()
    assert canonical(ElementTree.fromstring(sent.body)) == canonical(ElementTree.fromstring(said))
    head = step["decoded_head"][1:]
    theirs = {line.partition(": ")[0]: line.partition(": ")[2] for line in head}
    for name, value in sent.headers:
        if name not in ("Host", "Accept-Encoding"):
            assert theirs[name] == value


@pytest.mark.parametrize("file, step", ANSWERS)
def test_answers_of_real_services_are_read(file, step):
    answer = answer_in(file, bytes.fromhex(step["hex"]))
    status = int(step["decoded_head"][0].split()[1])
    assert isinstance(answer, Fault if status == 500 else Result)
    meant = step.get("same_call_over_sodep")
    if meant is None or file.stem in LOSSY:
        return
    if meant["fault"]:
        assert answer.name == meant["fault"]["name"]
    expected = tree((meant["fault"] or meant)["value"])
    found = answer.value.tree()
    if file.stem.startswith("soap"):
        assert found == expected
    else:
        # XML says no types: payloads are strings, no text is void, and @Other was left out.
        expected.children.pop("@Other", None)
        assert shape(found) == shape(expected)


def shape(node: Tree):
    return {name: [*map(shape, vector)] for name, vector in sorted(node.children.items())}


def cases(name: str):
    file = VECTORS / f"{name}.json"
    found = json.loads(file.read_text("utf-8"))["cases"]
    return [pytest.param(file, one, id=f"{name}: {one['name']}") for one in found]


FAULT = "a fault"
DOCTYPE = "DOCTYPE"
BETTER = {
    "obvious spelling without second token": ("/Sink", "1"),
    "base path before the token": ("/Sink", "1"),
    "no resource": ("/", "1"),
    "unknown resource": ("/Nope", "1"),
    "no Content-Type: raw": FAULT,
    "text/plain: string": ("/Sink", "<op>1</op>"),
    "quoted charset parameter is not understood": ("/Sink", "x"),
    "internal entity": DOCTYPE,
    "external entity: the file is read": DOCTYPE,
    "attribute default from the internal subset": DOCTYPE,
    "exponential entities: stopped by the JDK limit": DOCTYPE,
    "text beside children is lost": ("/Sink", "root"),
    "number beside children becomes 0": ("/Sink", 7),
    "unreadable numbers become 0": FAULT,
    "doubles": FAULT,
    "booleans": ("/Sink", None),
    "nil": ("/Sink", None),
    "attribute without prefix: no answer": ("/Sink", None),
    "empty soap body: no answer": ("/Sink", None),
    "convertAttributes: prefixed attributes": ("/Sink", None),
}
"""What is done where the original gives no answer, loses or alters something, or reads a file: the
resource path and the payload of the value, or a fault."""


def read(file: Path, case):
    """The call or fault of a hand-made request."""
    return call_in(file, bytes.fromhex(case["request_hex"]))


@pytest.mark.parametrize(
    "file, case",
    [*cases("xml_paths"), *cases("xml_parse"), *cases("xml_entities"), *cases("soap_parse")],
)
def test_hand_made_requests(file, case):
    name, meant = case["name"], case.get("forwarded_sodep")
    if name.startswith("typed"):
        pytest.skip("the types stand in a file here; see test_types")
    found = read(file, case)
    better = BETTER.get(name)
    if better is None and meant:
        # The original has taken the name of the resource away already.
        assert found.path.removeprefix("/Sink") or meant["resourcePath"] == "/"
        assert (found.operation, found.value.tree()) == (meant["operation"], tree(meant["value"]))
    elif isinstance(better, tuple):
        assert (found.path, found.value.tree().payload) == better
    else:
        assert isinstance(found, Fault)
        assert better != DOCTYPE or DOCTYPE in found.value.tree().payload


OPERATIONS = {
    "path /Sink/Deep": ("/Sink/Deep", "op"),
    "path *": ("/", "op"),
    "unknown resource": ("/Nope", "op"),
    "the same with X-Jolie-ServicePath: ignored": ("/Sink", "op"),
    "aggregating port: action decides": ("/", "sum"),
    "aggregating port, no SOAPAction": ("/", "sum"),
}
"""Case -> resource path and operation; of the others /Sink and what SOAPAction says, else op."""


@pytest.mark.parametrize("file, case", cases("soap_operation"))
def test_the_operation_of_hand_made_requests(file, case):
    found = read(file, case)
    if case["name"] == "GET":
        assert isinstance(found, Fault)
        return
    meant = case.get("forwarded_sodep")
    path, operation = OPERATIONS.get(case["name"], ("/Sink", meant and meant["operation"]))
    assert found.path == path
    assert operation is None or found.operation == operation


@pytest.mark.parametrize(
    "file, case",
    [
        *cases("xml_replies"),
        *cases("soap_replies"),
        *cases("xml_requests"),
        *cases("soap_requests"),
    ],
)
def test_hand_made_values_are_written(file, case):
    """What the original wrote for a value, or a refusal that names what it cannot carry."""
    form = form_of(file)
    if "sodep_request" in case:
        asked, sent = case["sodep_request"], case["http_request"]
        body = written(lambda: form.request(Call("/", asked["operation"], tree(asked["value"])), 1))
    else:
        reply, sent = case["service_reply_sodep"], case["response"]
        fault = reply["fault"]
        value = tree(fault["value"] if fault else reply["value"])
        body = written(
            lambda: answered(form, Fault(fault["name"], value) if fault else Result(value))
        )
    theirs = sent.get("decoded_body") if isinstance(sent, dict) else None
    if isinstance(body, str):
        assert case["name"] in UNWRITTEN or theirs is None, body
    elif case["name"] not in DIFFERENT:
        assert canonical(ElementTree.fromstring(body)) == canonical(ElementTree.fromstring(theirs))


def written(make):
    """The body, or the reason why there is none."""
    try:
        return make().body
    except Unportable as reason:
        return str(reason)


def answered(form, answer):
    """The response of a caller's connection, as `Sending`."""
    sent = []
    caller = form.caller()
    data = (b"POST /op HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/xml\r\n"
            b"SOAPAction: op\r\nContent-Length: %d\r\n\r\n%b")  # fmt: skip
    empty = EMPTY if form.name == "soap" else b"<op/>"
    [asked] = caller.feed(data % (len(empty), empty))
    caller._server.respond = sent.append
    caller.answer(asked.token, answer)
    if b"cannot carry the answer" in sent[0].body:
        raise Unportable(sent[0].body.decode())
    return sent[0]


EMPTY = (
    b'<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body><op/></e:Body>'
    b"</e:Envelope>"
)
UNWRITTEN = {
    "tree with attributes", "odd characters", "raw 00 ff 41", "raw",
    "child name that is no XML name", "child name that is no XML name: no answer",
    "fault name that is no XML name", "tree with attributes: attributes dropped",
    "parameter convertAttributes", "location path /some/path, parameter namespace urn:test",
    "parameters convertAttributes, namespace urn:resp",
}  # fmt: skip
"""Cases that are refused by the name of a field: @Other; attributes towards soap, which programs
without convertAttributes fail at; U+0001, which no XML reader takes; raw that is no text."""
DIFFERENT = {"parameter method get: query", "parameters convertAttributes, namespace urn:resp",
             "the same, fault"}  # fmt: skip
"""Cases with a parameter of the original that has no counterpart, or is tested elsewhere."""
