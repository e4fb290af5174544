"""Raw payloads become texts, and nothing else changes."""

from ccproxy.protocols.jolie.json_values import Json
from ccproxy.protocols.jolie.raw_values import without_raw
from ccproxy.protocols.jolie.values import Tree


def test_base64_stands_in_the_place_of_raw():
    tree = Tree(b"ab", {"x": [Tree(1), Tree(None, {"y": [Tree(b"\xff")]})], "s": [Tree("t")]})
    found = without_raw(tree)
    assert found == Tree(
        "YWI=", {"x": [Tree(1), Tree(None, {"y": [Tree("/w==")]})], "s": [Tree("t")]}
    )
    assert tree.payload == b"ab"


def test_what_has_no_raw_is_passed_on():
    for value in (Json({"x": 1}), Tree("t", {"x": [Tree()]})):
        assert without_raw(value) is value
