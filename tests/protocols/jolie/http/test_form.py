import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols.jolie.http import Http, HttpLimits
from ccproxy.protocols.jolie.http.access import WebAccess
from ccproxy.protocols.jolie.http.packing import Packing
from ccproxy.protocols.jolie.json_values import to_tree
from ccproxy.protocols.jolie.style import CallStyle
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree, Unexecuted, io_fault

VECTORS = Path(__file__).parents[3] / "vectors" / "jolie"


def steps(name: str) -> list[dict]:
    found = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))["steps"]
    return [one for one in found if one.get("protocol") == "http"]


def exchanges(name: str) -> list[tuple[dict, dict]]:
    """Request and response of each HTTP exchange of a vector."""
    found = steps(name)
    return list(zip(found[::2], found[1::2], strict=True))


HJ = exchanges("x_HJ")
HS = exchanges("x_hs")


def asked_by(data: bytes):
    caller = Http().caller()
    (asked,) = caller.feed(data)
    return caller, asked


@pytest.mark.parametrize(("request_", "response"), HJ + HS, ids=lambda one: None)
def test_exchanges_of_the_original(request_, response):
    caller, asked = asked_by(bytes.fromhex(request_["hex"]))
    target = request_["decoded_head"][0].split()[1]
    operation = target.rpartition("/")[2]
    assert asked.call.operation == operation
    assert asked.call.path == ("/Sum" if target.startswith("/!/") else "/")
    assert asked.call.value.tree() == to_tree(json.loads(request_["decoded_body"] or "null"))

    service = Http().service()
    service.send(Http().request(asked.call, 5))
    ((id, answer),) = service.feed(bytes.fromhex(response["hex"]))
    body = json.loads(response["decoded_body"] or "null")
    assert id == 5
    assert not service.broken
    if "500" in response["decoded_head"][0]:
        assert answer.name == body["error"]["message"]
        assert answer.value.tree() == to_tree(body["error"]["data"])
    else:
        assert answer.value.tree() == to_tree(body)

    caller.answer(asked.token, answer)
    out = b"".join(caller.take())
    ours = json.loads(out.partition(b"\r\n\r\n")[2])
    assert ours == (body or {})
    assert f"X-Jolie-Operation: {operation}".encode() in out


def test_a_request_to_a_service_says_what_the_original_says():
    for request, _ in HJ:
        _, asked = asked_by(bytes.fromhex(request["hex"]))
        sent = b"".join(Http("localhost").service().send(Http("localhost").request(asked.call, 1)))
        head, _, body = sent.partition(b"\r\n\r\n")
        assert body.decode() == request["decoded_body"]
        theirs = set(request["decoded_head"]) - {"Accept-Encoding: gzip, deflate"}
        assert theirs <= set(head.decode().split("\r\n"))


