import pytest

from ccproxy.protocols.jolie import cc_calls as cccall
from ccproxy.protocols.jolie.values import Call, Fault, Result, Tree, Unportable

ENVELOPE = {"req": "calc.Sum.sum", "time": 1.5, "hostname": "h", "blob_hash": ""}


def test_the_fields_of_a_message_are_the_value():
    value = cccall.value_of({**ENVELOPE, "x": 5, "y": [1, 2]}, None)
    assert value.tree() == Tree(None, {"x": [Tree(5)], "y": [Tree(1), Tree(2)]})
    assert cccall.value_of({**ENVELOPE, "$": 8}, None).tree() == Tree(8)
    assert cccall.value_of(ENVELOPE, None).tree() == Tree()


def test_a_blob_is_not_lost_silently():
    with pytest.raises(Unportable, match="blob"):
        cccall.value_of(ENVELOPE, b"data")


def test_answers():
    assert cccall.reply_type("calc.Sum.sum") == "reply.calc.Sum.sum"
    assert cccall.fields_of(Result(Tree(8))) == {"data": 8}
    assert cccall.fields_of(Result(Tree(None, {"a": [Tree(1)]}))) == {"data": {"a": 1}}
    assert cccall.fields_of(Fault("Zero", Tree("why"))) == {
        "error": {"message": "Zero", "code": -32000, "data": "why"}
    }


def test_raw_is_base64_where_that_is_asked_for():
    value = Tree(None, {"r": [Tree(b"ab")], "s": [Tree("x")]})
    call = Call("/", "op", value)
    assert cccall.CallCodec(base64=True).decode("t", (call,)) == {"r": "YWI=", "s": "x"}
    with pytest.raises(Unportable, match="raw"):
        cccall.CallCodec().decode("t", (call,))
    assert cccall.fields_of(Result(value), base64=True) == {"data": {"r": "YWI=", "s": "x"}}
    assert cccall.fields_of(Fault("F", value), base64=True)["error"]["data"] == {
        "r": "YWI=",
        "s": "x",
    }
    assert "raw" in cccall.fields_of(Result(value))["error"]["data"]
