"""Bodies in XML as values and faults, as the original reads them without types."""

from ccproxy.net.work import result
from ccproxy.protocols.jolie.values import Tree
from ccproxy.protocols.jolie.xml.reading import read_fault, read_value
from ccproxy.protocols.jolie.xml.types import Types


def value(data: bytes) -> Tree:
    return result(read_value(data, None)).tree()


def test_values():
    assert value(b"") == value(b"<a/>") == value(b"<a></a>") == value(b"<a><![CDATA[]]></a>")
    assert value(b"<a>\n <b>1</b>\n</a>") == Tree("\n \n", {"b": [Tree("1")]})
    assert value(b"<a>x<b/>y<b>2</b></a>") == Tree("xy", {"b": [Tree(), Tree("2")]})
    attributes = value(b'<p:a xmlns:p="urn:x" k="1"><p:b p:i="2">t</p:b></p:a>')
    assert attributes == Tree(
        None,
        {
            "@Attributes": [Tree(None, {"p": [Tree("urn:x")], "k": [Tree("1")]})],
            "b": [
                Tree(
                    "t",
                    {"@Attributes": [Tree(None, {"i": [Tree("2")]})], "@Prefix": [Tree("p")]},
                )
            ],
        },
    )


def fault(data: bytes):
    found = result(read_fault(data, Types(), "op"))
    return found and (found.name, found.value.tree())


def test_faults_and_what_is_none():
    assert fault(b"<r><F>told</F></r>") == ("F", Tree("told"))
    assert fault(b"<r> <p:F><a>42</a>t</p:F> </r>") == ("F", Tree("t", {"a": [Tree("42")]}))
    assert fault(b"<r><F/></r>") == ("F", Tree())
    for data in (b"<r/>", b"<r>text</r>", b"<r><F/><G/></r>", b"<r>x<F/></r>", b"<r><F/>x</r>",
                 b"<r><F/><G/><H><I/></H></r>"):  # fmt: skip
        assert fault(data) is None
