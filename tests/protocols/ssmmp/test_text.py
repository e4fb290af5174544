import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp import Actor, Dialect, Edition, Framing, Malformed
from ccproxy.protocols.ssmmp.table import FIELDS

VECTORS = Path(__file__).parents[2] / "vectors" / "ssmmp"


def loaded(name: str) -> dict:
    return json.loads((VECTORS / name).read_text("utf-8"))


SYNTAX = loaded("spec/syntax.json")
HOPS = [(Edition.BASE, one) for one in loaded("spec/base.json")["messages"]] + [
    (Edition.V11, one) for one in loaded("spec/edition-1.1.json")["messages"]
]
ACTORS = {actor.value: actor for actor in Actor}
ZUK = sorted(path.name for path in (VECTORS / "captured").glob("zuk-*.json"))
FOREIGN = ["artifixal.json", "camprite-dec2023.json", "camprite-head.json", "zurawicki.json"]


def hop_id(value: object) -> str:
    return f"{value['type']}-{value['from']}" if isinstance(value, dict) else str(value)


@pytest.mark.parametrize("case", SYNTAX["accept"], ids=lambda case: case["why"])
def test_accept(case):
    (unit,) = ssmmp.Reader().feed(case["text"].encode())
    message = ssmmp.parse(unit)
    wanted = dict(case["fields"])
    assert (message.type, str(message.id)) == (wanted.pop("type"), wanted.pop("message_id"))
    extras = {k: v for k, v in wanted.items() if k not in FIELDS}
    assert dict(message.extras) == extras
    read = {k: FIELDS[k].read(v) for k, v in wanted.items() if k in FIELDS}
    assert message.fields == read


def test_an_information_may_have_the_id_0():
    text = (
        "type: source_service_session_close_info\nmessage_id: 0\n"
        "sub_type: service_to_agent\nstatus: 200"
    )
    with pytest.raises(Malformed) as raised:
        ssmmp.parse(text, Actor.AGENT)
    assert not raised.value.unreadable  # only its lines are missing
    with pytest.raises(Malformed, match="positive") as raised:
        ssmmp.parse("type: session_request\nmessage_id: 0", Actor.AGENT)
    assert raised.value.unreadable


@pytest.mark.parametrize("case", SYNTAX["reject"], ids=lambda case: case["why"] + case["text"])
def test_reject(case):
    (unit,) = ssmmp.Reader().feed(case["text"].encode())
    with pytest.raises(Malformed) as raised:
        ssmmp.parse(unit, Actor.MANAGER)
    answer = raised.value.answer
    assert (answer.status if answer else None) == case["status"]
    if answer:
        assert answer.id == int(case["text"].split("message_id: ")[1].split("\n")[0])
        stem = case["text"].split("\n")[0].removeprefix("type: ").removesuffix("_request")
        assert answer.type == f"{stem}_response"


@pytest.mark.parametrize(("edition", "hop"), HOPS, ids=hop_id)
@pytest.mark.parametrize("framing", Framing)
def test_every_hop_is_read_alike_in_each_framing(edition, hop, framing):
    message = ssmmp.parse(hop[framing.value], ACTORS[hop["to"]])
    assert message == ssmmp.parse(hop["lines"])
    assert (message.type, message.sub_type) == (hop["type"], hop["sub_type"] or "")
    assert not message.extras


@pytest.mark.parametrize(("edition", "hop"), HOPS, ids=hop_id)
@pytest.mark.parametrize("framing", Framing)
def test_every_hop_is_written_as_printed(edition, hop, framing):
    message = ssmmp.parse(hop["lines"])
    written = ssmmp.format(message, Dialect(framing, edition)).decode()
    if framing is Framing.SEMICOLON and edition is Edition.BASE and ";" in hop["lines"]:
        # Lists need commas in this framing; the vector writes semicolons inside parentheses.
        written = ssmmp.format(message, Dialect(Framing.LINES, edition)).decode()
        assert written == hop["lines"]
        return
    wanted = hop[framing.value]
    if framing is Framing.SEMICOLON and "socket_configuration" in message.fields:
        wanted = wanted.replace("()", "").replace("((", "").replace("))", "")
    assert written == wanted


