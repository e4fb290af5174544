"""Elements become the bytes of sodep: small and large, in any order."""

import pytest

from ccproxy.net.work import result
from ccproxy.protocols.jolie.sodep.tree import decode
from ccproxy.protocols.jolie.values import Tree, Unportable
from ccproxy.protocols.jolie.xml.building import MAX_NAMES, SMALL, ValueBuilder
from ccproxy.protocols.jolie.xml.payloads import BASE64, DECLARED, LOOSE, NIL, STATED


def built(tree: Tree) -> ValueBuilder:
    """A builder that was told a tree of strings; elements of the same name stand apart."""
    builder = ValueBuilder()

    def tell(name: str, node: Tree) -> None:
        builder.open(name)
        builder.text(node.payload or "")
        most = max(map(len, node.children.values()), default=0)
        for number in range(most):
            for name, vector in node.children.items():
                if number < len(vector):
                    tell(name, vector[number])
        builder.close()

    tell("root", tree)
    return builder


def value_of(builder: ValueBuilder) -> Tree:
    found = result(builder.value())
    tree, end = decode(bytes(found.data))
    assert end == len(found.data)
    return tree


@pytest.mark.parametrize("size", [0, 1, 7, SMALL, 3 * SMALL, 70_000])
@pytest.mark.parametrize("count", [1, 3, 500])
def test_what_is_told_is_built(size, count):
    leaf = Tree("é" * (size // 2) or None)
    inner = Tree("r", {"x": [leaf] * min(count, 9), "y": [Tree("1"), Tree(None, {"z": [leaf]})]})
    tree = Tree(None, {"a": [inner] * 3, "b": [Tree("b")] * count, "c": [inner]})
    assert value_of(built(tree)) == tree


def test_a_deep_value():
    tree = Tree("x" * 100)
    for _ in range(100):
        tree = Tree("p", {"a": [tree], "b": [Tree("y" * 50)]})
    assert value_of(built(tree)) == tree


def test_the_number_of_names_is_bounded():
    builder = ValueBuilder()
    builder.open("root")
    for number in range(MAX_NAMES):
        builder.leaf(f"n{number}", "x")
    builder.leaf("n0", "y")
    with pytest.raises(Unportable, match="more than 2048 names"):
        builder.leaf("more", "x")
    builder.close()
    assert len(value_of(builder).children) == MAX_NAMES


def one(kind, *pieces: str, child: bool = False) -> Tree:
    builder = ValueBuilder()
    builder.open("root")
    builder.open("f", kind)
    for piece in pieces:
        builder.text(piece)
    if child:
        builder.leaf("c", "1")
    builder.close()
    builder.close()
    return value_of(builder).children["f"][0]


def test_kinds():
    assert one(DECLARED["int"], " 4", "2 ").payload == 42
    assert one(DECLARED["string"]).payload == ""
    assert one(DECLARED["raw"], "aé").payload == "aé".encode()
    assert one(NIL, "x" * 9000).payload is None
    assert one(LOOSE).payload == ""
    assert one(LOOSE, " \n", child=True).payload is None
    assert one(LOOSE, " \nx", child=True).payload == " \nx"
    assert one(STATED["xsd:int"], " ", child=True).payload is None
    assert one(DECLARED["int"], "7" * 5000).payload == "7" * 5000
    with pytest.raises(Unportable, match=r"^\.f: found a text of 5000 bytes, expected int$"):
        one(STATED["xsd:int"], "7" * 5000)
    with pytest.raises(Unportable, match=r"^\.f: found 'abc', expected a whole number$"):
        one(STATED["xsd:int"], "abc")


def test_base64_in_pieces():
    assert one(BASE64, "YW", "Jj\n ZA", "==").payload == b"abcd"
    assert one(BASE64).payload == b""
    for pieces in (("YWJ",), ("Y=Jj",), ("YQ==", "YQ=="), ("é===",)):
        with pytest.raises(Unportable, match=r"^\.f: "):
            one(BASE64, *pieces)
