"""XML of strangers: what is refused, that it is refused early, and that no step takes long."""

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.values import Unportable
from ccproxy.protocols.jolie.xml.parser import MAX_ATTRIBUTES, MAX_TOKEN, SLICE, parse


class Told:
    """Collects what the parser tells."""

    def __init__(self):
        self.events = []

    def start(self, name, attributes):
        self.events.append(("start", name, *attributes))

    def text(self, text):
        if self.events and self.events[-1][0] == "text":
            text = self.events.pop()[1] + text
        self.events.append(("text", text))

    def end(self, name):
        self.events.append(("end", name))


def told(data, namespaces=False):
    visitor = Told()
    result(parse(data, visitor, namespaces))
    return visitor.events


def refused(data, namespaces=False):
    """The reason, and how many bytes were looked at before."""
    steps = parse(data, Told(), namespaces)
    taken = 0
    with pytest.raises(Unportable) as reason:
        while True:
            try:
                next(steps)
            except StopIteration:
                pytest.fail("it was read")
            taken += SLICE
    return str(reason.value), taken


def test_a_document():
    data = '﻿<?xml version="1.0" encoding="utf-16"?><a k="1">x<!-- c --><![CDATA[<&]]><b/>é</a>'
    assert told(data.encode()) == [
        ("start", "a", "k", "1"), ("text", "x<&"), ("start", "b"), ("end", "b"), ("text", "é"),
        ("end", "a"),
    ]  # fmt: skip
    data = b'<p:a xmlns:p="urn:x" p:k="1"/>'
    assert told(data, True) == [("start", "urn:x a", "urn:x k", "1"), ("end", "urn:x a")]


def test_references_of_xml_and_no_other():
    assert told(b"<a>&lt;&amp;&#233;&#x1F600;</a>")[1] == ("text", "<&é\U0001f600")
    assert "an entity that XML does not define" in refused(b"<a>&e;</a>")[0]


DANGEROUS = {
    "billion laughs": b'<!DOCTYPE a [<!ENTITY e "ha"><!ENTITY f "&e;&e;">]><a>&f;</a>',
    "external entity": b'<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>',
    "parameter entity": b'<!DOCTYPE a [<!ENTITY % e SYSTEM "http://h/">%e;]><a/>',
    "external subset": b'<!DOCTYPE a SYSTEM "http://127.0.0.1:1/x.dtd"><a/>',
    "default attributes": b'<!DOCTYPE a [<!ATTLIST a k CDATA "v">]><a/>',
    "an empty one": b"<!DOCTYPE a><a/>",
}


@pytest.mark.parametrize("what", DANGEROUS)
def test_every_document_type_is_refused(what):
    assert "DOCTYPE" in refused(DANGEROUS[what])[0]
    assert "DOCTYPE" in refused(DANGEROUS[what].replace(b"?", b""), True)[0]


MILLION = 1_000_000


def attributes(count: int) -> bytes:
    return b"<a " + b" ".join(b'a%d=""' % one for one in range(count)) + b"/>"


HUGE = {
    "depth": (b"<a>" * MILLION, "nested deeper than"),
    "attributes": (attributes(MILLION // 10), "a tag"),
    "attributes of one element": (attributes(MAX_ATTRIBUTES + 1), "more than 256 attributes"),
    "a name": (b"<" + b"a" * MILLION + b"/>", "more than 16384 bytes"),
    "a comment": (b"<a><!--" + b"x" * MILLION + b"--></a>", "more than 16384 bytes"),
    "an instruction": (b"<?x " + b"x" * MILLION + b"?><a/>", "more than 16384 bytes"),
    "an attribute": (b'<a k="' + b"x" * MILLION + b'"/>', "more than 16384 bytes"),
    "a declaration": (b"<?xml " + b" " * MILLION + b"?><a/>", "more than 16384 bytes"),
    "a reference": (b"<a>&" + b"x" * MILLION + b";</a>", "more than 16384 bytes"),
}


@pytest.mark.parametrize("what", HUGE)
def test_what_is_huge_is_refused_before_it_is_read_to_its_end(what):
    data, text = HUGE[what]
    reason, taken = refused(data)
    assert text in reason
    assert taken <= 4 * MAX_TOKEN
    reason, _ = refused(data, True)
    assert text in reason


def test_the_number_of_elements_is_bounded():
    reason, _ = refused(b"<a>" + b"<b/>" * (1 << 20) + b"</a>")
    assert reason == "XML of more than 1048576 elements and attributes"


WRONG = {
    b"": "no element found",
    b"<a>": "no element found",
    b"<a></b>": "mismatched tag",
    b"<a/>x": "junk after document element",
    b"<a/><b/>": "junk after document element",
    b"<a k='1' k='2'/>": "duplicate attribute",
    b"<a>\x01</a>": "not well-formed",
    b"<a>&#1;</a>": "reference to invalid character number",
    b"<a>\xff</a>": "not well-formed",
    b"<a>\xed\xa0\x80</a>": "not well-formed",
    b"<a>]]></a>": "not well-formed",
    b"secret": "syntax error",
}


@pytest.mark.parametrize("data", WRONG)
def test_what_is_no_xml_is_said_without_its_bytes(data):
    reason, _ = refused(data)
    assert WRONG[data] in reason and "in line 1, column" in reason
    assert "secret" not in reason


def test_an_unbound_prefix_is_an_error_with_namespaces():
    assert "unbound prefix" in refused(b"<p:a/>", True)[0]
    assert told(b"<p:a/>")[0] == ("start", "p:a")


def test_cut_at_every_byte_nothing_changes():
    """Slices of the parser end anywhere in a large document: in names, references, characters."""
    piece = "<item k='ä&amp;\"'>é&lt;\U0001f600 text</item>".encode()
    for shift in range(len(piece) + 1):
        data = b"<a>" + b" " * shift + piece * (3 * SLICE // len(piece)) + b"</a>"
        events = told(data)
        assert events.count(("start", "item", "k", 'ä&"')) == 3 * SLICE // len(piece)
        assert events.count(("text", "é<\U0001f600 text")) == 3 * SLICE // len(piece)


def test_no_step_takes_long():
    """A step tells what is in its slice and no more, for documents of the densest kinds."""
    for piece in (b"<b/>", b"<b k=''/>"):
        visitor = Told()
        before = 0
        for _ in parse(b"<a>" + piece * 50_000 + b"</a>", visitor):
            assert len(visitor.events) - before <= 2 * SLICE / len(piece) + 4
            before = len(visitor.events)
        assert before > 90_000