@pytest.mark.parametrize(("edition", "hop"), HOPS, ids=hop_id)
def test_the_other_direction_is_refused(edition, hop):
    others = [actor for actor in Actor if actor is not ACTORS[hop["to"]]]
    for other in others:
        try:
            message = ssmmp.parse(hop["lines"], other)
        except Malformed:
            continue
        assert not message.sub_type


def test_the_text_file_holds_the_same_messages():
    text = (VECTORS / "spec" / "base.txt").read_text("utf-8")
    plain = "\n".join(line for line in text.split("\n") if not line.startswith("#"))
    units = ssmmp.Reader().feed(plain.encode())
    listed = [ssmmp.parse(hop["lines"]) for edition, hop in HOPS if edition is Edition.BASE]
    assert [ssmmp.parse(one) for one in units] == listed


def receiver_of(name: str) -> Actor:
    if "anager" in name:
        return Actor.MANAGER
    return Actor.AGENT if "agent" in name.lower() else Actor.INSTANCE


@pytest.mark.parametrize("name", ZUK)
def test_every_captured_message_of_the_one_partner(name):
    readers: dict[tuple, ssmmp.Reader] = {}
    for one in loaded(f"captured/{name}")["messages"]:
        if "bytes" not in one:
            continue
        reader = readers.setdefault((one.get("conn"), one["from"]), ssmmp.Reader())
        for unit in reader.feed(one["bytes"].encode()):
            # Its last revision writes the port -1 if it has none; that is not a valid port.
            odd = b"_-1" in unit
            try:
                message = ssmmp.parse(unit, receiver_of(one["to"]))
            except Malformed as error:
                assert odd or "unknown type" in str(error), (unit, error)
                continue
            assert message.type in unit.decode()
            assert reader.framing is Framing.SEMICOLON or "foreign" in one["from"]


def test_one_of_each_captured():
    lines = (VECTORS / "captured" / "zuk-one-of-each.txt").read_bytes().split(b"\n")
    found = [ssmmp.parse(one) for one in lines if one and not one.startswith(b"#")]
    assert len(found) == 30
    execution = next(one for one in found if one.type == "execution_request")
    assert execution.fields == {
        "agent_network_address": "::1", "service_name": "Register", "service_instance_id": 10,
        "socket_configuration": (("S", 34491),), "plug_configuration": (),
    }  # fmt: skip
    info = next(one for one in found if one.type == "dest_service_session_close_info")
    assert (info.number("dest_socket_port"), info.number("dest_socket_new_port")) == (34491, 0)


@pytest.mark.parametrize("name", FOREIGN)
def test_what_is_not_ssmmp_does_not_harm(name):
    for one in loaded(f"captured/{name}")["messages"]:
        for unit in ssmmp.Reader().feed(one.get("bytes", "").encode() + b"\n\n"):
            try:
                ssmmp.parse(unit)
            except Malformed:
                continue


def test_the_partner_gets_the_form_it_wants():
    first = b"type:initiation_request;message_id:10;agent_network_address:localhost_34011"
    dialect = ssmmp.dialect_of(first)
    assert dialect.own_address == "localhost_34011"
    execution = ssmmp.MANAGER_TO_AGENT.make(
        "execution_request", 3, agent_network_address="::1", service_name="Login",
        service_instance_id=11, socket_configuration=(ssmmp.SocketEntry("S", 34501),),
        plug_configuration=(ssmmp.PlugEntry("P", "BaaS"),),
    )  # fmt: skip
    assert ssmmp.format(execution, dialect) == (
        b"type:execution_request;message_id:3;agent_network_address:localhost_34011;"
        b"service_name:Login;service_instance_id:11;socket_configuration:localhost_34501;"
        b"plug_configuration:P, BaaS\n"
    )
    offer = ssmmp.MANAGER_TO_AGENT.make(
        "session_response", 4, status=200, dest_service_instance_network_address="::1",
        dest_socket_port=34501,
    )  # fmt: skip
    assert b"network_address:localhost_34501;dest_socket_port:34501" in ssmmp.format(offer, dialect)


