import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ccproxy.protocols import ssmmp
from ccproxy.protocols.ssmmp import kinds

VECTORS = Path(__file__).parents[2] / "vectors" / "ssmmp" / "spec"
VALUES = json.loads((VECTORS / "syntax.json").read_text("utf-8"))["values"]
KINDS = {"names": kinds.names, "sockets": kinds.sockets, "plugs": kinds.plugs}
NAMES = st.from_regex(r"[A-Za-z0-9_.@-]{1,12}", fullmatch=True)


def as_listed(kind: str, value: tuple) -> list:
    if kind == "plugs":
        return [[one.name, *([one.socket] if one.socket else []), one.service] for one in value]
    return [list(one) if kind == "sockets" else one for one in value]


@pytest.mark.parametrize("case", VALUES, ids=lambda case: f"{case['kind']} {case['text']}")
def test_every_value_of_the_vectors(case):
    if case["kind"] == "address":
        assert kinds.host_and_port(case["text"]) == (case["value"], case.get("port", 0))
        assert kinds.address.read(case["text"]) == case["value"]
        return
    found = KINDS[case["kind"]].read(case["text"])
    assert as_listed(case["kind"], found) == case["value"]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (kinds.integer, "0"), (kinds.integer, "007"), (kinds.integer, str(2**63)),
        (kinds.integer, "-1"), (kinds.port, "65536"), (kinds.port, "01"), (kinds.port, "l"),
        (kinds.status, "20"), (kinds.status, "2000"), (kinds.name, "a/b"), (kinds.name, ""),
        (kinds.address, "node-7"), (kinds.address, ""), (kinds.address, "localhost_1_2"),
        (kinds.address, "localhost_99999"), (kinds.names, "(a; b"), (kinds.names, "a)"),
        (kinds.names, ")a("), (kinds.sockets, "(a)"), (kinds.sockets, "((a, 1) x (b, 2))"),
        (kinds.plugs, "((a, b, c, d))"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_says_what_was_expected(kind, text):
    with pytest.raises(ValueError, match="expected"):
        kind.read(text)


@given(st.lists(NAMES, max_size=5), st.booleans())
def test_names_survive_both_punctuations(names, comma):
    assert kinds.names.read(kinds.names.write(names, comma)) == tuple(names)


@given(st.lists(st.tuples(NAMES, st.integers(0, 65535)), max_size=4), st.booleans())
def test_sockets_survive_both_punctuations(pairs, comma):
    assert kinds.sockets.read(kinds.sockets.write(pairs, comma)) == tuple(pairs)


@given(st.lists(st.builds(ssmmp.PlugEntry, NAMES, NAMES, NAMES), max_size=4))
def test_plugs_keep_their_socket_in_edition_1_1_only(plugs):
    assert kinds.plugs.read(kinds.plugs.write(plugs, True)) == tuple(plugs)
    without = tuple(ssmmp.PlugEntry(one.name, one.service) for one in plugs)
    assert kinds.plugs.read(kinds.plugs.write(plugs, False)) == without


@given(st.ip_addresses())
def test_every_address_is_read_as_itself(address):
    found = kinds.address.read(str(address))
    assert kinds.address.read(found) == found
    assert kinds.address.read(f"[{found}]") == found
    assert kinds.host_and_port(f"{found}_4000") == (found, 4000)


@given(st.text(max_size=40))
def test_nothing_but_value_errors(text):
    for kind in (kinds.integer, kinds.port, kinds.status, kinds.address, *KINDS.values()):
        try:
            value = kind.read(text)
        except ValueError:
            continue
        assert kind.read(kind.write(value, False)) is not None


def test_tuples_of_extension_lines():
    text = "((orders, 2, 54001); (store, 3, 54002))"
    assert ssmmp.tuples(text) == [("orders", "2", "54001"), ("store", "3", "54002")]
    assert ssmmp.write_tuples(ssmmp.tuples(text)) == text
    assert ssmmp.tuples("()") == []
