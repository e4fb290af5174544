"""What an operator does to a server: peers, links, the end in order; and what is refused."""

import asyncio
import json
import logging
from types import SimpleNamespace

import pytest

from ccproxy.core.outbox import Limits, Outbox
from ccproxy.server import steering as module
from ccproxy.server.requests import RequestError
from ccproxy.server.steering import Steered, Steering


class Listening:
    calls = 0

    def __init__(self, *names):
        self.names = names

    def drop(self, wanted, reason):
        assert reason == "an operator closed it"
        return sum(map(wanted, self.names))


class Link:
    def __init__(self, name):
        self.name = name
        self.told = []


@pytest.fixture
def made(kit, monkeypatch):
    """Steering on things that only remember; to be called on the loop."""

    def made():
        found = SimpleNamespace(
            listeners=[Listening("1.2.3.4:5", "ann@1.2.3.4:6"), Listening("9.9.9.9:1")],
            links=[Link("h:far"), Link("h:far"), Link("h:x")],
            box=Outbox("h:far", Limits()), told=[], busy="", held=0, fault=None,
            gate=asyncio.Event(),
        )  # fmt: skip

        async def reopen():
            await found.gate.wait()
            if found.fault:
                raise found.fault
            found.told.append("reopen")

        found.gate.set()
        found.reopen = reopen
        steered = Steered(
            lambda: found.listeners, lambda: found.links, lambda: [found.box],
            lambda: found.held, lambda: ["h:far", "h:x"], lambda: found.told.append("stop reading"),
            found.reopen, lambda: found.busy, lambda: found.told.append("stop"),
        )  # fmt: skip
        found.steering = Steering(steered, kit().log)
        return found

    for word in ("pause", "resume"):
        monkeypatch.setattr(module.OutgoingLink, word, lambda one, word=word: one.told.append(word))
    monkeypatch.setattr(module, "LOOK_INTERVAL", 0.001)
    monkeypatch.setattr(module, "SAY_INTERVAL", 0.005)
    return made


@pytest.mark.parametrize(("peer", "count"), [("1.2.3.4:5", 1), ("1.2.3.4", 2), ("ann", 1)])
async def test_peers_are_closed_by_name(made, peer, count):
    answer = await made().steering.drop_peer({"peer": peer})
    assert json.loads(answer.body) == {"changed": count}


@pytest.mark.parametrize(
    ("query", "code", "why"),
    [({}, 400, "peer is missing"), ({"peer": "bob"}, 404, "no peer is called bob"),
     ({"peer": "1.2.3"}, 404, "no peer is called")],
)  # fmt: skip
async def test_no_such_peer(made, query, code, why):
    with pytest.raises(RequestError, match=why) as caught:
        await made().steering.drop_peer(query)
    assert caught.value.code == code


async def test_all_links_of_a_section_pause_and_resume(made):
    found = made()
    for word in ("pause", "resume"):
        answer = await getattr(found.steering, word)({"link": "h:far"})
        assert json.loads(answer.body) == {"changed": 2}
    assert [one.told for one in found.links] == [["pause", "resume"]] * 2 + [[]]


@pytest.mark.parametrize(
    ("links", "why"),
    [(["h:remote-lux", "h:x"], r'^\[remote-lux\] has no .* h:x; did you mean "h:remote-lux"\?$'),
     ([], r"^\[remote-lux\] has no link: no section of this file has one$"),
     ([f"h:{n:03}" for n in range(60)], r"links are those of h:000, .*, h:049, \.\.\.$")],
)  # fmt: skip
async def test_the_link_that_may_be_meant(made, links, why):
    found = made()
    found.links = list(map(Link, links))
    with pytest.raises(RequestError, match=why):
        await found.steering.pause({"link": "remote-lux"})


async def test_no_such_link(made):
    with pytest.raises(RequestError, match=r"\[h:y\] has no link; links are those of h:far, h:x"):
        await made().steering.pause({"link": "h:y"})
    with pytest.raises(RequestError, match="link is missing"):
        await made().steering.resume({})


async def test_a_drain_waits_until_all_is_delivered(made, until):
    found = made()
    found.box.offer(b"\0\1x", 1)
    found.listeners[0].calls = found.held = 1
    assert not found.steering.draining
    answer = await found.steering.drain({})
    assert found.steering.draining
    lines = answer.body
    assert json.loads(await anext(lines)) == {"waiting": 3}
    await until(lambda: found.told == ["stop reading"])
    found.box.clear("sent")
    assert json.loads(await anext(lines)) == {"waiting": 2}
    found.held = 0
    again = await found.steering.drain({})
    found.listeners[0].calls = 0
    for one in (lines, again.body):
        assert [json.loads(line) async for line in one][-1] == {"waiting": 0}
    assert found.told == ["stop reading", "stop"]
    await found.steering.close()


