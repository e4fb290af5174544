"""Envelopes: what is found in them, and what is written."""

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.pieces import Pieces
from ccproxy.protocols.jolie.soap import envelope
from ccproxy.protocols.jolie.values import Long, Tree, Unportable
from ccproxy.protocols.jolie.xml.content import to_xml
from ccproxy.protocols.jolie.xml.types import Types, parsed
from ccproxy.protocols.jolie.xml.writing import XmlStyle

OPEN = (
    f'<e:Envelope xmlns:e="{envelope.ENVELOPE}" xmlns:i="{envelope.INSTANCE}" '
    f'xmlns:xsd="{envelope.SCHEMA}"><e:Header><x/></e:Header><e:Body>'
)
CLOSE = "</e:Body></e:Envelope>"


def found(body: str, types: Types | None = None, operation: str | None = None):
    data = (OPEN + body + CLOSE).encode()
    return result(envelope.read(data, types or Types(), operation))


def tree(body: str, types: Types | None = None) -> Tree:
    return found(body, types).value.tree()


def test_values():
    assert tree('<op i:type="xsd:int"> 5 </op>') == Tree(5)
    assert tree('<op i:nil="true">x</op>') == tree("<op i:nil='1'/>") == Tree()
    assert tree("<op/>") == Tree("")
    assert tree('<p:op xmlns:p="urn:x" e:k="v" k="w">\n<a i:type="xsd:long">5</a> </p:op>') == Tree(
        None, {"a": [Tree(Long(5))]}
    )
    assert tree('<op i:type="xsd:string">r<a i:type="xsd:boolean">1</a></op>') == Tree(
        "r", {"a": [Tree(True)]}
    )
    assert tree('<op><a i:type="xsd:double">INF</a><a i:type="xsd:short">1</a></op>') == Tree(
        None, {"a": [Tree(float("inf")), Tree("1")]}
    )
    assert tree("<op><!-- c --><![CDATA[x]]></op><other><y/></other>") == Tree("x")


def test_a_number_that_cannot_be_read_is_refused_by_its_field():
    with pytest.raises(Unportable, match=r"^\.a\.b: found 'abc', expected a whole number$"):
        tree('<op><a><b i:type="xsd:int">abc</b></a></op>')


def test_types_of_a_file_hold_where_the_element_says_nothing():
    types = Types(parsed("t.ini", "[op]\nx = int\nr = raw\n"), base64=True)
    assert tree('<op><x>5</x><y>5</y><r>YWI=</r><x i:type="xsd:string">6</x></op>', types) == Tree(
        None, {"x": [Tree(5), Tree("6")], "y": [Tree("5")], "r": [Tree(b"ab")]}
    )
    assert tree('<op i:type="xsd:base64Binary">YWI=</op>', types) == Tree(b"ab")
    assert tree("<op><x>5</x><y>t</y></op>", Types(infer=True)) == Tree(
        None, {"x": [Tree(5)], "y": [Tree("t")]}
    )


def test_faults():
    said = found(
        "<e:Fault><faultcode>e:Server</faultcode><faultstring>F: told</faultstring><detail> "
        '<F i:type="xsd:string">told<a i:type="xsd:int">4</a></F><Trace>x</Trace></detail>'
        "</e:Fault><detail><Other/></detail>",
        operation="op",
    )
    assert (said.fault, said.name, said.reason) == (True, "F", "F: told")
    assert said.value.tree() == Tree("told", {"a": [Tree(4)]})
    bare = found("<e:Fault><faultstring>why</faultstring><detail/></e:Fault>", operation="op")
    assert (bare.fault, bare.name, bare.reason, bare.value) == (True, "", "why", None)
    long = found(f"<e:Fault><faultstring>{'x' * 9000}</faultstring></e:Fault>")
    assert len(long.reason) == envelope.MAX_REASON


def test_what_is_no_envelope():
    assert found("").value is None
    for data in (b"<a/>", OPEN.encode(), b'<e:Envelope xmlns:e="http://www.w3.org/2003/05/soap-'
                 b'envelope"><e:Body/></e:Envelope>', b"<e:Envelope/>"):  # fmt: skip
        with pytest.raises(Unportable):
            result(envelope.read(data, Types()))
    with pytest.raises(Unportable, match="DOCTYPE"):
        result(envelope.read(b"<!DOCTYPE x>" + (OPEN + CLOSE).encode(), Types()))


def content(tree: Tree):
    return result(to_xml(tree, XmlStyle(typed=True)))


def test_what_is_written():
    data = envelope.message("op", content(Tree(5)), 'urn:"<&')
    assert (
        b'<jolieMessage:op xmlns:jolieMessage="urn:&quot;&lt;&amp;" xsi:type="xsd:int">5<' in data
    )
    again = result(envelope.read(data, Types()))
    assert (again.operation, again.value.tree()) == ("op", Tree(5))
    data = envelope.fault("F", content(Tree("a<b", {"x": [Tree(1)]})))
    assert b"<faultstring>F: a&lt;b</faultstring>" in data
    again = result(envelope.read(data, Types(), "op"))
    assert (again.name, again.value.tree()) == ("F", Tree("a<b", {"x": [Tree(1)]}))
    assert b"<faultstring>F: </faultstring>" in envelope.fault("F", content(Tree("é" * 9000)))
    for name in ("a b", "", "p:x", "\ud800"):
        with pytest.raises(Unportable, match="name"):
            envelope.message(name, content(Tree()))
        with pytest.raises(Unportable, match="name"):
            envelope.fault(name, content(Tree()))


def test_a_large_value_is_not_joined():
    large = content(Tree(None, {"x": [Tree("y" * 400_000), Tree(1)]}))
    for made in (envelope.message("op", large), envelope.fault("F", large)):
        assert isinstance(made, Pieces)
        found = result(envelope.read(bytes(made), Types(), "op"))
        assert found.value is not None
        assert found.value.tree().children["x"][0].payload == "y" * 400_000
        kept = [one for one in made.parts if len(one) > 1000]
        assert kept and all(any(one is piece for piece in large.pieces) for one in kept[1:])
