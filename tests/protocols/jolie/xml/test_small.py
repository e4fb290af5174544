"""A small document is read in one step, and what comes out is what the parser makes of it."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from ccproxy.net.work import result
from ccproxy.protocols.jolie.soap import envelope
from ccproxy.protocols.jolie.sodep.tree import decode
from ccproxy.protocols.jolie.values import Tree, Unportable
from ccproxy.protocols.jolie.xml import reading
from ccproxy.protocols.jolie.xml.payloads import INFERRED, LOOSE, UNTYPED
from ccproxy.protocols.jolie.xml.small import DEEPEST, MOST, SmallValue, local, tree
from ccproxy.protocols.jolie.xml.types import Types, TypesFile

DECLARED = TypesFile(
    "types",
    (
        ("sum", "x", "int"), ("sum", "y.z", "double"), ("sum", "s", "string"), ("sum", "b", "raw"),
        ("sum", "y", "void"), ("sum answer", "$", "long"), ("sum answer", "x", "bool"),
    ),
)  # fmt: skip
TYPES = [Types(DECLARED, infer, base64) for infer in (False, True) for base64 in (False, True)]
SCHEMAS = (
    f'xmlns:E="{envelope.ENVELOPE}" xmlns:xsd="{envelope.SCHEMA}" xmlns:xsi="{envelope.INSTANCE}"'
)


def test_what_is_small():
    root = tree(b'<?xml version="1.0"?><a xmlns="u">t<b/>u</a>')
    assert root is not None and root.tag == "{u}a" and local(root.tag) == "a" == local("a")
    assert root.text == "t" and root[0].tail == "u"


@pytest.mark.parametrize(
    "data",
    [
        b"<!DOCTYPE a><a/>",
        b'<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
        b"<a><!-- c -->t</a>",
        b"<a><![CDATA[t]]></a>",
        b"<a><?p i?>t</a>",
        b"<a>&e;</a>",
        b"<a>",
        b"",
        b"\xff<a/>",
        b"<a " + b" ".join(b'a%d=""' % number for number in range(257)) + b"/>",
        b"<a>" + b"x" * MOST + b"</a>",
    ],
)
def test_what_is_left_to_the_parser(data):
    assert tree(data) is None


def test_depth_is_bounded():
    for depth, made in ((DEEPEST, True), (DEEPEST + 1, False)):
        root = tree(b"<a>" * depth + b"</a>" * depth)
        assert root is not None
        assert (SmallValue(UNTYPED).encoded(root, None) is not None) == made


def test_what_is_wrong_is_left_to_the_parser_as_well():
    root = tree(b'<a xmlns:i="i" i:type="xsd:int">x</a>')
    assert root is not None
    assert SmallValue(LOOSE, "i").encoded(root, None) is None


texts = st.sampled_from(
    ["", "", " ", "\n\t", "5", "-0", "007", "1.50", "true", "x", "a b", "é€𝄞", "&amp;", "&#233;",
     "&lt;", "99999999999", "9" * 30, "1e5", "INF", "a:b=c", "]]&gt;", "YWJj", "x" * 1100]
)  # fmt: skip
tags = st.sampled_from(["x", "x", "y", "z", "s", "b", "é", "_n.a-1"])
stated = st.sampled_from(
    ["", "", ' xsi:type="xsd:int"', ' xsi:type="xsd:string"', ' xsi:type="xsd:double"',
     ' xsi:type="xsd:boolean"', ' xsi:type="xsd:base64Binary"', ' xsi:nil="true"', ' xsi:nil="0"',
     ' xsi:type=" xsd:long "', ' k="v"', ' xsi:type="xsd:int" xsi:type="xsd:int"', ' xmlns="n"']
)  # fmt: skip


@st.composite
def elements(draw, attributes, depth: int = 3) -> str:
    name = draw(tags)
    content = draw(texts)
    for _ in range(draw(st.integers(0, 3)) if depth else 0):
        content += draw(elements(attributes, depth - 1)) + draw(texts)
    attribute = draw(attributes)
    if not content and draw(st.booleans()):
        return f"<{name}{attribute}/>"
    return f"<{name}{attribute}>{content}</{name}>"


def value(found: object) -> Tree:
    return decode(bytes(found.data))[0]  # type: ignore[attr-defined]


def tried(read) -> object:
    """What is read, or why it cannot be."""
    try:
        return read()
    except Unportable as reason:
        return str(reason)


def slowly(patch: pytest.MonkeyPatch) -> None:
    for module in (reading, envelope):
        patch.setattr(module, "_small", lambda *_: None)


plain = st.sampled_from([""] * 12 + [' k="v"', ' xmlns="n"'])
heads = st.sampled_from(
    ["", "", '<?xml version="1.0" encoding="utf-8" ?>', "\n", "\ufeff", "<!-- -->"]
)


@given(heads, elements(plain), st.sampled_from(TYPES), st.sampled_from(["", "\n", " x"]))
@example("", "<sum><x>5</x><y>3</y></sum>", TYPES[1], "")
@settings(max_examples=400, deadline=None)
def test_a_body_of_http_is_what_the_parser_reads(head, body, types, tail):
    data = f"{head}{body}{tail}".encode()
    kinds = [(types.request("sum"), types.other), (None, types.other)]
    with pytest.MonkeyPatch.context() as patch:
        quick = [tried(lambda k=k: value(result(reading.read_value(data, *k)))) for k in kinds]
        slowly(patch)
        slow = [tried(lambda k=k: value(result(reading.read_value(data, *k)))) for k in kinds]
    assert repr(quick) == repr(slow)


@given(
    st.sampled_from(["", "<E:Header><x>1</x></E:Header>", "<E:Body/>", "t"]),
    elements(stated),
    st.sampled_from(["", "", "<more/>"]),
    st.sampled_from(TYPES),
    st.sampled_from([None, "sum"]),
)
@settings(max_examples=400, deadline=None)
def test_an_envelope_is_what_the_parser_reads(front, body, behind, types, called):
    text = f"<E:Envelope {SCHEMAS}>{front}<E:Body>{body}{behind}</E:Body></E:Envelope>"

    def read() -> object:
        found = result(envelope.read(text.encode(), types, called))
        return found._replace(value=value(found.value) if found.value else None)

    with pytest.MonkeyPatch.context() as patch:
        quick = tried(read)
        slowly(patch)
        assert repr(quick) == repr(tried(read))


@pytest.mark.parametrize(
    "body",
    ["", "<E:Fault><faultstring>f</faultstring><detail><N>x</N></detail></E:Fault>", "<Fault/>"],
)
def test_envelopes_of_other_content_are_read_as_before(body):
    text = f"<E:Envelope {SCHEMAS}><E:Body>{body}</E:Body></E:Envelope>"
    assert envelope._small(text.encode(), TYPES[0], "sum") is None
    assert envelope._small(text.replace(envelope.ENVELOPE, "u").encode(), TYPES[0], None) is None


def test_both_ways_are_taken():
    assert reading._small(b"<sum><x>5</x></sum>", None, INFERRED) is not None
    assert reading._small(b'<sum k="v"/>', None, INFERRED) is None
    assert reading._small(b"<n:sum/>", None, INFERRED) is None
    text = f"<E:Envelope {SCHEMAS}><E:Body><sum><x>5</x></sum></E:Body></E:Envelope>"
    assert envelope._small(text.encode(), TYPES[0], None) is not None
