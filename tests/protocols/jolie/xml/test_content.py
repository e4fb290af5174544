"""Values of every form as XML, with and without the element around it."""

from ccproxy.net.work import result
from ccproxy.protocols.jolie.json_values import Json, JsonText
from ccproxy.protocols.jolie.sodep.messages import Encoded
from ccproxy.protocols.jolie.sodep.tree import encode
from ccproxy.protocols.jolie.values import Tree
from ccproxy.protocols.jolie.xml.content import XmlContent, is_written, to_xml
from ccproxy.protocols.jolie.xml.writing import XmlStyle


def written(value) -> str:
    return result(to_xml(value, XmlStyle())).element("op").decode()


def test_other_forms_of_values():
    assert written(Json({"a": [1, 2]})) == "<op><a>1</a><a>2</a></op>"
    text = b'{"a":[1,2],"b":"\\u00e9"}'
    content = result(to_xml(JsonText(text, 0, len(text)), XmlStyle()))
    assert content.element("op") == "<op><a>1</a><a>2</a><b>é</b></op>".encode()
    assert isinstance(content, XmlContent) and content.tree().children["a"][1].payload == 2
    latin = Encoded(encode(Tree("é"), "iso-8859-1"), "iso-8859-1")
    assert written(latin) == "<op>é</op>"
    wide = Encoded(encode(Tree(None, {"x": [Tree("é")]}), "utf-16-be"), "utf-16-be")
    assert written(wide) == "<op><x>é</x></op>"


def test_the_element_around_it():
    content = result(to_xml(Tree(5), XmlStyle(typed=True)))
    assert content.element("a", ' k="v"') == b'<a k="v" xsi:type="xsd:int">5</a>'
    assert result(to_xml(content, XmlStyle(typed=True))) is content
    assert result(to_xml(Tree(), XmlStyle())).element("a") == b"<a/>"


def test_a_value_that_was_written_for_another_protocol_is_written_anew():
    """A call waits, prepared, while its port moves from http with XML to soap."""
    tree = Tree(None, {"x": [Tree(5)]})
    content = result(to_xml(tree, XmlStyle()))
    assert is_written(content, XmlStyle()) and not is_written(content, XmlStyle(typed=True))
    again = result(to_xml(content, XmlStyle(typed=True)))
    assert again.element("a") == b'<a><x xsi:type="xsd:int">5</x></a>'
    assert again.tree() == tree
