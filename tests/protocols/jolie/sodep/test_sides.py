import json
from itertools import count
from pathlib import Path

import pytest

from ccproxy.protocols.jolie.sodep import (
    Packed,
    Sodep,
    SodepLimits,
    SodepReader,
    Upstream,
    UpstreamLoad,
    UpstreamPool,
    message,
)
from ccproxy.protocols.jolie.values import Call, Fault, Long, Result, Tree

VECTORS = Path(__file__).parents[3] / "vectors" / "jolie"
FILES = sorted(VECTORS.glob("*.json"))
OUTSIDE = {"latin.json"}
"""Files with a string outside UTF-8, which passes but is not read."""


def load(file: Path) -> dict:
    return json.loads(file.read_text("utf-8"))


def decoded(found) -> list[tuple[str, dict]]:
    """Every sodep message of a vector: its bytes and what they mean."""
    if isinstance(found, list):
        return [one for part in found for one in decoded(part)]
    if not isinstance(found, dict):
        return []
    own = "decoded" in found and "hex" in found
    rest = decoded(list(found.values()))
    return [(found["hex"], found["decoded"]), *rest] if own else rest


def tree(node: dict | None) -> Tree:
    content = (node or {}).get("content")
    if isinstance(content, dict):
        kind, value = next(iter(content.items()))
        kinds = {"int": int, "long": Long, "double": float, "raw": bytes.fromhex}
        content = kinds[kind](value)
    children = (node or {}).get("children", {})
    return Tree(content, {name: [tree(one) for one in some] for name, some in children.items()})


def feed(data: bytes):
    caller = Sodep().caller()
    (asked,) = caller.feed(data)
    assert not caller.broken
    return caller, asked