def post(body: bytes, *headers: str, target: str = "/!/Sum!/sum", method: str = "POST") -> bytes:
    head = [f"{method} {target} HTTP/1.1", "Host: h", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join([*head, "", ""]).encode() + body


@pytest.mark.parametrize(
    ("data", "tree"),
    [
        (post(b""), Tree()),
        (post(b"8"), Tree(8)),
        (post(b"[1,2]"), Tree(None, {"_": [Tree(1), Tree(2)]})),
        (post(b"x=5&x=6", "Content-Type: application/x-www-form-urlencoded"),
         Tree(None, {"x": [Tree("5"), Tree("6")]})),
        (post(b'{"x":5}', "Content-Type: application/x-www-form-urlencoded"),
         Tree(None, {"x": [Tree(5)]})),
        (post(b"hi", "Content-Type: text/plain"), Tree("hi")),
        (post(b'--X\r\nContent-Disposition: form-data; name="x"\r\n\r\n5\r\n--X--',
              "Content-Type: multipart/form-data; boundary=X"), Tree(None, {"x": [Tree("5")]})),
        (post(b"\xff", "Content-Type: application/octet-stream"), Tree(b"\xff")),
        (post(b"", target="/sum?x=5", method="GET"), Tree(None, {"x": [Tree("5")]})),
        (post(b"", target="/sum?x=5", method="DELETE"), Tree(None, {"x": [Tree("5")]})),
        (post(b'{"x":5}', target="/sum?x=1&y=2", method="DELETE"),
         Tree(None, {"x": [Tree(5)], "y": [Tree("2")]})),
        (post(b'{"x":5}', target="/sum?x=1&y=2"), Tree(None, {"x": [Tree(5)], "y": [Tree("2")]})),
    ],
)  # fmt: skip
def test_values_of_requests(data, tree):
    _, asked = asked_by(data)
    assert asked.call.value.tree() == tree


@pytest.mark.parametrize(
    "data",
    [
        post(b"{}\n{}", "Content-Type: application/x-ndjson"),
        post(b"{"),
        post(b"\xff", "Content-Type: application/json"),
        post(b'{"a":1,"a":2}'),
        post(b"x", "Content-Encoding: br"),
        post(b"{}", method="BREW"),
    ],
)
def test_what_cannot_be_read_is_answered_with_a_fault_and_the_connection_stays(data):
    caller, asked = asked_by(data)
    assert isinstance(asked.call, Fault)
    caller.answer(asked.token, asked.call)
    out = b"".join(caller.take())
    assert out.startswith(b"HTTP/1.1 500")
    assert json.loads(out.partition(b"\r\n\r\n")[2])["error"]["message"] == "IOException"
    assert not caller.closing


@pytest.mark.parametrize("target", ["/", "/?x=1", "/!/Sum!/"])
def test_a_request_without_operation_is_told_what_is_missing(target):
    _, asked = asked_by(f"GET {target} HTTP/1.1\r\nHost: h\r\n\r\n".encode())
    assert asked.call.value.payload == (
        f"no operation in the target {target}; expected /OPERATION or /!/RESOURCE!/OPERATION"
    )
    _, asked = asked_by(
        f"GET {target} HTTP/1.1\r\nHost: h\r\nX-Jolie-Operation: a\r\n\r\n".encode()
    )
    assert asked.call.operation == "a"


@pytest.mark.parametrize("part", [b"", post(b"{}")[:-1]])
def test_who_leaves_says_so(part):
    caller = Http().caller()
    assert caller.feed(part) == []
    caller.drain("over")
    assert caller.closing and not caller.broken
    out = b"".join(caller.take())
    assert out.startswith(b"HTTP/1.1 503") == bool(part)
    assert b'"data":"over"' in out or not part


def test_garbage_is_answered_and_the_connection_closed():
    caller = Http().caller()
    assert caller.feed(b"\x00\x01\r\n\r\n") == []
    assert b'"message":"IOException"' in b"".join(caller.take())
    assert caller.broken
    assert caller.closing


def test_an_answer_json_cannot_carry_is_a_fault():
    caller, asked = asked_by(post(b"", "X-Jolie-MessageID: 12"))
    caller.answer(asked.token, Result(Tree(b"raw")))
    out = b"".join(caller.take())
    assert out.startswith(b"HTTP/1.1 500")
    assert b"X-Jolie-MessageID: 12" in out
    assert b"raw" in out


@pytest.mark.parametrize(
    ("response", "name", "text"),
    [
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "IOException", "status 404"),
        (b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n", "IOException", "status 302"),
        (b"HTTP/1.1 500 X\r\nContent-Length: 2\r\n\r\n{}", "IOException", "status 500"),
        (b"HTTP/1.1 200 X\r\nContent-Length: 1\r\n\r\n{", "IOException", "no JSON"),
        (b'HTTP/1.1 400 X\r\nContent-Length: 31\r\n\r\n{"error":{"message":"Big"}}', "Big", None),
    ],
)  # fmt: skip
def test_statuses_that_are_faults(response, name, text):
    service = Http().service()
    service.send(Http().request(Call("/", "sum", Tree()), 1))
    length = len(response.partition(b"\r\n\r\n")[2])
    response = response.replace(b"Length: 31", b"Length: %d" % length)
    ((_, answer),) = service.feed(response)
    assert answer.name == name
    found = answer.value.tree().payload
    assert found is None if text is None else text in found


@given(st.binary(max_size=60))
@settings(deadline=None)
def test_bodies_of_any_kind_are_answered(body):
    caller, asked = asked_by(post(body))
    if isinstance(asked.call, Fault):
        caller.answer(asked.token, asked.call)
    else:
        caller.answer(asked.token, Result(asked.call.value))
    assert b"".join(caller.take()).startswith(b"HTTP/1.1 ")
    assert Http(limits=HttpLimits(body=10)).limits.body == 10


@pytest.mark.parametrize(
    "data", [post(b"x" * 101), post(gzip.compress(b" " * 101, mtime=0), "Content-Encoding: gzip")]
)
def test_a_body_too_large_packed_or_unpacked(data):
    caller = Http(limits=HttpLimits(body=100)).caller()
    assert caller.feed(data) == []
    assert caller.broken and caller.too_big and caller.closing
    head, _, body = b"".join(caller.take()).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 413")
    error = json.loads(body)["error"]
    assert error["message"] == "IOException"
    assert "more than 100 bytes" in error["data"]


XML = "Content-Type: text/xml; charset=utf-8"


@pytest.mark.parametrize(
    "body, header, text",
    [
        (b"<!DOCTYPE a><a/>", XML, b"DOCTYPE"),
        (b"<a>", XML, b"no XML"),
        (b"\xe9", "Content-Type: text/xml; charset=x-y", b"charset"),
        (b"<a>\xe9</a>", XML, b"is not utf-8: byte 3"),
        (b"<a>\xff\xff</a>", "Content-Type: text/xml; charset=utf-16", b"is not utf-16"),
    ],
)
def test_xml_that_cannot_be_read_is_answered_in_xml(body, header, text):
    caller, asked = asked_by(post(body, header))
    assert isinstance(asked.call, Fault)
    caller.answer(asked.token, asked.call)
    out = b"".join(caller.take())
    assert out.startswith(b"HTTP/1.1 500 ") and b"<sumResponse><IOException>" in out
    assert text in out
    [again] = caller.feed(post(b"<a><x>1</x></a>", XML))
    assert again.call.value.tree() == Tree(None, {"x": [Tree("1")]})


@pytest.mark.parametrize(
    "headers, answer",
    [
        ((XML,), b"<sumResponse>5</sumResponse>"),
        ((XML, "Accept: application/json"), b'{"$":5}'),
        (("Content-Type: application/soap+xml",), b"<sumResponse>5</sumResponse>"),
        (("Content-Type: application/json", "Accept: text/xml"), b'{"$":5}'),
    ],
)
def test_the_answer_has_the_format_of_the_call_or_the_one_that_is_accepted(headers, answer):
    body = b"<sum/>" if b"xml" in headers[0].encode() else b"{}"
    caller, asked = asked_by(post(body, *headers))
    caller.answer(asked.token, Result(Tree(5)))
    assert b"".join(caller.take()).endswith(b"\r\n\r\n" + answer)


def test_a_call_without_body_is_answered_in_xml_if_it_accepts_nothing_else():
    for accept, xml in (("text/xml", True), ("application/xml", True), ("*/*", False),
                        ("text/html,application/xml;q=0.9", False)):  # fmt: skip
        data = post(b"", f"Accept: {accept}", target="/sum?x=5", method="GET")
        caller, asked = asked_by(data)
        caller.answer(asked.token, Result(Tree(5)))
        assert (b"<sumResponse>" in b"".join(caller.take())) == xml


def test_a_fault_for_a_jolie_client_has_the_type_by_which_it_reads_its_data():
    caller, asked = asked_by(post(b"{}", "X-Jolie-Operation: sum"))
    caller.answer(asked.token, Fault("F", Tree("x")))
    assert b"\r\nContent-Type: application/json\r\n" in b"".join(caller.take())


def xml_form(**style) -> Http:
    form = Http()
    form.style = CallStyle(**style)
    return form


def sent_and_answered(form: Http, status: str, body: bytes, type: str = "text/xml"):
    side = form.service()
    request = form.request(Call("/", "sum", Tree(None, {"x": [Tree(5)]})), 7)
    side.send(request)
    head = f"HTTP/1.1 {status}\r\nContent-Type: {type}\r\nContent-Length: {len(body)}\r\n\r\n"
    [answered] = side.feed(head.encode() + body)
    return request, answered.answer, side


def test_xml_towards_a_service_and_its_answers():
    form = xml_form(format="xml")
    assert form.serial
    request, answer, _ = sent_and_answered(form, "200 OK", b"<sumResponse>8</sumResponse>")
    assert request.body == b"<sum><x>5</x></sum>"
    assert answer.value.tree() == Tree("8")
    _, answer, _ = sent_and_answered(form, "500 No", b"<sumResponse><F><a>1</a></F></sumResponse>")
    assert (answer.name, answer.value.tree()) == ("F", Tree(None, {"a": [Tree("1")]}))
    for body in (b"<html><a/><b/></html>", b"<p>text</p>", b""):
        _, answer, _ = sent_and_answered(form, "500 No", body)
        assert answer == io_fault("HTTP status 500")
    sent = form.request(Call("/", "a/b", Tree()), 1)
    assert (sent.target, sent.body) == ("/a/b".replace("/b", "%2Fb"), b"<Request/>")


def test_json_until_the_service_refuses_it():
    form = xml_form()
    request, answer, side = sent_and_answered(form, "415 No", b"", "text/plain")
    assert dict(request.headers)["Accept"] == "application/json"
    assert isinstance(answer, Unexecuted) and not side.closing
    assert answer.request.body == b"<sum><x>5</x></sum>" and answer.request.id == 7
    assert form.serial and form.request(Call("/", "sum", Tree()), 8).body == b"<sum/>"
    _, answer, _ = sent_and_answered(form, "415 No", b"", "text/plain")
    assert isinstance(answer, Fault)
    _, answer, _ = sent_and_answered(xml_form(format="json"), "415 No", b"", "text/plain")
    assert isinstance(answer, Fault)


def test_a_busy_parser_is_no_answer_and_ends_the_connection():
    text = b"org.xml.sax.SAXException: FWK005 parse may not be called while parsing."
    form = xml_form(format="xml")
    request, answer, side = sent_and_answered(form, "500 No", text, "text/plain; charset=utf-8")
    assert isinstance(answer, Unexecuted) and answer.request is request
    assert side.closing


def test_xml_without_a_form_is_answered_with_a_fault():
    caller, asked = asked_by(post(b"<a/>", XML))
    caller.answer(asked.token, Result(Tree(None, {"a b": [Tree(1)]})))
    assert b"http cannot carry the answer: .a b: " in b"".join(caller.take())
    caller, asked = asked_by(post(b"<a/>", XML))
    caller.answer(asked.token, Fault("no name", Tree()))
    assert b"http cannot carry the answer: the fault 'no name'" in b"".join(caller.take())


def test_the_query_stands_in_front_of_a_body_in_xml():
    _, asked = asked_by(post(b"<op><a>3</a></op>", XML, target="/sum?a=1&a=b%20c"))
    assert asked.call.value.tree() == Tree(None, {"a": [Tree("1"), Tree("b c"), Tree("3")]})


def refused(head: str, body: str = "") -> tuple[int, str, str]:
    """Status, content type and body of the answer to a request that is not read to its end."""
    form = Http(limits=HttpLimits(body=10))
    form.access = WebAccess()
    caller = form.caller()
    assert caller.feed(f"{head}\r\n\r\n{body}".encode()) == [] and caller.broken
    top, _, found = b"".join(caller.take()).partition(b"\r\n\r\n")
    type = next(one for one in top.split(b"\r\n") if one.startswith(b"Content-Type: "))
    return int(top.split()[1]), type[14:].decode(), found.decode()


AS_XML = "Content-Type: text/xml"
LONG = "POST /a HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99"
PAGE = "GET /a HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example"
FOLDED = "POST /a HTTP/1.1\r\nX: a\r\n b"
CHUNKED = "POST /a HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked"


@pytest.mark.parametrize(
    ("head", "body", "status"),
    [(LONG, "", 413), (PAGE, "", 403), (FOLDED, "", 400),
     (CHUNKED, "nonsense\r\n", 400)],
)  # fmt: skip
def test_what_is_refused_before_its_body_is_read_is_answered_in_the_form_of_the_caller(
    head, body, status
):
    for said, type in (
        ("", "application/json; charset=utf-8"),
        ("X-Jolie-Operation: a", "application/json"),
        (AS_XML, "text/xml; charset=utf-8"),
        ("Accept: text/xml", "text/xml; charset=utf-8"),
        ('SOAPAction: "/a"', "text/xml; charset=utf-8"),
        (f"{AS_XML}\r\nAccept: application/json", "application/json; charset=utf-8"),
    ):
        found = refused(f"{head}\r\n{said}" if said else head, body)
        assert found[:2] == (status, type), said
        if "xml" in type:
            assert found[2].startswith("<Response><IOException>")
        else:
            assert json.loads(found[2])["error"]["message"] == "IOException"


def test_an_earlier_request_says_nothing_of_the_form_of_one_that_is_refused():
    caller = Http().caller()
    [asked] = caller.feed(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Type: text/xml\r\n"
                          b"Content-Length: 4\r\n\r\n<a/>")  # fmt: skip
    caller.answer(asked.token, Result(Tree(1)))
    assert b"text/xml" in b"".join(caller.take())
    assert caller.feed(b"POST /a HTTP/1.1\r\nX: a\r\n b\r\n\r\n") == []
    assert b"application/json" in b"".join(caller.take())


@pytest.mark.parametrize("accept", ["gzip", "gzip;q=0"])
def test_an_answer_is_gzipped_for_those_who_take_it(accept):
    form = Http()
    form.packing = Packing(lambda: 0.0)
    caller = form.caller()
    head = (
        f"POST /a HTTP/1.1\r\nHost: h\r\nAccept-Encoding: {accept}\r\nContent-Length: 2\r\n\r\n{{}}"
    )
    [asked] = caller.feed(head.encode())
    caller.answer(asked.token, Result(Tree("x" * 5000)))
    top, _, body = b"".join(caller.take()).partition(b"\r\n\r\n")
    packed = accept == "gzip"
    assert (b"Content-Encoding: gzip" in top) is packed
    assert b"Content-Length: %d" % len(body) in top
    assert json.loads(gzip.decompress(body) if packed else body) == {"$": "x" * 5000}
