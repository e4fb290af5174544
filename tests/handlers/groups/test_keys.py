"""Keys and the members they belong to."""

import json
from collections import Counter
from types import SimpleNamespace

import pytest

from ccproxy.wire.zmtp.frames import pack
from ccproxy_handlers.groups.keys import LONGEST_JSON, KeyOf, field_of, first_frame, owner

MEMBERS = [SimpleNamespace(section=f"h:{name}") for name in ("lux", "dub", "rom", "oslo")]
KEYS = [b"%d" % number for number in range(2000)]


def test_keys_are_shared_evenly_and_move_with_their_member_alone():
    before = {key: owner(key, MEMBERS).section for key in KEYS}
    assert all(400 < count < 600 for count in Counter(before.values()).values())
    without = {key: owner(key, MEMBERS[1:]).section for key in KEYS}
    assert all(without[key] == was for key, was in before.items() if was != "h:lux")
    moved = Counter(without[key] for key, was in before.items() if was == "h:lux")
    assert all(count > 100 for count in moved.values()) and len(moved) == 3


def test_the_order_of_members_does_not_matter_and_one_gets_all():
    assert all(owner(key, MEMBERS) is owner(key, MEMBERS[::-1]) for key in KEYS)
    assert owner(b"x", MEMBERS[:1]) is MEMBERS[0]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (b'{"a": "x", "b": 1}', b'"x"'),
        (b'{"a": 1.5}', b"1.5"),
        (b'{"a": {"c": 2, "b": 1}}', b'{"b": 1, "c": 2}'),
        (b'{"a": null}', None),
        (b'{"b": 1}', None),
        (b"[1, 2]", None),
        (b"\xff\xfe", None),
        (b"", None),
        (b"[" * 100_000, None),
        (b'{"a": "' + bytes(LONGEST_JSON).replace(b"\0", b"x") + b'"}', None),
    ],
    ids=range(10),
)
def test_the_key_is_a_field_of_the_json_in_front(text, key):
    assert field_of(pack([text, b"", b"blob"]), "a") == key


def test_long_values_are_cut():
    text = json.dumps({"a": "x" * 5000}).encode()
    assert len(field_of(pack([text]), "a")) == 1024


def test_first_frames_and_names():
    assert first_frame(pack([b"a" * 300, b"b"])) == b"a" * 300
    assert [str(KeyOf("type")), str(KeyOf("field", "x"))] == ["type", "field x"]
