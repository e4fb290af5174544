"""The messages of xMsg: what real programs wrote is read, and written alike."""

import json
from pathlib import Path

import pytest
from google.protobuf.json_format import MessageToDict
from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.xmsg.messages import classes

VECTORS = Path(__file__).parents[2] / "vectors" / "xmsg"
ENCODED = json.loads((VECTORS / "protobuf.json").read_text("utf-8"))["vectors"]
TEXT = classes()
BYTES = classes("bytes")


def named(vector):
    return vector["message"].removeprefix("xMsg")


@pytest.mark.parametrize("vector", ENCODED, ids=lambda one: one["name"])
def test_what_real_programs_wrote(vector):
    raw = bytes.fromhex(vector["hex"])
    found = TEXT[named(vector)].FromString(raw)
    fields = MessageToDict(found, preserving_proto_field_name=True)
    assert json.loads(json.dumps(fields), parse_int=str) == json.loads(
        json.dumps(vector["fields"]), parse_int=str
    )
    assert found.SerializeToString() == raw
    assert BYTES[named(vector)].FromString(raw).SerializeToString() == raw


def test_the_reply_topic_has_a_tag_of_two_bytes():
    made = TEXT["Meta"](dataType="text/string", replyTo="ret:1")
    assert made.SerializeToString() == b"\x72\x0btext/string\x82\x01\x05ret:1"


def test_absent_parts_of_a_registration_are_undefined():
    found = BYTES["Registration"]()
    assert (found.subject, found.type, found.description) == (b"undefined",) * 3
    assert not found.HasField("subject")


@given(st.binary(max_size=20).filter(lambda one: one != b"n"))
def test_any_bytes_are_a_text(name):
    raw = BYTES["Registration"](name=name, host=b"h", port=1, domain=b"A").SerializeToString()
    assert BYTES["Registration"].FromString(raw).name == name


def test_unknown_fields_and_values_survive():
    known = BYTES["Registration"](name=b"n", host=b"h", port=1, domain=b"A").SerializeToString()
    raw = known + b"\x40\x09" + b"\xf2\x06\x03new"
    assert BYTES["Registration"].FromString(raw).SerializeToString() == raw


def test_a_payload_holds_named_data():
    item = {"name": "energy", "data": {"DOUBLEA": [1.5, 2.5]}}
    raw = TEXT["Payload"](item=[item]).SerializeToString()
    found = TEXT["Payload"].FromString(raw)
    assert [(one.name, list(one.data.DOUBLEA)) for one in found.item] == [("energy", [1.5, 2.5])]
