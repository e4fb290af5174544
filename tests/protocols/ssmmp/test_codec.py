import pytest

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp import Dialect, Framing, SsmmpCodec
from ccproxy.wire import cc

MESSAGE = ssmmp.AGENT_TO_MANAGER.make(
    "initiation_request", 17, (("x_ssmmp", "1"),), agent_network_address="fd00::1",
    service_repository=("web", "orders"),
)  # fmt: skip


@pytest.mark.parametrize("framing", Framing)
def test_one_neutral_value_for_plain_peers_and_cc(framing):
    codec = SsmmpCodec(Dialect(framing))
    type = ssmmp.type_of(MESSAGE)
    assert type == "ssmmp.initiation_request" and cc.valid_type(type.encode())
    payload = codec.encode(type, ssmmp.value_of(MESSAGE))
    assert payload == (ssmmp.format(MESSAGE, Dialect(framing)),)
    value = codec.decode(type, payload)
    assert codec.blob(payload) is None
    assert ssmmp.parse(ssmmp.text_of(value)) == MESSAGE


def test_inside_cc_the_text_is_a_json_field():
    type = ssmmp.type_of(MESSAGE)
    frames = cc.encode(type, ssmmp.value_of(MESSAGE), None, hostname="vm", time=1.0)
    value = cc.decode(type, frames)
    assert value["text"] == ssmmp.format(MESSAGE).decode()
    assert ssmmp.parse(ssmmp.text_of(value)) == MESSAGE


def test_what_is_no_message_is_a_value_error():
    codec = SsmmpCodec()
    for value in ({}, {"text": 5}, {"text": "hello"}):
        with pytest.raises(ValueError, match="expected"):
            codec.encode("ssmmp.x", value)
    with pytest.raises(ValueError, match="no text"):
        codec.decode("ssmmp.x", ())
    with pytest.raises(ValueError, match="utf-8"):
        codec.decode("ssmmp.x", (b"\xff",))


@pytest.mark.parametrize("framing", Framing)
def test_a_peer_is_answered_as_it_speaks(framing):
    (unit,) = ssmmp.Reader().feed(ssmmp.format(MESSAGE, Dialect(framing)))
    assert ssmmp.dialect_of(unit) == Dialect(framing)
