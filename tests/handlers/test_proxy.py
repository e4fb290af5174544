import json
from pathlib import Path

import pytest

from ccproxy import Forward, Plan
from ccproxy.config.plan import HandlerPlan, ListenerPlan
from ccproxy.core.message import Message
from ccproxy.protocol import MessageProtocol
from ccproxy.testing import CODEC, TIME, message, run_handler
from ccproxy.wire import cc
from ccproxy_handlers.proxy import Proxy

VECTORS = Path(__file__).parents[1] / "vectors" / "cc"
CASES = json.loads((VECTORS / "echo_log_invalid.json").read_text("utf-8"))["cases"]
HOPS = json.loads((VECTORS / "hops_fanout_ping.json").read_text("utf-8"))
SEED = json.loads((VECTORS / "seed_example.json").read_text("utf-8"))
URL = "tcp://127.0.0.1:22640"


def frames_of(frames: list[dict]) -> list[bytes]:
    return [bytes.fromhex(one["hex"]) if "hex" in one else one["text"].encode() for one in frames]


def frames(sent) -> list[bytes]:
    return cc.frames(sent.route, sent.type, sent.payload)


def pong(asked: float, target: str = URL):
    return message("echo.response", {"orig_target": target, "orig_time": asked}, route=())


def forwarded() -> list:
    return [one for one in CASES if "forwarded" in one]


@pytest.mark.parametrize("case", forwarded(), ids=lambda case: case["name"])
def test_whatever_comes_goes_on_unchanged(case):
    theirs = frames_of(case["forwarded"][0])[1:]
    with run_handler(Proxy, {"remote-cc": URL}) as proxy:
        given = Message.cut([theirs[0], *frames_of(case["send"])], CODEC)
        assert proxy.give(given) == []
        [sent] = proxy.ctx.links[0].take()
        assert frames(sent) == theirs


def test_each_hop_adds_one_frame():
    hop = HOPS["two_proxies"]
    with run_handler(Proxy, {"remote-cc": URL}) as proxy:
        proxy.give(Message.cut([b"client-7", *frames_of(hop["client_to_A"])], CODEC))
        [sent] = proxy.ctx.links[0].take()
        assert [frames(sent)] == [frames_of(one) for one in hop["A_to_B"]]


@pytest.mark.parametrize("case", SEED["cases"][:6])
def test_the_example_of_six_masters(case):
    with run_handler(Proxy, {"remote-cc": URL, "ping": "yes"}) as proxy:
        proxy.give(Message.cut([b"\0me", *frames_of(case["send"])], CODEC))
        [sent] = proxy.ctx.links[0].take()
        assert frames(sent) == [b"\0me", *frames_of(case["send"])]


def test_every_type_is_decided_alike():
    with run_handler(Proxy, {"remote-cc": URL}) as proxy:
        [link] = proxy.ctx.links
        assert proxy.handler.decide("a.b") == Forward((link.outbox,))
        assert proxy.handler.status() == {"address": URL, "state": "up"}


def test_the_options_of_the_original_reach_the_link():
    options = f"remote-cc = {URL}\nzmq_hwm = 10\nzmq_linger = 250\nzmq_tcp_keepalive = 0"
    with run_handler(Proxy, options) as proxy:
        [link] = proxy.ctx.links
        assert (link.options.linger, link.options.keepalive) == (0.25, None)
        for _ in range(1000):
            proxy.send("a")
        assert len(link.take()) == 20
        assert link.outbox.dropped["full"] == 980


def test_without_ping_nothing_is_sent():
    with run_handler(Proxy, {"remote-cc": URL}) as proxy:
        proxy.ctx.advance(60.0)
        assert proxy.ctx.links[0].take() == []


def test_pings_look_like_those_of_the_original():
    with run_handler(Proxy, {"remote-cc": URL, "ping": "yes"}) as proxy:
        proxy.ctx.advance(3.0)
        pings = proxy.ctx.links[0].take()
        theirs = [frames_of(one) for one in HOPS["proxy_ping"]["ping_on_the_wire"]]
        assert len(pings) == len(theirs) == 3
        for second, (ours, their) in enumerate(zip(pings, theirs, strict=True), 1):
            expected = Message.cut(their, CODEC)
            assert (ours.route, ours.type, ours.payload[1:]) == ((), "echo.request", (b"",))
            assert ours.value().keys() == expected.value().keys()
            assert (ours.value()["target"], ours.value()["time"]) == (URL, TIME + second)


def test_no_ping_waits_for_a_link_that_is_down():
    with run_handler(Proxy, {"remote-cc": URL, "ping": "yes"}) as proxy:
        [link] = proxy.ctx.links
        link.state = "connecting"
        proxy.ctx.advance(8.0)
        assert link.take() == []
        said = f"WARNING no pong from {URL} for 6.000000 s, the link was never up"
        assert proxy.ctx.lines == [said]
        assert proxy.ctx.counters == {"ping.missing": 2}
        link.state = "up"
        proxy.ctx.advance(1.0)
        assert len(link.take()) == 1


def test_pongs_are_counted_and_shown():
    with run_handler(Proxy, {"remote-cc": URL, "ping": "yes"}) as proxy:
        [link] = proxy.ctx.links
        proxy.ctx.advance(1.5)
        link.receive(pong(TIME + 1.0))
        assert proxy.handler.status() == {
            "address": URL, "state": "up", "healthy": True,
            "last-ping": "0.5 s ago", "last-pong": "0.0 s ago", "round-trip": "500.0 ms",
        }  # fmt: skip
        assert proxy.ctx.counters == {"ping.sent": 1, "ping.pong": 1}
        proxy.ctx.advance(20.0)
        assert proxy.handler.status()["healthy"] is False


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        (pong(TIME, "tcp://other:1"), "WARNING unknown pong: tcp://other:1"),
        (message("log.info", route=()), "WARNING unknown msg: log.info"),
        (pong(TIME), f"DEBUG late pong: 1.000000 s ({URL})"),
        (pong(TIME - 30), f"INFO too late pong: 31.000000 s ({URL})"),
    ],
)
def test_answers_are_logged_as_by_the_original(answer, line):
    with run_handler(Proxy, {"remote-cc": URL, "ping": "yes"}) as proxy:
        proxy.ctx.advance(1.0)
        proxy.ctx.links[0].receive(answer)
        assert proxy.ctx.lines == [line]


def test_a_pong_without_fields_fails():
    with run_handler(Proxy, {"remote-cc": URL, "ping": "yes"}) as proxy:
        broken = Message.cut([b"", b"echo.response", b"{}", b""], CODEC)
        with pytest.raises(ValueError, match="req"):
            proxy.ctx.links[0].receive(broken)


@pytest.mark.parametrize(
    ("listens", "protocol", "said"),
    [("tcp://*:22640", "cc", True), ("tcp://*:22641", "cc", False), (URL, "sodep", False)],
)
def test_a_proxy_to_its_own_server_is_a_warning(listens, protocol, said):
    options = Proxy.Options(remote_cc=URL)
    listener = ListenerPlan("ccserver", protocol, MessageProtocol, listens, None, 2)
    mine = HandlerPlan("h:far", "proxy", Proxy, options, 7)
    plan = Plan("x.ini", "x", None, (listener,), (), (mine,))
    problems = list(Proxy("h:far", options).check(plan))
    texts = [
        f"x.ini:7: warning: [h:far] forwards to {URL}, to this server itself; "
        "[ccserver] in line 2 listens there: messages go in a circle"
    ]
    assert [str(one) for one in problems] == texts * said
