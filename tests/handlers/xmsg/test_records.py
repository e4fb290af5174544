"""Records: what is read of a registration, and the keys that say domain and topic."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy_handlers.xmsg.messages import classes
from ccproxy_handlers.xmsg.records import key_of, owner, parse, parts_of, prefixes, record_of

MESSAGE = classes("bytes")["Registration"]
OWNERS = st.tuples(*[st.binary(max_size=3)] * 3)


def message(**fields):
    return MESSAGE(**{"name": b"n", "host": b"h", "port": 1, "domain": b"A", **fields})


def test_a_record_is_its_bytes():
    body = message(subject=b"B", type=b"C:D", port=7771).SerializeToString()
    record = record_of(parse(body))
    assert record.body == body
    assert (record.name, record.host, record.port) == (b"n", b"h", 7771)
    assert parts_of(record.key) == (b"A", b"B", b"C:D")


def test_a_record_of_any_length_goes_into_a_frame():
    for size in (0, 200, 255, 300, 70_000):
        body = message(description=bytes(size)).SerializeToString()
        assert record_of(parse(body)).body == body


@pytest.mark.parametrize("data, reason", [
    (b"\xff", "Error parsing message"),
    (b"", "Message missing required fields: name, host, port, domain"),
    (b"\x0a\x01n\x1a\x01h\x2a\x01A", "Message missing required fields: port"),
])  # fmt: skip
def test_what_is_no_registration_is_said(data, reason):
    with pytest.raises(ValueError, match=reason):
        parse(data)


def test_a_record_needs_a_domain():
    with pytest.raises(ValueError, match="needs a domain"):
        record_of(message(domain=b"*"))


def test_equal_topics_of_different_domains_have_different_keys():
    one, other = message(domain=b"A", subject=b"B:C"), message(domain=b"A:B", subject=b"C")
    assert key_of(one)[4:] == key_of(other)[4:] == b"A:B:C:undefined"
    assert key_of(one) != key_of(other)


def test_the_beginnings_of_a_topic_begin_with_its_domain():
    key = key_of(message(domain=b"AB", subject=b"C", type=b"*"))
    assert [one[4:] for one in prefixes(key)] == [b"AB", b"AB:", b"AB:C"]


@given(OWNERS, OWNERS)
def test_owners_are_as_different_as_what_they_are_made_of(one, other):
    assert (owner(*one) == owner(*other)) == (one == other)
