"""Taps for clients: lines of JSON, bounds, and that a tap goes with its client."""

import json

import pytest

from ccproxy.core.flows import Flow, FlowTable, Target
from ccproxy.core.taps import Passing, Places, TappedMessage
from ccproxy.server import tapping as module
from ccproxy.server.requests import RequestError
from ccproxy.server.tapping import MOST_TAPS, Tapping, line
from ccproxy.wire.zmtp.frames import pack

PLACES = Places(("h:a",), "discarded")


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.001)
    monkeypatch.setattr(module, "QUIET_INTERVAL", 0.003)


def table():
    return FlowTable(100, lambda type: Target(fate="unrouted"))


def pass_by(flow: Flow, number, start=b"m"):
    flow.target.show(Passing("l", "p:1", PLACES, number, lambda: [pack([start])] * number, "a.b"))


async def values(answer, until):
    """Lines until one satisfies this; the tap is taken off then."""
    found = []
    async for part in answer.body:
        found += [json.loads(one) for one in part.splitlines() if one]
        if until(found):
            break
    await answer.body.aclose()
    return found


async def test_messages_and_how_many_were_missed():
    flows = table()
    before = flows.miss(b"a.b")
    answer = await Tapping(flows).answer({"prefix": "a"})
    assert not flows.taps  # on from the first line only: a client may be gone before
    assert await anext(answer.body) == b"\n"
    assert before.gone
    pass_by(flows.flows[b"a.b"], 3)
    pass_by(flows.miss(b"a.c"), 500)
    found = await values(answer, lambda found: "missed" in (found or [{}])[-1])
    assert found[-1] == {"missed": 303}
    assert len(found) == 201
    assert {**found[0], "time": 0} == {
        "time": 0, "type": "a.b", "listener": "l", "peer": "p:1", "to": ["h:a"],
        "fate": "discarded", "bytes": 3,
    }  # fmt: skip
    assert not flows.taps and not any(one.target.taps for one in flows.flows.values())


async def test_an_empty_line_now_and_then_finds_clients_that_have_gone():
    answer = await Tapping(table()).answer({"prefix": "*"})
    for _ in range(5):
        assert await anext(answer.body) == b"\n"
    await answer.body.aclose()


async def test_taps_are_bounded():
    tapping = Tapping(table())
    answers = [await tapping.answer({"prefix": "*"}) for _ in range(MOST_TAPS)]
    for one in answers:
        await anext(one.body)
    with pytest.raises(RequestError, match="4 taps already") as caught:
        await tapping.answer({"prefix": "*"})
    assert caught.value.code == 503
    for one in answers:
        await one.body.aclose()
    assert (await tapping.answer({"prefix": "*"})).code == 200


@pytest.mark.parametrize("query", [{}, {"prefix": ""}, {"from": "x"}])
async def test_a_tap_needs_a_prefix(query):
    with pytest.raises(RequestError, match="prefix is missing"):
        await Tapping(table()).answer(query)


async def test_many_flows_are_changed_in_slices(turns):
    flows = FlowTable(100_000, lambda type: Target(fate="unrouted"))
    for number in range(5000):
        flows.miss(b"a.%d" % number)
    async with turns:
        answer = await Tapping(flows).answer({"prefix": "a"})
        await anext(answer.body)
        assert all(one.target.taps for one in flows.flows.values())
        await answer.body.aclose()
    assert turns.number >= 8


def shown(start, size=None, type="", body=True):
    message = TappedMessage("l", "p", PLACES, type, size or len(start), start)
    return json.loads(line(message, body))


def test_the_type_stands_in_an_envelope():
    found = shown(pack([b"route", b"", b"a.b", b"one", b"\xff\x1b"]))
    assert (found["type"], found["frames"], found["whole"]) == ("a.b", ["one", "\\xff\x1b"], True)
    assert "frames" not in shown(pack([b"", b"a.b"]), body=False)
    assert shown(pack([b"topic", b"1"]), type="bus")["frames"] == ["topic", "1"]


def test_what_is_long_is_cut_and_said_to_be():
    start = pack([b"", b"a", b"x" * 9000])[:4096]
    found = shown(start, 9100)
    assert (found["type"], len(found["frames"][0]), found["whole"]) == ("a", 200, False)
    assert not shown(pack([b"", b"a", *[b"x"] * 50]))["whole"]
