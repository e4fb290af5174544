"""Values as XML: both ways the same, and what cannot be carried is named."""

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.sodep.tree import encode
from ccproxy.protocols.jolie.values import Long, Tree, Unportable
from ccproxy.protocols.jolie.xml.content import to_xml
from ccproxy.protocols.jolie.xml.reading import read_value
from ccproxy.protocols.jolie.xml.writing import XmlStyle

TYPED = XmlStyle(typed=True)


PLAIN = XmlStyle()


def written(value, style=PLAIN) -> str:
    return bytes(result(to_xml(value, style)).element("op")).decode()


def test_the_original_forms():
    tree = Tree(
        "root",
        {
            "n": [Tree(1), Tree(Long(2))],
            "@Attributes": [Tree(None, {"k": [Tree('v"<\n')], "i": [Tree(7)]})],
            "d": [Tree(1e7)],
            "v": [Tree()],
            "e": [Tree("")],
            "b": [Tree(True)],
            "t": [Tree('<&>\r\t\n"é\U0001f600')],
            "none": [],
        },
    )
    assert written(tree) == (
        '<op k="v&quot;&lt;&#10;" i="7">root<n>1</n><n>2</n><d>1.0E7</d><v/><e/><b>true</b>'
        '<t>&lt;&amp;&gt;&#13;\t\n"é\U0001f600</t></op>'
    )
    del tree.children["@Attributes"]
    assert written(tree, TYPED) == (
        '<op xsi:type="xsd:string">root<n xsi:type="xsd:int">1</n><n xsi:type="xsd:long">2</n>'
        '<d xsi:type="xsd:double">1.0E7</d><v xsi:nil="true"/><e xsi:type="xsd:string"/>'
        '<b xsi:type="xsd:boolean">true</b>'
        '<t xsi:type="xsd:string">&lt;&amp;&gt;&#13;\t\n"é\U0001f600</t></op>'
    )
    assert written(Tree()) == "<op/>"
    assert written(Tree(), TYPED) == '<op xsi:nil="true"/>'
    assert written(Tree(None, {"x": [Tree()]}), TYPED) == '<op><x xsi:nil="true"/></op>'


def test_attributes_that_come_last_stand_in_front():
    inner = Tree("i", {"x": [Tree("y" * 100_000)], "@Attributes": [Tree(None, {"k": [Tree("v")]})]})
    text = written(Tree(None, {"a": [inner, inner], "@Prefix": [Tree("p")]}))
    assert text.count('<a k="v">i<x>') == 2
    assert text.endswith("y</x></a></op>")


def test_raw():
    tree = Tree(None, {"r": [Tree("aé".encode())]})
    assert written(tree) == "<op><r>aé</r></op>"
    assert written(tree, TYPED) == '<op><r xsi:type="xsd:any">aé</r></op>'
    assert written(tree, XmlStyle(base64=True)) == "<op><r>YcOp</r></op>"
    assert written(tree, XmlStyle(True, True)) == (
        '<op><r xsi:type="xsd:base64Binary">YcOp</r></op>'
    )
    large = Tree(bytes(range(256)) * 1000)
    assert written(large, XmlStyle(base64=True)) == (
        f"<op>{base64.b64encode(large.payload).decode()}</op>"
    )


WRONG = {
    ".a.x y": Tree(None, {"a": [Tree(None, {"x y": [Tree(1)]})]}),
    ".a.": Tree(None, {"a": [Tree(None, {"": [Tree(1)]})]}),
    ".p:x": Tree(None, {"p:x": [Tree(1)]}),
    ".t": Tree(None, {"t": [Tree("a\x01")]}),
    ".u": Tree(None, {"u": [Tree("a￾")]}),
    ".r": Tree(None, {"r": [Tree(b"\xff")]}),
    ".@Other": Tree(None, {"@Other": [Tree(1)]}),
    ".@Attributes.k": Tree(None, {"@Attributes": [Tree(None, {"k": [Tree(1), Tree(2)]})]}),
    ".@Attributes.a b": Tree(None, {"@Attributes": [Tree(None, {"a b": [Tree(1)]})]}),
    "the value": Tree("\x00"),
    ".?": Tree(None, {"\x01": [Tree(1)]}),
}


@pytest.mark.parametrize("place", WRONG)
def test_what_cannot_be_carried_is_named(place):
    with pytest.raises(Unportable) as reason:
        written(WRONG[place])
    assert str(reason.value).startswith(f"{place}: ")


def test_a_child_twice_in_the_bytes_is_refused():
    once = encode(Tree(None, {"x": [Tree(1)]}))
    field = once[5:]
    twice = Encoded(once[:1] + (2).to_bytes(4, "big") + field + field, "utf-8")
    with pytest.raises(Unportable, match=r"^\.x: a child twice$"):
        written(twice)


def test_soap_refuses_attributes_and_depth_is_bounded():
    with pytest.raises(Unportable, match="attributes"):
        written(Tree(None, {"@Attributes": [Tree(None, {"k": [Tree(1)]})]}), TYPED)
    tree = Tree(1)
    for _ in range(300):
        tree = Tree(None, {"a": [tree]})
    with pytest.raises(Unportable, match="nested deeper than 256"):
        written(tree)


def test_large_values_are_written_in_steps_and_pieces():
    tree = Tree(None, {"n": [Tree(number) for number in range(50_000)], "t": [Tree("é" * 200_000)]})
    value = Encoded(encode(tree), "utf-8")
    steps = to_xml(value, XmlStyle())
    count = sum(1 for _ in steps)
    assert count > 500
    content = result(to_xml(value, XmlStyle()))
    assert max(map(len, content.pieces)) < 100_000
    assert content.size == len(content.element("op")) - len("<op></op>")


NAMES = st.from_regex(r"[A-Za-zé][A-Za-z0-9é._-]{0,5}", fullmatch=True)
TEXTS = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="￾￿"))
TREES = st.recursive(
    st.builds(Tree, TEXTS.map(lambda text: text or None)),
    lambda inner: st.builds(
        Tree,
        TEXTS.map(lambda text: text or None),
        st.dictionaries(NAMES, st.lists(inner, min_size=1, max_size=3), max_size=3),
    ),
    max_leaves=12,
)


@given(TREES)
def test_a_tree_of_strings_comes_back(tree):
    data = result(to_xml(tree, XmlStyle())).element("op")
    assert result(read_value(data, None)).tree() == tree