def test_case_and_blanks_are_tolerated():
    text = (
        "Type: graceful_shutdown_request\nMESSAGE_ID: 5\nsub_type: agent_to_Service_instance\n"
        "Service_name:  Api Gateway \nService_instance_id: 7\n"
    )
    message = ssmmp.parse(text, Actor.INSTANCE)
    assert message.text("service_name") == "Api Gateway"
    assert message.sub_type == "agent_to_service_instance"


@pytest.mark.parametrize(
    ("text", "hopeless"),
    [
        ("", True), ("\n\n", True), ("hello", True), ("type: a", True),
        ("type:\nmessage_id: 1", True),
        ("junk\ntype: initiation_request\nmessage_id: 1", True),
        ("type: a b\nmessage_id: 1", True), ("type: a\nmessage_id: 01", True),
        ("type: execution_response\nmessage_id: 1\nstatus: \x00", False),
    ],
)  # fmt: skip
def test_texts_without_an_answer(text, hopeless):
    with pytest.raises(Malformed) as raised:
        ssmmp.parse(text)
    assert raised.value.answer is None
    assert raised.value.unreadable is hopeless


def test_bytes_that_are_not_utf8_are_a_malformed_line():
    with pytest.raises(Malformed) as raised:
        ssmmp.parse(b"type: initiation_request\nmessage_id: 7\nservice_repository: \xff\n")
    assert raised.value.answer and raised.value.answer.status == 400


NAMES = st.from_regex(r"[A-Za-z0-9_.@-]{1,8}", fullmatch=True)
PORTS = st.integers(0, 65535)
STRATEGIES = {
    "integer": st.integers(1, 2**63 - 1), "port": PORTS, "status": st.integers(100, 999),
    "name": NAMES, "address": st.ip_addresses().map(str).map(FIELDS["agent_network_address"].read),
    "list of names": st.lists(NAMES, max_size=3).map(tuple),
    "socket configuration": st.lists(
        st.builds(ssmmp.SocketEntry, NAMES, PORTS), max_size=3
    ).map(tuple),
    "plug configuration": st.lists(st.builds(ssmmp.PlugEntry, NAMES, NAMES), max_size=3).map(tuple),
}  # fmt: skip


@st.composite
def messages(draw) -> tuple[ssmmp.SsmmpMessage, Actor]:
    row = draw(st.sampled_from([row for row in ssmmp.ROWS if row.sub_type]))
    lines = row.lines(draw(st.sampled_from(Edition)))
    fields = {name: draw(STRATEGIES[FIELDS[name].name]) for name in lines}
    extras = draw(st.sampled_from([(), (("x_token", "a:b c"),)]))
    id = draw(STRATEGIES["integer"])
    return ssmmp.SsmmpMessage(row.type, id, row.sub_type, fields, extras), row.receiver


@given(messages(), st.sampled_from(Framing), st.sampled_from(Edition))
@settings(max_examples=200)
def test_what_is_written_is_read(drawn, framing, edition):
    message, receiver = drawn
    (unit,) = ssmmp.Reader().feed(ssmmp.format(message, Dialect(framing, edition)))
    assert ssmmp.parse(unit, receiver) == message


@given(st.text(max_size=200))
def test_any_text_ends_in_a_message_or_malformed(text):
    for start in ("", "type: session_request\nmessage_id: 3\n", "type:a_request;message_id:3;"):
        try:
            ssmmp.parse(start + text)
        except Malformed as error:
            assert error.answer is None or error.answer.status in (400, 501)
