"""The form of soap: requests and answers, whatever stands in the path and in SOAPAction."""

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.soap.form import Soap
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.values import Call, Fault, Reading, Result, Tree, Unportable, io_fault
from ccproxy.protocols.jolie.xml.types import Types

ENVELOPE = (
    '<e:Envelope xmlns:e="http://schemas.xmlsoap.org/soap/envelope/"><e:Body>%s</e:Body>'
    "</e:Envelope>"
)


def post(body: str, *headers: str, target: str = "*", method: str = "POST") -> bytes:
    lines = [f"{method} {target} HTTP/1.1", "Host: localhost", *headers]
    data = body.encode()
    return "\r\n".join([*lines, f"Content-Length: {len(data)}", "", ""]).encode() + data


def asked_by(data: bytes, form: Soap | None = None):
    caller = (form or Soap()).caller()
    [asked] = caller.feed(data)
    if isinstance(asked.call, Reading):
        [asked] = result(asked.call.steps)
    return caller, asked


@pytest.mark.parametrize(
    "action, operation",
    [
        ('SOAPAction: "/sum"', "sum"), ('SOAPAction: "urn:a/b/sum"', "sum"),
        ("SOAPAction: sum", "sum"), ('SOAPAction: "urn:a#sum"', "sum"), ('SOAPAction: ""', "op"),
        ("X: y", "op"), ('SOAPAction: "/"', "op"),
    ],
)  # fmt: skip
def test_the_operation(action, operation):
    _, asked = asked_by(post(ENVELOPE % "<op>x</op>", action))
    assert asked.call.operation == operation
    assert asked.call.value.tree() == Tree("x")


@pytest.mark.parametrize(
    "target, path",
    [
        ("*", "/"), ("/", "/"), ("/Sink", "/Sink"), ("/!/Sink", "/Sink"),
        ("/Sink/Deep", "/Sink/Deep"), ("/Sink?x=1", "/Sink"), ("/base/!/Sink", "/base/Sink"),
        ("http://h/Sink", "/Sink"),
        ("/S%20k", "/S k"),
    ],
)  # fmt: skip
def test_the_resource(target, path):
    _, asked = asked_by(post(ENVELOPE % "<op/>", target=target))
    assert asked.call.path == path
    _, asked = asked_by(post(ENVELOPE % "<op/>", "X-Jolie-ServicePath: /Sink"))
    assert asked.call.path == "/Sink"


WRONG = {
    "no xml": (post("hello", 'SOAPAction: "/sum"'), 500, "the body is no XML"),
    "empty": (post("", 'SOAPAction: "/sum"'), 500, "no element found"),
    "another version": (
        post('<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-envelope"/>'), 500, "SOAP 1.1",
    ),
    "nothing in it": (post(ENVELOPE % ""), 500, "no operation"),
    "a fault": (post(ENVELOPE % "<e:Fault/>", 'SOAPAction: "/sum"'), 500, "no operation"),
    "a method": (post(ENVELOPE % "<op/>", method="PUT"), 405, "method PUT; expected POST"),
    "a charset": (post(ENVELOPE % "<op/>", "Content-Type: text/xml; charset=x-y"), 500, "charset"),
    "a doctype": (post("<!DOCTYPE a []>" + ENVELOPE % "<op/>"), 500, "DOCTYPE"),
}  # fmt: skip


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_be_read_is_answered_with_a_fault_and_the_connection_stays(what):
    data, status, text = WRONG[what]
    caller, asked = asked_by(data)
    assert isinstance(asked.call, Fault) and text in asked.call.value.tree().payload
    caller.answer(asked.token, asked.call)
    out = b"".join(caller.take())
    assert out.startswith(b"HTTP/1.1 %d " % status)
    assert b"<faultstring>IOException: " in out
    assert (b"Allow: POST" in out) == (status == 405)
    [again] = caller.feed(post(ENVELOPE % "<op/>"))
    assert again.call == Call("/", "op", again.call.value)


def told(answer, style: CallStyle | None = None) -> bytes:
    form = Soap()
    form.style = style or CallStyle()
    caller, asked = asked_by(post(ENVELOPE % "<op/>"), form)
    caller.answer(asked.token, answer)
    return b"".join(caller.take())


def test_answers():
    assert b'<opResponse xsi:nil="true"/>' in told(Result(Tree()))
    out = told(Fault("F", Tree("told")))
    assert out.startswith(b"HTTP/1.1 500 ") and b'<F xsi:type="xsd:string">told</F>' in out
    out = told(Fault("F", Tree("told")), CallStyle(fault_status=400, namespace="urn:x"))
    assert out.startswith(b"HTTP/1.1 400 ") and b'<F xmlns="urn:x" xsi:type' in out
    for answer in (Result(Tree(b"\xff")), Fault("no name", Tree()), Fault("F", Tree("\x01"))):
        out = told(answer)
        assert out.startswith(b"HTTP/1.1 500 ")
        assert b"IOException: soap cannot carry the answer: " in out
    assert b">/w==<" in told(Result(Tree(b"\xff")), CallStyle(types=Types(base64=True)))


def test_requests():
    form = Soap("h:1", "/base")
    sent = form.request(Call("/A/B", "sum", Tree(5)), 7)
    assert (sent.target, sent.id, sent.operation) == ("/base/A/B", 7, "sum")
    assert dict(sent.headers)["SOAPAction"] == '"/sum"'
    form.style = CallStyle(namespace="urn:x")
    sent = form.request(Call("/", "sum", Tree(5)), 7)
    assert (sent.target, dict(sent.headers)["SOAPAction"]) == ("/base", '"urn:x/sum"')
    for call in (Call("/", "a b", Tree()), Call("/", "sum", Tree(b"\xff")),
                 Call("/../x", "sum", Tree())):  # fmt: skip
        with pytest.raises(Unportable):
            form.request(call, 1)


def answer_to(status: str, body: bytes):
    side = Soap().service()
    side.send(Soap().request(Call("/", "op", Tree()), 3))
    head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    [found] = side.feed(head + body)
    assert found.id == 3
    return found.answer


def test_answers_of_services():
    said = (ENVELOPE % "<e:Fault><detail><F>x</F></detail></e:Fault>").encode()
    for status in ("500 No", "200 OK", "400 No"):
        answer = answer_to(status, said)
        assert (answer.name, answer.value.tree()) == ("F", Tree("x"))
    bare = (ENVELOPE % "<e:Fault><faultstring>why</faultstring></e:Fault>").encode()
    assert answer_to("500 No", bare) == Fault("UnknownFault", Tree("why"))
    assert answer_to("202 Accepted", b"") == Result(Tree())
    assert answer_to("200 OK", (ENVELOPE % "").encode()) == Result(Tree())
    answer = answer_to("404 Not Found", b"<html>")
    assert answer.value.tree().payload.startswith("HTTP status 404: the body is no ")
    assert answer_to("503 Busy", (ENVELOPE % "<x/>").encode()) == io_fault("HTTP status 503")


def test_large_values_are_read_and_written_in_steps():
    text = "x" * 100_000
    caller, asked = asked_by(post(ENVELOPE % f"<op><t>{text}</t></op>"))
    assert asked.call.value.tree().children["t"][0].payload == text
    form = Soap()
    steps = form.prepare(asked.call.value)
    assert sum(1 for _ in steps) > 5
    caller.answer(asked.token, Result(result(form.prepare(asked.call.value, asked.token))))
    assert text.encode() in b"".join(caller.take())
    assert form.prepare(Tree("x")) is None