async def test_a_drain_that_is_cancelled(made, until):
    found = made()
    found.box.offer(b"\0\1x", 1)
    with pytest.raises(RequestError, match="does not drain"):
        await found.steering.cancel_drain({})
    answer = await found.steering.drain({})
    assert json.loads(await anext(answer.body)) == {"waiting": 1}
    await until(lambda: found.told == ["stop reading"])
    found.busy = "a reload is under way"
    with pytest.raises(RequestError, match="a reload is under way: the drain goes on"):
        await found.steering.cancel_drain({})
    found.busy, found.fault = "", OSError("[ccserver] Address already in use")
    with pytest.raises(RequestError, match="already in use: the drain goes on"):
        await found.steering.cancel_drain({})
    assert found.steering.draining
    found.fault = None
    await found.steering.cancel_drain({})
    assert not found.steering.draining
    last = [json.loads(line) async for line in answer.body][-1]
    assert last == {"waiting": 1, "cancelled": True}
    assert found.told == ["stop reading", "reopen"]
    found.box.clear("sent")
    again = await found.steering.drain({})
    assert [json.loads(line) async for line in again.body][-1] == {"waiting": 0}
    with pytest.raises(RequestError, match="the server stops: the drain goes on"):
        await found.steering.cancel_drain({})
    assert found.told == ["stop reading", "reopen", "stop reading", "stop"]


async def test_a_drain_is_cancelled_by_one_command_at_a_time(made, until):
    found = made()
    found.box.offer(b"\0\1x", 1)
    await found.steering.drain({})
    await until(lambda: found.told == ["stop reading"])
    found.gate.clear()
    first = asyncio.ensure_future(found.steering.cancel_drain({}))
    await asyncio.sleep(0)
    with pytest.raises(RequestError, match="another command cancels the drain already"):
        await found.steering.cancel_drain({})
    found.gate.set()
    await first
    assert not found.steering.draining and found.told == ["stop reading", "reopen"]


async def test_a_drain_that_ends_while_addresses_are_opened_again(made, until):
    found = made()
    found.box.offer(b"\0\1x", 1)
    await found.steering.drain({})
    await until(lambda: found.told == ["stop reading"])
    found.gate.clear()
    cancelling = asyncio.ensure_future(found.steering.cancel_drain({}))
    found.box.clear("sent")
    await until(lambda: "stop" in found.told)
    found.gate.set()
    with pytest.raises(RequestError, match="the server stops: the drain goes on"):
        await cancelling
    assert found.steering.draining


async def test_a_drain_goes_on_without_its_client_and_ends_with_the_server(made):
    found = made()
    found.box.offer(b"\0\1x", 1)
    answer = await found.steering.drain({})
    await anext(answer.body)
    await answer.body.aclose()
    await asyncio.sleep(0.01)
    await found.steering.close()
    assert found.told == ["stop reading"]


@pytest.fixture
def levels():
    """The levels of the log are those of the whole process: set back."""
    yield
    for name in (None, "h:far", "CCServer"):
        logging.getLogger(name).setLevel(logging.WARNING if name is None else logging.NOTSET)


@pytest.mark.usefixtures("levels")
async def test_the_level_of_the_log_is_changed(made):
    steering = made().steering
    answer = await steering.log({"level": "debug"})
    assert json.loads(answer.body) == {"level": "debug", "sections": {}}
    answer = await steering.log({"level": "trace", "section": "h:far"})
    assert json.loads(answer.body) == {"level": "debug", "sections": {"h:far": "trace"}}
    await steering.log({"level": "error", "section": "CCServer"})
    assert not logging.getLogger("CCServer").isEnabledFor(logging.WARNING)


@pytest.mark.parametrize(
    ("query", "code", "why"),
    [({}, 400, "expected trace, debug, info, warning, error"),
     ({"level": "loud"}, 400, "found level=loud"),
     ({"level": "info", "section": "h:fat"}, 404, r"\[h:fat\] logs nothing.*h:far")],
)  # fmt: skip
async def test_levels_and_sections_that_do_not_exist(made, query, code, why):
    with pytest.raises(RequestError, match=why) as caught:
        await made().steering.log(query)
    assert caught.value.code == code