def test_there_are_vectors():
    assert sum(len(decoded(load(file))) for file in FILES) > 200


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_messages_of_the_original_mean_what_the_vectors_say(file):
    for text, meaning in decoded(load(file)):
        data = bytes.fromhex(text)
        service = Sodep().service()
        ((id, answer),) = service.feed(data)
        assert not service.broken
        assert id == meaning["id"]
        fault = meaning["fault"]
        assert isinstance(answer, Fault) == (fault is not None)
        if fault is not None:
            assert answer.name == fault["name"]
        if file.name not in OUTSIDE and "NaN" not in json.dumps(meaning):
            assert answer.value.tree() == tree(fault["value"] if fault else meaning["value"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_messages_of_the_original_pass_untouched(file):
    for text, meaning in decoded(load(file)):
        data = bytes.fromhex(text)
        (answered,) = Sodep().service().feed(data)
        caller, asked = feed(data)
        caller.answer(asked.token, answered.answer)
        assert b"".join(caller.take()) == data
        if meaning["fault"] is None:
            call = asked.call._replace(path="/else/where")
            expected = message(77, b"/else/where", data[12 + len(meaning["resourcePath"]) :])
            assert Sodep().request(call, 77) == expected


STRICTER = ("unknown tag", "negative child", "negative string", "negative value")
"""Cases of `lenient` that are no sodep for us."""


def plain(found, case: str = "") -> list[tuple[str, str]]:
    """Every message of a vector that stands there without its meaning, and the case's name."""
    if isinstance(found, list):
        return [one for part in found for one in plain(part, case)]
    if not isinstance(found, dict):
        return []
    case = found.get("name", case)
    own = [
        value
        for key, value in found.items()
        if key.endswith("_hex") and value and "utf8" not in key
    ]
    texts = [one for value in own for one in (value if isinstance(value, list) else [value])]
    return [(one, case) for one in texts] + plain(list(found.values()), case)


@pytest.mark.parametrize(
    "file",
    [one for one in FILES if not one.stem.startswith(("soap_", "xml_"))],
    ids=lambda file: file.stem,
)
def test_hand_made_messages_pass_untouched(file):
    found = load(file)
    for text, case in plain(found.get("cases", found.get("steps"))):
        if text.startswith("504f5354"):
            continue
        data = bytes.fromhex(text)
        caller = Sodep().caller()
        asked = caller.feed(data)
        if any(word in case for word in STRICTER):
            assert caller.broken
        else:
            ((token, call),) = asked
            path = call.path.encode()
            assert Sodep().request(call, token.id) == data
            assert data[12 : 12 + len(path)] == path


def test_a_request_of_the_worked_example_changes_its_path_alone():
    steps = [one for one in load(VECTORS / "rr.json")["steps"] if "hex" in one]
    request, forwarded, answer, returned = (bytes.fromhex(one["hex"]) for one in steps[:4])
    caller, asked = feed(request)
    assert (asked.call.path, asked.call.operation) == ("/Sum", "sum")
    assert Sodep().request(asked.call._replace(path="/"), asked.token.id) == forwarded
    (answered,) = Sodep().service().feed(answer)
    caller.answer(asked.token, answered.answer)
    assert b"".join(caller.take()) == returned


def test_a_value_of_another_form_is_encoded():
    value = Tree(None, {"x": [Tree(5)], "y": [Tree(3)]})
    caller, asked = feed(Sodep().request(Call("/Sum", "sum", value), 1))
    assert asked.call.value.tree() == value
    caller.answer(asked.token, Result(Tree(8)))
    assert Sodep().service().feed(b"".join(caller.take()))[0].answer.value.tree() == Tree(8)
    caller.answer(asked.token, Fault("DivisionByZero", value))
    answer = Sodep().service().feed(b"".join(caller.take()))[0].answer
    assert (answer.name, answer.value.tree()) == ("DivisionByZero", value)


def test_what_sodep_cannot_carry_is_answered_with_a_fault():
    caller, asked = feed(Sodep().request(Call("/", "sum", Tree()), 9))
    caller.answer(asked.token, Result(Tree(1 << 63)))
    ((id, answer),) = Sodep().service().feed(b"".join(caller.take()))
    assert (id, answer.name) == (9, "IOException")
    assert "64 bits" in answer.value.tree().payload


def test_a_renamed_operation_keeps_its_value():
    _, asked = feed(Sodep().request(Call("/", "sum", Tree("v")), 1))
    again = Sodep().request(asked.call._replace(operation="add"), 2)
    _, other = feed(again)
    assert (other.call.operation, other.call.value.tree()) == ("add", Tree("v"))


def test_a_port_of_another_charset_is_translated():
    latin = Sodep(charset="iso-8859-1")
    (asked,) = latin.caller().feed(latin.request(Call("/", "echo", Tree("caffè")), 1))
    assert isinstance(asked.call.value, Packed)
    _, again = feed(Sodep().request(asked.call, 1))
    assert again.call.value.tree() == Tree("caffè")


def test_a_path_that_is_no_text_is_answered_with_a_fault():
    caller, asked = feed(message(4, b"/\xff", b"\0\0\0\1o\0" + bytes(5)))
    assert isinstance(asked.call, Fault)
    caller.answer(asked.token, asked.call)
    assert Sodep().service().feed(b"".join(caller.take()))[0].id == 4


def test_a_caller_that_half_closes_gets_its_answers():
    caller, asked = feed(Sodep().request(Call("/", "sum", Tree()), 9))
    caller.eof()
    assert not caller.closing
    caller.answer(asked.token, Result(Tree()))
    assert caller.closing


def test_limits_reach_the_reader():
    caller = Sodep(SodepLimits(message=40)).caller()
    assert caller.feed(Sodep().request(Call("/", "echo", Tree("x" * 50)), 1)) == []
    assert "more than 40" in caller.broken
    assert SodepReader(SodepLimits()).feed(b"") == []


def test_who_leaves_is_answered_first():
    caller, asked = feed(Sodep().request(Call("/", "sum", Tree()), 1))
    assert not caller.closing
    caller.drain("over")
    assert not caller.closing
    caller.answer(asked.token, Result(Tree(1)))
    assert caller.closing and not caller.broken and not caller.crowded
    idle = Sodep().caller()
    idle.drain("over")
    assert idle.closing


def test_calls_before_garbage_are_answered():
    caller = Sodep().caller()
    (asked,) = caller.feed(Sodep().request(Call("/", "sum", Tree()), 1) + b"\xff" * 50)
    assert caller.broken and not caller.too_big and not caller.closing
    caller.answer(asked.token, Result(Tree(1)))
    assert caller.closing


def test_a_message_that_is_too_long_is_told_from_garbage():
    for value, too_big in ((Tree("x" * 50), True), (Tree("", {"y" * 50: [Tree()]}), True)):
        caller = Sodep(SodepLimits(message=40)).caller()
        assert caller.feed(Sodep().request(Call("/", "sum", value), 1)) == []
        assert (caller.broken, caller.too_big) == ("message of more than 40 bytes", too_big)
    assert caller.closing


def test_calls_of_the_fast_path_can_be_abandoned():
    form, other, clock = Sodep(), Sodep().caller(), 0.0
    load = UpstreamLoad(10, 1000)
    upstream, upstreams = Upstream(count(1), load), UpstreamPool("utf-8", 1.0, lambda: clock)
    upstreams.usable.append(upstream)
    mine, stays = form.caller(), form.caller()
    data = form.request(Call("/Sum", "sum", Tree()), 7)
    ((_, call),) = mine.feed(data)
    form.add_route(call, "/", upstreams, Stats())
    assert mine.feed(data + data) == stays.feed(data) == []
    assert (mine.answers.open, stays.answers.open, len(upstream.open)) == (3, 1, 3)
    form.abandon([mine, other], Fault("IOException", Tree("over")))
    assert (mine.answers.open, stays.answers.open, load.calls) == (1, 1, 1)
    found = Sodep().service().feed(b"".join(mine.take()))
    assert [(id, answer.value.tree().payload) for id, answer in found] == [(7, "over")] * 2


class Stats:
    """Counts nothing."""

    class flow:
        gone = False

    def count(self, calls, size):
        pass
